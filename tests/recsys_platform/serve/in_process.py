"""The ingress in front of a recommender in this process, without Ray."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from ray import serve

from recsys_platform.serve import app
from recsys_platform.serve.health import HealthCheck
from recsys_platform.serve.recommender import Recommender
from recsys_platform.serve.schemas import Health


class Remote:
    """A method of a deployment handle."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def remote(self, *arguments: Any) -> Awaitable[Any]:
        return asyncio.to_thread(self._call, *arguments)


class Handle:
    """A deployment handle of one generator, in this process."""

    def __init__(self, recommender: Recommender) -> None:
        self.recommend = Remote(lambda request: recommender.recommend([request])[0])
        self.rank, self.explain = Remote(recommender.rank), Remote(recommender.explain)
        self.item, self.search_items = Remote(recommender.item), Remote(recommender.search_items)
        self.describe_model = Remote(recommender.describe)
        self.describe = Remote(lambda: Health(model=recommender.info, items=recommender.num_items))


@contextmanager
def client_of(handle: Handle, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """Open a client of the ingress; Ray gives routes their instance by the context of the replica."""
    ingress = object.__new__(app.Ingress.__bases__[0])
    ingress._generator, ingress._keeper = handle, None
    ingress._health = HealthCheck(lambda: handle.describe.remote())
    monkeypatch.setattr(serve, "get_replica_context", lambda: SimpleNamespace(servable_object=ingress))
    with TestClient(app.api, base_url="http://127.0.0.1:8000", raise_server_exceptions=False) as opened:
        yield opened
