"""The generator replica without a cluster: it serves what its bundle artifact holds, or does not start."""

import asyncio
from pathlib import Path

import pytest

from recsys_model.bundle import Bundle, write_bundle
from recsys_model.errors import CheckpointError
from recsys_platform.artifacts import open_artifact, write_artifact
from recsys_platform.config.stages import ServeConfig
from recsys_platform.serve.app import Generator
from recsys_platform.serve.batching import QueueFullError
from recsys_platform.serve.schemas import RecommendRequest, RecommendResponse


@pytest.fixture
def folder(tmp_path: Path, shop_bundle: Bundle) -> Path:
    with write_artifact(tmp_path / "bundle", "bundle", {"name": "shop"}) as (folder, _):
        write_bundle(folder, shop_bundle.model, shop_bundle.tokenizer, shop_bundle.catalog, shop_bundle.settings)
    return tmp_path / "bundle"


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


def test_requests_that_arrive_together_are_decoded_together(folder: Path):
    generator = Generator(str(folder), ServeConfig(max_batch_size=4, batch_wait_s=30.0))
    decode, sizes = generator._batcher._answer, []

    def count(requests):
        sizes.append(len(requests))
        return decode(requests)

    generator._batcher._answer = count

    async def ask_eight():
        return await asyncio.gather(*(generator.recommend(RecommendRequest(k=1 + number)) for number in range(8)))

    answers = asyncio.run(ask_eight())
    assert [len(answer.items) for answer in answers] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert sizes == [4, 4]


def test_more_requests_than_may_wait_are_refused(folder: Path):
    generator = Generator(str(folder), ServeConfig(max_batch_size=1, max_queued_requests=2))

    async def ask_five():
        requests = [generator.recommend(RecommendRequest(k=1)) for _ in range(5)]
        return await asyncio.gather(*requests, return_exceptions=True)

    answers = asyncio.run(ask_five())
    assert [type(answer) for answer in answers] == [RecommendResponse] * 3 + [QueueFullError] * 2
