"""Put the gate around an API: what a request passes first is added last."""

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from recsys_platform.config.stages import ServeConfig
from recsys_platform.serve.gate.authorization import KeyGuard
from recsys_platform.serve.gate.key_file import KeySource
from recsys_platform.serve.gate.limits import TIMEOUT_HEADER, RequestLimits
from recsys_platform.serve.gate.rate_limit import RateLimiter
from recsys_platform.serve.gate.routes import Routes

CORS_METHODS = ("GET", "POST", "PUT", "DELETE")
CORS_REQUEST_HEADERS = ("Authorization", "Content-Type", TIMEOUT_HEADER)
CORS_ANSWER_HEADERS = ("Retry-After",)


def add_gate(api: FastAPI, config: ServeConfig, keys: KeySource | None) -> FastAPI:
    """Add the middleware of an endpoint to its API and return the API.

    Args:
        api: The API with all of its routes.
        config: Settings of the endpoint.
        keys: Where its keys come from; None lets every request pass.
    """
    routes = Routes(api.openapi()["paths"])
    api.add_middleware(RequestLimits, max_body_mb=config.max_body_mb, request_timeout_s=config.request_timeout_s)
    if keys is not None:
        api.add_middleware(KeyGuard, keys=keys, routes=routes, limiter=RateLimiter(), protect_docs=config.protect_docs)
    if config.cors_origins:
        # outside of the keys: a browser asks without a key whether it may send one, and must see why it was refused
        api.add_middleware(
            CORSMiddleware,
            allow_origins=config.cors_origins,
            allow_methods=CORS_METHODS,
            allow_headers=CORS_REQUEST_HEADERS,
            expose_headers=CORS_ANSWER_HEADERS,
        )
    return api
