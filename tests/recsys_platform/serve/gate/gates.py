"""A small API behind the gate, asked over ASGI in this process."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from fastapi import FastAPI, Request

from recsys_platform.config.serve import ServeConfig
from recsys_platform.serve.gate.build import add_gate
from recsys_platform.serve.gate.key_file import FixedKeys, KeySource
from recsys_platform.serve.gate.keys import ApiKey, Scope, digest_of


def key(name: str, *scopes: Scope, **limits: Any) -> ApiKey:
    """The stored form of the key `NAME-secret`."""
    return ApiKey(name=name, sha256=digest_of(f"{name}-secret"), scopes=scopes, **limits)


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {name}-secret"}


def small_api() -> FastAPI:
    """Routes that answer what they got."""
    api = FastAPI()

    @api.post("/v1/recommend")
    async def recommend(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    @api.get("/v1/items")
    async def list_items() -> dict[str, str]:
        return {"answer": "items"}

    @api.post("/v1/items")
    async def edit_items() -> dict[str, str]:
        return {"answer": "edited"}

    @api.put("/v1/items")
    async def swap_items() -> dict[str, str]:
        return {"answer": "swapped"}

    @api.get("/v1/items/{id}")
    async def item(id: str) -> dict[str, str]:  # noqa: A002
        return {"id": id}

    @api.post("/v1/models")
    async def models() -> dict[str, str]:
        return {"answer": "models"}

    @api.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    return api


def gated(api: FastAPI, keys: KeySource | None = None, **settings: Any) -> FastAPI:
    return add_gate(api, ServeConfig(**settings), keys)


def fixed(*keys: ApiKey) -> FixedKeys:
    return FixedKeys(keys)


def ask(app: Any, method: str, path: str, **request: Any) -> httpx.Response:
    """The answer of an ASGI application."""
    (answer,) = ask_all(app, [(method, path, request)])
    return answer


def ask_all(app: Any, requests: Sequence[tuple[str, str, Mapping[str, Any]]]) -> list[httpx.Response]:
    """The answers of an ASGI application, asked one after the other."""

    async def answers() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:
            return [await client.request(method, path, **options) for method, path, options in requests]

    return asyncio.run(answers())
