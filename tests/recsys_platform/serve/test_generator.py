"""The generator replica without a cluster: requests that arrive together are decoded together."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from recsys_model.bundle import Bundle, write_bundle
from recsys_model.errors import CheckpointError
from recsys_platform.artifacts import open_artifact, write_artifact
from recsys_platform.config import ServeConfig
from recsys_platform.serve.app import Generator
from recsys_platform.serve.recommender import Recommender
from recsys_platform.serve.schemas import RecommendRequest, RecommendResponse, Rejection


@pytest.fixture
def folder(tmp_path: Path, shop_bundle: Bundle) -> Path:
    with write_artifact(tmp_path / "bundle", "bundle", {"name": "shop"}) as (folder, _):
        write_bundle(folder, shop_bundle.model, shop_bundle.tokenizer, shop_bundle.catalog, shop_bundle.settings)
    return tmp_path / "bundle"


class CountingRecommender(Recommender):
    """Keeps the size of every batch."""

    def recommend(self, requests: Sequence[RecommendRequest]) -> list[RecommendResponse | Rejection]:
        self.batch_sizes = [*getattr(self, "batch_sizes", []), len(requests)]
        return super().recommend(requests)


def ask_together(generator: Generator, requests: Sequence[RecommendRequest]) -> list[RecommendResponse | Rejection]:
    async def ask_all() -> list[RecommendResponse | Rejection]:
        return list(await asyncio.gather(*(generator.recommend(request) for request in requests)))

    return asyncio.run(ask_all())


def test_requests_are_decoded_in_batches_of_the_configured_size_and_answered_in_their_place(
    folder: Path, shop_bundle: Bundle
):
    generator = Generator(str(folder), ServeConfig(max_batch_size=3, batch_wait_s=5.0))
    counting = CountingRecommender(shop_bundle, generator._recommender.info)
    generator._recommender = counting
    requests = [RecommendRequest(k=k) for k in (1, 2, 99, 4, 5, 6)]
    answers = ask_together(generator, requests)
    assert counting.batch_sizes == [3, 3]
    assert isinstance(answers[2], Rejection)
    sizes = [len(answer.items) for answer in answers if isinstance(answer, RecommendResponse)]
    assert sizes == [1, 2, 4, 5, 6]


def test_a_replica_describes_the_bundle_it_loaded(folder: Path):
    generator = Generator(str(folder), ServeConfig())
    health = asyncio.run(generator.describe())
    assert (health.status, health.items) == ("ok", 8)
    assert health.model.digest == open_artifact(folder, "bundle").digest


def test_a_replica_refuses_a_bundle_that_was_changed(folder: Path):
    with (folder / "bundle.json").open("a") as file:
        file.write(" ")
    with pytest.raises(CheckpointError, match="checksum"):
        Generator(str(folder), ServeConfig())
