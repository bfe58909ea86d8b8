"""The endpoint in this process, without Ray: for tests of the HTTP API and of the documents about it."""

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from ray import serve

from recsys_platform.serve import app
from recsys_platform.serve.recommender import Recommender
from recsys_platform.serve.schemas import Health, RecommendRequest
from recsys_platform.serve.scoring_schemas import ExplainRequest, RankRequest


class InProcess:
    """A generator without Ray: it answers each request alone."""

    def __init__(self, recommender: Recommender) -> None:
        self._recommender = recommender

    async def recommend(self, request: RecommendRequest) -> Any:
        return self._recommender.recommend([request])[0]

    async def rank(self, request: RankRequest) -> Any:
        return self._recommender.rank(request)

    async def explain(self, request: ExplainRequest) -> Any:
        return self._recommender.explain(request)

    async def item(self, item_id: str) -> Any:
        return self._recommender.item(item_id)

    async def search_items(self, title: str, limit: int) -> Any:
        return self._recommender.search_items(title, limit)

    async def describe_model(self) -> Any:
        return self._recommender.describe()

    async def describe(self) -> Health:
        return Health(model=self._recommender.info, items=self._recommender.num_items)

    async def ready(self) -> Health:
        return await self.describe()


@contextlib.contextmanager
def client_of(generator: InProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """Yield a client of the endpoint; Ray gives routes their instance by the context of the replica."""
    endpoint = object.__new__(app.Endpoint.__bases__[0])
    endpoint._generator, endpoint._keeper = generator, None
    monkeypatch.setattr(serve, "get_replica_context", lambda: SimpleNamespace(servable_object=endpoint))
    with TestClient(app.api, base_url="http://127.0.0.1:8000", raise_server_exceptions=False) as opened:
        yield opened
