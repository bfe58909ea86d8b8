"""A recommender whose catalogue is edited while it answers."""

import dataclasses

import pytest

from recsys_model.bundle import Bundle
from recsys_model.decoding.beam import TrieGuidedGenerator
from recsys_model.entities.catalog import Catalog, CatalogItem
from recsys_model.entities.live_catalog import CatalogEdit
from recsys_model.errors import ConfigError
from recsys_platform.serve.recommender import Recommender
from recsys_platform.serve.schemas import ModelInfo, RecommendRequest, RecommendResponse

INFO = ModelInfo(name="shop", digest="d" * 64, version="0", created="2024-01-01T00:00:00+00:00")


@pytest.fixture
def recommender(shop_bundle: Bundle) -> Recommender:
    return Recommender(shop_bundle, INFO, clock=lambda: 0.0)


def ask(recommender: Recommender, *history: str, **fields: object) -> RecommendResponse:
    payload = {"history": [{"item": item} for item in history], "k": 10, **fields}
    (answer,) = recommender.recommend([RecommendRequest.model_validate(payload)])
    assert isinstance(answer, RecommendResponse), answer
    return answer


def scores(answer: RecommendResponse) -> dict[str, float]:
    return {item.id: item.score for item in answer.items}


def new_item(bundle: Bundle, item_id: str, title: str) -> CatalogItem:
    return CatalogItem(item_id, title, title, tuple(bundle.tokenizer.encode_entity(title)))


def test_an_edited_endpoint_answers_like_one_whose_bundle_has_the_edited_catalogue(
    recommender: Recommender, shop_bundle: Bundle
):
    stove, tent = new_item(shop_bundle, "i8", "Red Stove"), new_item(shop_bundle, "i9", "Red Tent Pole Blue")
    recommender.follow([CatalogEdit(removed=("i1", "i4"), added=(stove,)), CatalogEdit(added=(tent,))])
    kept = [item for item in shop_bundle.catalog.items if item.item_id not in ("i1", "i4")]
    edited = Catalog([*kept, stove, tent], shop_bundle.catalog.attributes)
    afresh = Recommender(dataclasses.replace(shop_bundle, catalog=edited), INFO, clock=lambda: 0.0)
    answer = ask(recommender, "i0", "i8", exclude_seen=False)
    assert scores(answer) == pytest.approx(scores(ask(afresh, "i0", "i8", exclude_seen=False)), abs=1e-5)
    assert set(scores(answer)) == {"i0", "i2", "i3", "i5", "i6", "i7", "i8", "i9"}
    assert (answer.catalog_version, recommender.num_items) == (2, 8)


def test_a_history_may_hold_an_item_that_was_removed_which_is_told_to_the_model(recommender: Recommender):
    asked = RecommendRequest.model_validate({"history": [{"item": "i4"}, {"item": "Red Tent"}], "allow": ["i4", "i2"]})
    before = recommender.read(asked)
    recommender.follow([CatalogEdit(removed=("i4",))])
    assert recommender.read(asked) == before
    assert set(scores(ask(recommender, "i4", exclude_seen=False, allow=["i4", "i2"]))) == {"i2"}


def test_what_is_removed_is_denied_while_the_new_trie_is_still_compiled(
    recommender: Recommender, shop_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
):
    before = ask(recommender)
    during: list[RecommendResponse] = []
    compile_trie = TrieGuidedGenerator.of_items

    def watched(*arguments: object) -> TrieGuidedGenerator:
        during.append(ask(recommender))
        return compile_trie(*arguments)

    monkeypatch.setattr(TrieGuidedGenerator, "of_items", watched)
    recommender.follow([CatalogEdit(removed=("i3",), added=(new_item(shop_bundle, "i8", "Stove"),))])
    (answer,) = during
    assert answer.catalog_version == 0
    assert scores(answer) == {name: score for name, score in scores(before).items() if name != "i3"}
    assert set(scores(ask(recommender))) == {f"i{number}" for number in range(9)} - {"i3"}


def test_an_edit_in_the_middle_of_a_batch_is_not_seen_by_it(recommender: Recommender, monkeypatch: pytest.MonkeyPatch):
    before = ask(recommender, "i0")
    search = TrieGuidedGenerator.search

    def edited_meanwhile(*arguments: object) -> object:
        monkeypatch.setattr(TrieGuidedGenerator, "search", search)
        recommender.follow([CatalogEdit(removed=("i1", "i2"))])
        return search(*arguments)

    monkeypatch.setattr(TrieGuidedGenerator, "search", edited_meanwhile)
    assert ask(recommender, "i0") == before
    assert ask(recommender, "i0").catalog_version == 1


def test_an_edit_that_the_model_cannot_take_leaves_the_catalogue_as_it_is(
    recommender: Recommender, shop_bundle: Bundle
):
    before = ask(recommender)
    with pytest.raises(ConfigError, match="the longest item needs"):
        recommender.follow([CatalogEdit(added=(new_item(shop_bundle, "i8", "Tent " * 200),))])
    assert ask(recommender) == before
