"""A recommender whose catalogue is edited while it answers."""

import dataclasses

import pytest

from recsys_model.bundle import Bundle
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.entities.catalog import Catalog, CatalogItem
from recsys_model.entities.item_columns import build_columns
from recsys_model.entities.live_catalog import CatalogEdit, CatalogUpdate
from recsys_model.entities.rules import NumberRange, Rules
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
    recommender.follow(
        CatalogUpdate(edits=[CatalogEdit(removed=("i1", "i4"), added=(stove,)), CatalogEdit(added=(tent,))])
    )
    kept = [item for item in shop_bundle.catalog.items if item.item_id not in ("i1", "i4")]
    edited = Catalog([*kept, stove, tent], shop_bundle.catalog.attributes)
    afresh = Recommender(dataclasses.replace(shop_bundle, catalog=edited), INFO, clock=lambda: 0.0)
    answer = ask(recommender, "i0", "i8", exclude_seen=False)
    assert scores(answer) == pytest.approx(scores(ask(afresh, "i0", "i8", exclude_seen=False)), abs=1e-5)
    assert set(scores(answer)) == {"i0", "i2", "i3", "i5", "i6", "i7", "i8", "i9"}
    assert (answer.catalog_version, recommender.num_items) == (2, 8)


def test_a_history_may_hold_an_item_that_was_removed_which_is_told_to_the_model(recommender: Recommender):
    recommend_request = RecommendRequest.model_validate(
        {"history": [{"item": "i4"}, {"item": "Red Tent"}], "allow": ["i4", "i2"]}
    )
    before = recommender.read(recommend_request)
    recommender.follow(CatalogUpdate(edits=[CatalogEdit(removed=("i4",))]))
    assert recommender.read(recommend_request) == before
    assert set(scores(ask(recommender, "i4", exclude_seen=False, allow=["i4", "i2"]))) == {"i2"}


def answers_while_compiling(
    recommender: Recommender, monkeypatch: pytest.MonkeyPatch, edits: list[CatalogEdit], **fields: object
) -> RecommendResponse:
    """Follow edits; return what is answered before the new trie is there."""
    during: list[RecommendResponse] = []
    compile_trie = TrieGuidedGenerator.of_items

    def watched(*arguments: object) -> TrieGuidedGenerator:
        during.append(ask(recommender, **fields))
        return compile_trie(*arguments)

    monkeypatch.setattr(TrieGuidedGenerator, "of_items", watched)
    recommender.follow(CatalogUpdate(edits=edits))
    (answer,) = during
    return answer


@pytest.mark.parametrize("allow", [None, ["i2", "i3", "i4"]])
def test_removals_alone_are_in_force_while_the_new_trie_is_still_compiled(
    recommender: Recommender, monkeypatch: pytest.MonkeyPatch, allow: list[str] | None
):
    before = ask(recommender, allow=allow)
    edits = [CatalogEdit(removed=("i3",)), CatalogEdit(removed=("i5",))]
    answer = answers_while_compiling(recommender, monkeypatch, edits, allow=allow)
    assert answer.catalog_version == 0
    assert scores(answer) == {name: score for name, score in scores(before).items() if name not in ("i3", "i5")}
    assert set(scores(ask(recommender))) == {"i0", "i1", "i2", "i4", "i6", "i7"}


def test_an_edit_that_also_adds_is_seen_as_one_step(
    recommender: Recommender, shop_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
):
    before = ask(recommender)
    swap = CatalogEdit(
        removed=tuple(f"i{number}" for number in range(8)), added=(new_item(shop_bundle, "i3", "Stove"),)
    )
    assert answers_while_compiling(recommender, monkeypatch, [swap]) == before
    assert [(item.id, item.title) for item in ask(recommender).items] == [("i3", "Stove")]


def test_an_edit_in_the_middle_of_a_batch_is_not_seen_by_it(recommender: Recommender, monkeypatch: pytest.MonkeyPatch):
    before = ask(recommender, "i0")
    search = TrieGuidedGenerator.search

    def edited_meanwhile(*arguments: object) -> object:
        monkeypatch.setattr(TrieGuidedGenerator, "search", search)
        recommender.follow(CatalogUpdate(edits=[CatalogEdit(removed=("i1", "i2"))]))
        return search(*arguments)

    monkeypatch.setattr(TrieGuidedGenerator, "search", edited_meanwhile)
    assert ask(recommender, "i0") == before
    assert ask(recommender, "i0").catalog_version == 1


def test_an_edit_that_the_model_cannot_take_leaves_the_catalogue_as_it_is(
    recommender: Recommender, shop_bundle: Bundle
):
    before = ask(recommender)
    with pytest.raises(ConfigError, match="the longest item needs"):
        recommender.follow(CatalogUpdate(edits=[CatalogEdit(added=(new_item(shop_bundle, "i8", "Tent " * 200),))]))
    assert ask(recommender) == before


def test_edits_of_a_lost_log_are_taken_back(recommender: Recommender, shop_bundle: Bundle):
    before = ask(recommender)
    recommender.follow(CatalogUpdate(edits=[CatalogEdit(removed=("i1", "i2"), edit_id="lost")]))
    assert recommender.edit_id == "lost"
    stove = CatalogEdit(added=(new_item(shop_bundle, "i8", "Red Stove"),), edit_id="kept")
    recommender.follow(CatalogUpdate(edits=[stove], anew=True))
    assert set(scores(ask(recommender))) == {f"i{number}" for number in range(9)}
    assert (recommender.catalog_version, recommender.edit_id) == (1, "kept")
    recommender.follow(CatalogUpdate(edits=[], anew=True))
    assert ask(recommender) == before


def test_a_seen_item_stays_out_where_the_history_names_it_by_the_title_that_it_had(
    recommender: Recommender, shop_bundle: Bundle
):
    title = shop_bundle.catalog.items[3].title
    renamed = CatalogEdit(removed=("i3",), added=(new_item(shop_bundle, "i3", "Stove"),))
    recommender.follow(CatalogUpdate(edits=[renamed]))
    assert "i3" not in scores(ask(recommender, title))
    assert "i3" in scores(ask(recommender, title, exclude_seen=False))


def test_items_that_are_added_have_their_values_in_the_columns_of_the_catalogue(shop_bundle: Bundle):
    columns = build_columns({"price": [5, 6, 7, 8, 9, 10, 11, 12]}, 8)
    priced = Recommender(dataclasses.replace(shop_bundle, columns=columns), INFO, clock=lambda: 0.0)
    stove = new_item(shop_bundle, "i8", "Red Stove")
    priced.follow(
        CatalogUpdate(edits=[CatalogEdit(added=(stove,), cells=(("i8", {"price": 100}), ("i0", {"price": 90})))])
    )
    found = priced.generator.columns.mask(Rules(where=(NumberRange(column="price", at_least=12),)))
    assert found is not None
    assert found.tolist() == [True, *[False] * 6, True, True]
