"""A bundle whose model has an entity head: written and read, asked and edited while it serves."""

import asyncio
import dataclasses
from pathlib import Path

import pytest
import torch

from recsys_model.bundle import Bundle, load_bundle, write_bundle
from recsys_model.config import DecodingConfig
from recsys_model.entities.catalog import Catalog, encode_words
from recsys_model.entities.live_catalog import CatalogUpdate
from recsys_model.entity_config import BlendWeights, EntityConfig
from recsys_model.entity_head.co_occurrence import count_co_occurrences
from recsys_model.entity_head.head import EntityHead
from recsys_model.entity_head.scorer import build_scorer
from recsys_model.entity_head.vectors import tokens_of
from recsys_platform.serve.edit_log import EditLog
from recsys_platform.serve.item_schemas import EditAnswer, EditRequest
from recsys_platform.serve.keeper import CatalogKeeper
from recsys_platform.serve.recommender import Recommender
from recsys_platform.serve.schemas import ModelInfo, RecommendRequest, RecommendResponse

INFO = ModelInfo(name="shop", digest="0" * 64, version="0", created="2026-01-01")
FIELDS = ("title", "brand")
BLEND = BlendWeights(token=0.5, entity=1.0, co_occurrence=0.7)
SEQUENCES = [[0, 1, 2], [0, 3], [2, 1], [5, 0, 3]]


@pytest.fixture(params=["entity", "blend"])
def bundle(request, shop_bundle: Bundle) -> Bundle:
    """The shop with the drawn tables of a head over the words of its titles."""
    encode = shop_bundle.tokenizer.encode_entity
    items = [
        dataclasses.replace(item, field_token_ids=encode_words([item.title or item.text, "Acme"], encode))
        for item in shop_bundle.catalog.items
    ]
    with torch.random.fork_rng():
        torch.manual_seed(1)
        head = EntityHead(16, [tokens_of(item) for item in items], EntityConfig(enabled=True, fields=FIELDS))
        for parameter in head.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    head.measure_words(shop_bundle.model)
    counts = count_co_occurrences(SEQUENCES, len(items))
    settings = dataclasses.replace(
        shop_bundle.settings,
        decoding=DecodingConfig(num_beams=10, scoring=request.param, exact=True),
        history_layout="tokens",
    )
    return dataclasses.replace(
        shop_bundle,
        catalog=Catalog(items, shop_bundle.catalog.attributes),
        settings=settings,
        scorer=build_scorer(head.requires_grad_(False), shop_bundle.model, items, BLEND, counts),
    )


def ask(recommender: Recommender, *history: str, k: int = 8) -> RecommendResponse:
    request = {"history": [{"item": item} for item in history], "k": k, "exclude_seen": False}
    [answer] = recommender.recommend([RecommendRequest.model_validate(request)])
    assert isinstance(answer, RecommendResponse), answer
    return answer


def scores(answer: RecommendResponse) -> dict[str, float]:
    return {item.id: item.score for item in answer.items}


def test_a_bundle_that_was_written_and_read_answers_alike(bundle: Bundle, tmp_path: Path):
    write_bundle(
        tmp_path / "bundle", bundle.model, bundle.tokenizer, bundle.catalog, bundle.settings, scorer=bundle.scorer
    )
    read = load_bundle(tmp_path / "bundle")
    expected = ask(Recommender(bundle, INFO, clock=lambda: 0.0), "i0", "i2")
    answer = ask(Recommender(read, INFO, clock=lambda: 0.0), "i0", "i2")
    assert scores(answer) == pytest.approx(scores(expected), abs=1e-5)
    assert (answer.scoring, answer.certificate.exact) == (bundle.settings.decoding.scoring, True)


def test_an_item_that_is_added_by_its_words_is_recommended_at_once(bundle: Bundle, tmp_path: Path):
    recommender = Recommender(bundle, INFO, clock=lambda: 0.0)
    keeper = CatalogKeeper(
        bundle.catalog, bundle.tokenizer, 100, EditLog(tmp_path / "edits.jsonl"), lambda: 0.0, FIELDS
    )
    new = {"id": "new", "title": "Blue Lamp", "brand": "Acme"}
    made = asyncio.run(keeper.edit(EditRequest.model_validate({"add": [new]})))
    assert isinstance(made, EditAnswer)
    [edit] = EditLog(tmp_path / "edits.jsonl").read()
    [item] = edit.added
    assert item.field_token_ids == encode_words(["Blue Lamp", "Acme"], bundle.tokenizer.encode_entity)

    recommender.follow(CatalogUpdate(edits=[edit]))

    answer = ask(recommender, "i0", "new", k=9)
    assert set(scores(answer)) == {f"i{number}" for number in range(8)} | {"new"}
    grown = Catalog([*bundle.catalog.items, item], bundle.catalog.attributes)
    afresh = dataclasses.replace(bundle, catalog=grown, scorer=bundle.scorer.of_items(bundle.model, grown.items))
    expected = ask(Recommender(afresh, INFO, clock=lambda: 0.0), "i0", "new", k=9)
    assert scores(answer) == pytest.approx(scores(expected), abs=1e-5)
