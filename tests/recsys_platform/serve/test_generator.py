"""The generator replica without a cluster: it serves what its bundle artifact holds, or does not start."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from recsys_model.bundle import Bundle, write_bundle
from recsys_model.errors import CheckpointError
from recsys_platform.artifacts import open_artifact, write_artifact
from recsys_platform.config.serve import ServeConfig
from recsys_platform.serve.app import Generator
from recsys_platform.serve.batching import QueueFullError
from recsys_platform.serve.catalog_schemas import ItemDetails, ItemMatches, ServedModel
from recsys_platform.serve.schemas import RecommendRequest, RecommendResponse
from recsys_platform.serve.scoring_schemas import ExplainRequest, ExplainResponse, RankRequest, RankResponse


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


def test_a_replica_ranks_explains_and_looks_up_while_it_answers(folder: Path):
    async def ask() -> Any:
        generator = Generator(str(folder), ServeConfig())
        user = {"history": [{"item": "i0"}]}
        return await asyncio.gather(
            generator.recommend(RecommendRequest.model_validate({**user, "k": 7})),
            generator.rank(RankRequest.model_validate({**user, "candidates": ["i1", "i2"]})),
            generator.explain(ExplainRequest.model_validate({**user, "item": "i1"})),
            generator.item("i1"),
            generator.search_items("Red Tent", 2),
            generator.describe_model(),
        )

    answer, ranked, why, item, found, model = asyncio.run(ask())
    assert isinstance(answer, RecommendResponse)
    assert isinstance(ranked, RankResponse)
    assert isinstance(why, ExplainResponse)
    scores = {each.id: each.score for each in answer.items}
    assert {each.id: each.score for each in ranked.items} == pytest.approx(
        {name: scores[name] for name in ("i1", "i2")}, abs=1e-4
    )
    assert why.score == pytest.approx(scores["i1"], abs=1e-4)
    assert isinstance(item, ItemDetails)
    assert isinstance(found, ItemMatches)
    assert item.title == found.items[1].title == "Red Tent Pole"
    assert isinstance(model, ServedModel)
    assert model.model == answer.model
