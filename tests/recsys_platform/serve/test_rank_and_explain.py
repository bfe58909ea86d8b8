"""Given candidates in order, and why an item has its score: both agree with the search."""

import dataclasses
from typing import Any

import pytest

from recsys_model.bundle import Bundle
from recsys_model.entities.catalog import CatalogItem
from recsys_model.entities.item_columns import build_columns
from recsys_model.entities.live_catalog import CatalogEdit, CatalogUpdate
from recsys_platform.serve.recommender import Recommender
from recsys_platform.serve.schemas import ModelInfo, Problem, RecommendRequest, RecommendResponse, Rejection
from recsys_platform.serve.scoring_schemas import ExplainRequest, ExplainResponse, RankRequest, RankResponse

INFO = ModelInfo(name="shop", digest="d" * 64, version="0", created="2024-01-01T00:00:00+00:00")
USER: dict[str, Any] = {"history": [{"item": "i0"}, {"item": "i3"}], "user_features": {"city": "Berlin"}}


@pytest.fixture
def recommender(shop_bundle: Bundle) -> Recommender:
    columns = build_columns({"price": [1, 2, 3, 4, 5, 6, 7, None], "tags": [["a", "b"], *[[]] * 7]}, 8)
    return Recommender(dataclasses.replace(shop_bundle, columns=columns), INFO, clock=lambda: 0.0)


def searched(recommender: Recommender) -> dict[str, float]:
    """Item id -> score of every item, best first."""
    (answer,) = recommender.recommend([RecommendRequest.model_validate({**USER, "k": 8, "exclude_seen": False})])
    assert isinstance(answer, RecommendResponse)
    return {item.id: item.score for item in answer.items}


def ranked(recommender: Recommender, *candidates: str, **fields: Any) -> RankResponse:
    answer = recommender.rank(RankRequest.model_validate({**USER, "candidates": candidates, **fields}))
    assert isinstance(answer, RankResponse), answer
    return answer


def explained(recommender: Recommender, item: str, **fields: Any) -> ExplainResponse:
    answer = recommender.explain(ExplainRequest.model_validate({**USER, "item": item, **fields}))
    assert isinstance(answer, ExplainResponse), answer
    return answer


def refused(answer: object) -> list[tuple[list[str | int], str]]:
    assert isinstance(answer, Rejection), answer
    assert all(isinstance(problem, Problem) for problem in answer.detail)
    return [(problem.loc, problem.type) for problem in answer.detail]


def test_candidates_have_the_scores_of_the_search_and_stand_in_their_order(recommender: Recommender):
    scores = searched(recommender)
    answer = ranked(recommender, "i7", "Red Tent", "i4", "nothing", "i2")
    assert [item.id for item in answer.items] == [item for item in scores if item in ("i7", "i0", "i4", "i2")]
    assert [item.rank for item in answer.items] == [1, 2, 3, 4]
    assert {item.id: item.score for item in answer.items} == pytest.approx(
        {item.id: scores[item.id] for item in answer.items}, abs=1e-4
    )
    assert (answer.unknown_candidates, answer.unknown_items) == (["nothing"], [])


def test_candidates_that_are_all_unknown_give_an_empty_ranking(recommender: Recommender):
    answer = ranked(recommender, "nothing", history=[{"item": "nowhere"}])
    assert (answer.items, answer.unknown_candidates, len(answer.unknown_items)) == ([], ["nothing"], 1)


def test_a_removed_candidate_is_unknown(recommender: Recommender):
    recommender.follow(CatalogUpdate(edits=[CatalogEdit(removed=("i4",))]))
    answer = ranked(recommender, "i4", "i2")
    assert ([item.id for item in answer.items], answer.unknown_candidates) == (["i2"], ["i4"])


def test_with_strict_an_unknown_candidate_is_an_error_and_one_item_twice_always_is(recommender: Recommender):
    document = {**USER, "candidates": ["i1", "nothing", "Red Tent Pole"], "strict": True}
    assert refused(recommender.rank(RankRequest.model_validate(document))) == [
        (["body", "candidates", 1], "unknown_item"),
        (["body", "candidates", 2], "duplicate_item"),
    ]


def test_an_explanation_has_the_score_and_the_rank_of_the_search(recommender: Recommender):
    scores = searched(recommender)
    for item in ("i2", "i6"):
        answer = explained(recommender, item, exclude_seen=False)
        assert answer.whole is not None
        assert answer.score == pytest.approx(scores[item], abs=1e-4)
        assert answer.whole.score == pytest.approx(scores[item], abs=1e-4)
        assert (answer.whole.rank, answer.whole.is_rank_exact) == (list(scores).index(item) + 1, True)


def test_each_event_is_left_out_once(recommender: Recommender):
    answer = explained(recommender, "i2", exclude_seen=False)
    assert [(event.event, event.id, event.title) for event in answer.events] == [
        (0, "i0", "Red Tent"),
        (1, "i3", "Camping Stove"),
    ]
    fewer = {"user_features": USER["user_features"], "exclude_seen": False, "k": 8}
    for event, left in zip(answer.events, ("i3", "i0"), strict=True):
        (other,) = recommender.recommend([RecommendRequest.model_validate({**fewer, "history": [{"item": left}]})])
        assert isinstance(other, RecommendResponse)
        item_ids = [item.id for item in other.items]
        assert event.without.rank == item_ids.index("i2") + 1
        assert event.without.score == pytest.approx(other.items[item_ids.index("i2")].score, abs=1e-4)


def test_without_events_an_item_that_is_not_allowed_is_explained_too(recommender: Recommender):
    answer = explained(recommender, "i0", events=False)
    assert (answer.whole, answer.events) == (None, [])
    document = {**USER, "item": "i0"}
    assert refused(recommender.explain(ExplainRequest.model_validate(document))) == [(["body", "item"], "not_allowed")]
    priced = {**USER, "item": "i6", "rules": {"where": [{"column": "price", "at_most": 5}]}}
    assert refused(recommender.explain(ExplainRequest.model_validate(priced))) == [(["body", "item"], "not_allowed")]


def test_an_unknown_item_and_other_problems_are_named_together(recommender: Recommender):
    document = {**USER, "item": "Red Tant", "user_features": {"hat": 1}}
    assert refused(recommender.explain(ExplainRequest.model_validate(document))) == [
        (["body", "user_features", "hat"], "unknown_feature"),
        (["body", "item"], "unknown_item"),
    ]


def test_an_item_is_looked_up_with_its_values_also_after_its_removal(recommender: Recommender):
    found = recommender.item("i0")
    assert found is not None
    assert (found.title, found.is_present, found.columns) == ("Red Tent", True, {"price": 1.0, "tags": ["a", "b"]})
    recommender.follow(CatalogUpdate(edits=[CatalogEdit(removed=("i0",))]))
    found = recommender.item("i0")
    assert found is not None
    assert not found.is_present
    assert recommender.item("nothing") is None


def test_items_are_found_by_a_part_of_their_title_exact_ones_first(recommender: Recommender, shop_bundle: Bundle):
    def found(title: str, limit: int = 10) -> list[str]:
        return [item.id for item in recommender.search_items(title, limit).items]

    assert found("red tent")[:2] == ["i0", "i1"]
    assert found("Lamp") == ["i5", "i6"]
    assert found("i4")[0] == "i4"
    assert sorted(found("tent")) == ["i0", "i1", "i2"]
    assert len(found("tent", limit=2)) == 2
    assert found("zzz") == []
    text = "Red Stove"
    added = CatalogItem("i8", text, text, tuple(shop_bundle.tokenizer.encode_entity(text)))
    recommender.follow(CatalogUpdate(edits=[CatalogEdit(removed=("i0",), added=(added,))]))
    assert found("Red Stove")[0] == "i8"
    assert "i0" not in found("red tent")


def test_a_model_describes_what_its_requests_may_say(recommender: Recommender):
    model = recommender.describe()
    assert (model.items, model.max_k, model.exact, model.scoring) == (8, 10, False, "trie")
    assert model.user_features == ["age", "city", "member"]
    assert model.columns == {"price": "number", "tags": "text"}
