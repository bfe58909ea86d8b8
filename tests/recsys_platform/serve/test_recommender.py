"""The recommender without Ray: a random model, a small shop, real decoding."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_model.bundle import Bundle
from recsys_model.entities.item_columns import build_columns
from recsys_model.infilling.prompt import build_prompt
from recsys_model.text.textualize import Behaviour, Textualizer
from recsys_model.text.windows import sample_history
from recsys_platform.serve.recommender import Recommender
from recsys_platform.serve.request_reader import Query
from recsys_platform.serve.schemas import ModelInfo, Problem, RecommendRequest, RecommendResponse, Rejection

DAY = 86400.0
NOW = 1000 * DAY
INFO = ModelInfo(name="shop", digest="d" * 64, version="0", created="2024-01-01T00:00:00+00:00")
ITEM_IDS = {f"i{index}" for index in range(8)}


@pytest.fixture(scope="module")
def recommender(shop_bundle: Bundle) -> Recommender:
    return Recommender(shop_bundle, INFO, clock=lambda: NOW)


def request(*items: str, **fields: Any) -> RecommendRequest:
    """A request whose events lie one day apart, the last one yesterday."""
    times = [NOW - (len(items) - index) * DAY for index in range(len(items))]
    history = [{"item": item, "time": time} for item, time in zip(items, times, strict=True)]
    return RecommendRequest.model_validate({"history": history, "k": 3, **fields})


def good(recommender: Recommender, recommend_request: RecommendRequest) -> RecommendResponse:
    (answer,) = recommender.recommend([recommend_request])
    assert isinstance(answer, RecommendResponse), answer
    return answer


def problems(recommender: Recommender, recommend_request: RecommendRequest) -> list[Problem]:
    (answer,) = recommender.recommend([recommend_request])
    assert isinstance(answer, Rejection), answer
    return answer.detail


def prompt(recommender: Recommender, recommend_request: RecommendRequest) -> Query:
    query = recommender.read(recommend_request)
    assert isinstance(query, Query), query
    return query


def ids(answer: RecommendResponse) -> list[str]:
    return [item.id for item in answer.items]


def test_every_answer_is_k_distinct_items_of_the_catalogue_best_first(recommender: Recommender):
    answer = good(recommender, request("i0", "i3", k=5))
    assert len(answer.items) == len(set(ids(answer))) == 5
    assert set(ids(answer)) <= ITEM_IDS - {"i0", "i3"}
    scores = [item.score for item in answer.items]
    assert scores == sorted(scores, reverse=True)
    assert max(scores) <= 0.0
    assert answer.model == INFO


@settings(max_examples=25, deadline=None)
@given(
    items=st.lists(st.sampled_from(sorted(ITEM_IDS)), max_size=12),
    k=st.integers(min_value=1, max_value=8),
    exclude_seen=st.booleans(),
)
def test_any_history_gets_valid_and_distinct_items(
    recommender: Recommender, items: list[str], k: int, exclude_seen: bool
):
    item_ids = ids(good(recommender, request(*items, k=k, exclude_seen=exclude_seen)))
    allowed = ITEM_IDS - set(items) if exclude_seen else ITEM_IDS
    assert len(item_ids) == len(set(item_ids)) == min(k, len(allowed))
    assert set(item_ids) <= allowed


def test_a_smaller_k_gives_the_head_of_the_same_ranking(recommender: Recommender):
    all_items = good(recommender, request("i1", k=7))
    assert good(recommender, request("i1", k=2)).items == all_items.items[:2]


def test_a_title_means_the_same_as_the_id_of_its_item(recommender: Recommender):
    assert good(recommender, request("Red Tent", "Stove Fuel")) == good(recommender, request("i0", "i4"))


def test_an_item_without_a_title_is_answered_with_the_text_that_stands_for_it(
    recommender: Recommender, shop_bundle: Bundle
):
    answer = good(recommender, request("i0", k=7))
    titles = {item.id: item.title for item in answer.items}
    assert titles["i7"] == shop_bundle.catalog.items[7].text != ""
    assert titles["i1"] == "Red Tent Pole"


def test_an_unknown_item_is_named_by_its_place_with_what_might_be_meant(recommender: Recommender):
    (problem,) = problems(recommender, request("i0", "Red Tant", strict=True))
    assert (problem.loc, problem.type) == (["body", "history", 1, "item"], "unknown_item")
    assert "Red Tent" in problem.msg


def test_of_a_history_of_another_shop_every_item_is_named_and_others_suggested_for_the_first(recommender: Recommender):
    refused = problems(recommender, request(*[f"Red Tents {number}" for number in range(500)], strict=True))
    assert [problem.loc[2] for problem in refused] == list(range(500))
    assert [number for number, problem in enumerate(refused) if "closest: " in problem.msg] == [0, 1, 2, 3, 4]


def test_a_title_that_two_items_share_is_refused(recommender: Recommender):
    (problem,) = problems(recommender, request("Lamp", strict=True))
    assert problem.loc == ["body", "history", 0, "item"]
    assert "i5" in problem.msg
    assert "i6" in problem.msg


def test_an_unknown_feature_is_named_with_the_known_ones(recommender: Recommender):
    (problem,) = problems(recommender, request(user_features={"agee": 25}))
    assert problem.loc == ["body", "user_features", "agee"]
    assert "age, city, member" in problem.msg


def test_more_items_than_beams_are_refused_at_k(recommender: Recommender):
    (problem,) = problems(recommender, request(k=11))
    assert problem.loc == ["body", "k"]
    assert "at most 10" in problem.msg
    assert "got 11" in problem.msg


def test_all_problems_of_a_request_are_reported_at_once(recommender: Recommender):
    recommend_request = request("nothing", "i0", "nowhere", k=100, user_features={"x": 1}, time=0.0, strict=True)
    assert [problem.loc[1:] for problem in problems(recommender, recommend_request)] == [
        ["k"],
        ["user_features", "x"],
        ["history", 0, "time"],
        ["history", 0, "item"],
        ["history", 1, "time"],
        ["history", 2, "time"],
        ["history", 2, "item"],
    ]


def test_a_bad_request_does_not_touch_the_others_of_its_batch(recommender: Recommender):
    first, second = request("i0", "i1", k=2), request("i4", k=6, exclude_seen=False)
    answers = recommender.recommend([first, request("nothing", strict=True), second])
    assert isinstance(answers[1], Rejection)
    for answer, alone in ((answers[0], good(recommender, first)), (answers[2], good(recommender, second))):
        assert isinstance(answer, RecommendResponse)
        assert ids(answer) == ids(alone)
        assert [item.score for item in answer.items] == pytest.approx([item.score for item in alone.items], abs=1e-5)


def test_an_empty_batch_has_no_answers(recommender: Recommender):
    assert recommender.recommend([]) == []


def test_a_new_user_without_history_is_answered(recommender: Recommender):
    assert len(good(recommender, request()).items) == 3


def test_a_feature_value_that_training_never_saw_is_answered(recommender: Recommender):
    assert len(good(recommender, request(user_features={"city": "Atlantis", "age": 99})).items) == 3


def expected_prompt(
    bundle: Bundle, features: dict[str, str], history: Sequence[Behaviour], moment: float
) -> tuple[list[int], list[int]]:
    """What training makes of the same user, the target taken off its text again."""
    timestamps = [behaviour.timestamp for behaviour in history]
    kept = sample_history(timestamps, moment, bundle.settings.window, (3, "", len(history)))
    textualizer = Textualizer(bundle.tokenizer, bundle.catalog, bundle.settings.text)
    example = textualizer.build(features, [history[index] for index in kept], target=2)
    part_a = build_prompt(example.before(-1), bundle.tokenizer.special, "paper")
    return part_a.token_ids, part_a.intra_position_ids


def test_a_request_becomes_the_prompt_that_training_makes_of_the_same_user(
    recommender: Recommender, shop_bundle: Bundle
):
    items = [0, 1, 2, 3, 4, 5, 6, 0, 1, 3]
    times = [NOW - age * DAY for age in (900, 700, 500, 200, 60, 40, 20, 5, 3, 1)]
    history = [Behaviour(item=item, timestamp=time) for item, time in zip(items, times, strict=True)]
    events = [{"item": f"i{item}", "time": time} for item, time in zip(items, times, strict=True)]
    recommend_request = RecommendRequest.model_validate(
        {"user_features": {"city": "Berlin", "age": 25}, "history": events, "time": NOW}
    )
    built = prompt(recommender, recommend_request).user.prompt
    expected = expected_prompt(shop_bundle, {"age": "25", "city": "Berlin"}, history, NOW)
    assert (built.token_ids, built.intra_position_ids) == expected


def test_the_windows_are_measured_back_from_the_time_of_the_request(recommender: Recommender, shop_bundle: Bundle):
    # of 4 events the quotas give 3 to the last 7 days and 1 to the 90 days before, where only i0 lies
    events = [{"item": f"i{index}", "time": index * DAY} for index in range(8)]
    recommend_request = RecommendRequest.model_validate({"history": events, "time": 7.5 * DAY})
    texts = [shop_bundle.catalog.items[index].text for index in (0, 5, 6, 7)]
    history_text = shop_bundle.tokenizer.decode(prompt(recommender, recommend_request).user.prompt.token_ids)
    assert history_text == "History:" + "".join(f" {text}." for text in texts)


def test_events_may_come_in_any_order_and_ties_keep_the_order_given(recommender: Recommender):
    def read(*events: tuple[str, float]) -> list[int]:
        history = [{"item": item, "time": time} for item, time in events]
        return prompt(recommender, RecommendRequest.model_validate({"history": history})).user.prompt.token_ids

    in_order = read(("i0", 1.0), ("i1", 2.0), ("i2", 2.0))
    assert read(("i1", 2.0), ("i2", 2.0), ("i0", 1.0)) == in_order
    assert read(("i2", 2.0), ("i1", 2.0), ("i0", 1.0)) != in_order


def test_events_without_a_time_happen_at_the_moment_of_the_request_in_the_order_given(recommender: Recommender):
    bare = RecommendRequest.model_validate({"history": [{"item": "i1"}, {"item": "i0", "time": 5.0}, {"item": "i2"}]})
    timed = RecommendRequest.model_validate(
        {"history": [{"item": "i0", "time": 5.0}, {"item": "i1", "time": NOW}, {"item": "i2", "time": NOW}]}
    )
    assert prompt(recommender, bare) == prompt(recommender, timed)


def test_a_clock_behind_the_last_event_is_no_error_when_no_time_is_given(recommender: Recommender):
    events = [{"item": "i0", "time": NOW + 60.0}]
    assert len(good(recommender, RecommendRequest.model_validate({"history": events, "k": 1})).items) == 1


def test_seen_items_are_excluded_even_where_the_sampled_history_leaves_them_out(recommender: Recommender):
    recommend_request = request("i0", "i1", "i2", "i3", "i4", "i5", "i6", k=8)
    assert ids(good(recommender, recommend_request)) == ["i7"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"age": 25, "member": True, "city": "New York"}, {"age": "25.0", "member": "True", "city": " New  York "}),
        ({"age": 3.04}, {"age": "3.0399999618530273"}),
        ({"city": "A &amp; B"}, {"city": "A & B"}),
        ({"city": "['a', 'b']"}, {"city": '["a", "b"]'}),
        ({"age": "nan"}, {}),
    ],
)
def test_a_feature_is_told_alike_however_a_client_writes_it(recommender: Recommender, one: dict, other: dict):
    assert prompt(recommender, request("i0", user_features=one)) == prompt(
        recommender, request("i0", user_features=other)
    )


def test_an_object_as_a_feature_is_refused_at_its_field(recommender: Recommender):
    (problem,) = problems(recommender, request(user_features={"city": '{"name": "Ulm"}'}))
    assert (problem.loc, problem.type) == (["body", "user_features", "city"], "unreadable_value")
    assert "an object has no plain text" in problem.msg


def test_denied_items_are_never_recommended_and_only_allowed_ones_are(recommender: Recommender):
    scores = {item.id: item.score for item in good(recommender, request("i0", k=7)).items}
    some = good(recommender, request("i0", k=7, deny=["i3", "i0"], allow=["i0", "i3", "i5", "i1"]))
    assert {item.id: item.score for item in some.items} == pytest.approx({name: scores[name] for name in ("i5", "i1")})
    assert ids(good(recommender, request("i0", k=7, allow=[]))) == []
    assert ids(good(recommender, request("i0", exclude_seen=False, allow=["i0"]))) == ["i0"]


def test_an_unknown_id_in_a_list_is_named_and_a_title_is_none(recommender: Recommender):
    refused = problems(recommender, request(deny=["i0", "i99"], allow=["Red Tent"]))
    assert [problem.loc for problem in refused] == [["body", "deny", 1], ["body", "allow", 0]]
    assert "'i99'" in refused[0].msg


def test_of_a_list_of_another_shop_only_some_ids_are_named(recommender: Recommender):
    refused = problems(recommender, request(deny=[f"other{number}" for number in range(500)]))
    assert len(refused) == 20
    assert "500 are unknown" in refused[0].msg


@pytest.fixture
def exact(shop_bundle: Bundle) -> Callable[[int], Recommender]:
    """Return recommenders that search exactly, with a limit of nodes."""

    def build(max_expansions: int) -> Recommender:
        decoding = dataclasses.replace(shop_bundle.settings.decoding, exact=True, max_expansions=max_expansions)
        bundle = dataclasses.replace(shop_bundle, settings=dataclasses.replace(shop_bundle.settings, decoding=decoding))
        return Recommender(bundle, INFO, clock=lambda: NOW)

    return build


def test_an_exact_answer_says_that_it_is_proven_and_how_good_the_next_item_is(
    recommender: Recommender, exact: Callable[[int], Recommender]
):
    recommend_request = [request("i0", "i3", k=3), request("i0", "i3", k=6)]
    fewer, all_left = exact(5000).recommend(recommend_request)
    assert isinstance(fewer, RecommendResponse)
    assert isinstance(all_left, RecommendResponse)
    assert fewer.certificate is not None
    assert (fewer.certificate.exact, fewer.certificate.missing) == (True, 0.0)
    assert fewer.certificate.bound == pytest.approx(all_left.items[3].score, abs=1e-5)
    assert ids(fewer) == ids(all_left)[:3]
    assert good(recommender, recommend_request[0]).certificate is None


def test_an_exact_answer_that_the_limit_ended_says_by_how_much_it_could_be_off(exact: Callable[[int], Recommender]):
    answer = good(exact(1), request("i0", "i3", k=6))
    assert answer.certificate is not None
    assert (answer.certificate.exact, answer.certificate.expanded) == (False, 1)
    assert len(answer.items) < 6
    assert answer.certificate.missing is None
    assert answer.certificate.bound is not None
    RecommendResponse.model_validate_json(answer.model_dump_json())


def reads_times_in(bundle: Bundle, time_format: str | None) -> Recommender:
    settings = dataclasses.replace(bundle.settings, time_format=time_format)
    return Recommender(dataclasses.replace(bundle, settings=settings), INFO, clock=lambda: NOW)


def at(time: Any) -> RecommendRequest:
    return RecommendRequest.model_validate({"history": [{"item": "i0", "time": 0}], "time": time})


@pytest.mark.parametrize(
    ("time_format", "time"),
    [("%d.%m.%Y %H:%M", "01.05.2024 12:30"), ("%Y%d%m %H:%M", "20240105 12:30"), ("%d.%m.%Y", "2024-05-01T12:30:00Z")],
)
def test_a_time_is_read_in_the_format_of_the_training_data(shop_bundle: Bundle, time_format: str, time: str):
    reader = reads_times_in(shop_bundle, time_format)
    assert prompt(reader, at(time)) == prompt(reader, at(1714566600))


@pytest.mark.parametrize(
    ("time_format", "time", "reason"),
    [
        (None, "01.05.2024", "01.05.2024"),
        ("%d.%m.%Y", "soon", "the format %d.%m.%Y of the training data"),
        ("%d.%m.%Y", "20240501", "20240501 does not have the format %d.%m.%Y of the training data"),
        ("%Y", 2019, "may be a time in the format %Y or seconds"),
    ],
)
def test_a_time_of_another_format_is_refused_at_its_field(
    shop_bundle: Bundle, time_format: str | None, time: Any, reason: str
):
    (problem,) = problems(reads_times_in(shop_bundle, time_format), at(time))
    assert (problem.loc, problem.type) == (["body", "time"], "unreadable_time")
    assert reason in problem.msg


def test_unknown_items_are_left_out_of_the_history_and_named(recommender: Recommender):
    some = good(recommender, request("Lamp", "i0", "nothing", "i3"))
    events = [{"item": "i0", "time": NOW - 3 * DAY}, {"item": "i3", "time": NOW - DAY}]
    assert some.items == good(recommender, RecommendRequest.model_validate({"history": events, "k": 3})).items
    assert [(each.index, each.item) for each in some.unknown_items] == [(0, "Lamp"), (2, "nothing")]


def test_a_history_of_unknown_items_alone_is_answered_from_the_features(recommender: Recommender):
    features = {"user_features": {"city": "Berlin"}}
    assert good(recommender, request("nothing", **features)).items == good(recommender, request(**features)).items


BRANDS = ["Cairn", "Cairn", "Birch", "Birch", "Cairn", None, "Alder", "Alder"]
PRICES = [10, 20, 30, 40, 50, 60, None, 80]


@pytest.fixture(scope="module")
def priced(shop_bundle: Bundle) -> Recommender:
    """Items with a brand and a price each."""
    columns = build_columns({"brand": BRANDS, "price": PRICES}, 8)
    return Recommender(dataclasses.replace(shop_bundle, columns=columns), INFO, clock=lambda: NOW)


@pytest.mark.parametrize("exact", [False, True])
def test_rules_act_inside_the_search(priced: Recommender, exact: bool):
    ranked = ids(good(priced, request(k=8)))
    where = [{"column": "price", "at_least": 20, "below": 80}, {"column": "brand", "none_of": ["Birch"]}]
    answer = good(priced, request(k=8, exact=exact, rules={"where": where}))
    assert ids(answer) == [item for item in ranked if item in ("i1", "i4", "i5")]
    capped = good(priced, request(k=8, exact=exact, rules={"caps": [{"column": "brand", "at_most": 1}]}))
    left, taken = [], set()
    for item in ranked:
        brand = BRANDS[int(item[1:])]
        if brand is None or brand not in taken:
            left.append(item)
            taken.add(brand)
    assert ids(capped) == left
    assert (capped.certificate is not None) == exact


def test_each_request_of_a_batch_has_its_own_rules_and_search(priced: Recommender):
    requests = [
        request("i0", k=2),
        request("i0", k=4, exact=True),
        request("i0", k=3, rules={"where": [{"column": "brand", "one_of": ["Birch", "Alder"]}]}),
    ]
    together = priced.recommend(requests)
    for answer, alone in zip(together, [good(priced, each) for each in requests], strict=True):
        assert isinstance(answer, RecommendResponse)
        assert ids(answer) == ids(alone)
        assert (answer.certificate is None) == (alone.certificate is None)


def test_every_wrong_rule_is_named_at_its_place_with_what_the_column_holds(priced: Recommender):
    where = [
        {"column": "brand", "at_most": 5},
        {"column": "price", "at_most": 5},
        {"column": "colour", "one_of": ["red"]},
        {"column": "price", "one_of": ["dear"]},
        {"column": "brand", "one_of": ["Cairm"]},
    ]
    refused = problems(priced, request(rules={"where": where, "caps": [{"column": "size", "at_most": 1}]}))
    assert [problem.loc for problem in refused] == [
        *(["body", "rules", "where", index] for index in (0, 2, 3, 4)),
        ["body", "rules", "caps", 0],
    ]
    assert "column 'brand' holds texts, which have no range" in refused[0].msg
    assert "the columns are brand (text), price (number)" in refused[1].msg
    assert "column 'price' holds numbers" in refused[2].msg
    assert "did you mean 'Cairn'?" in refused[3].msg


def test_a_bundle_without_columns_refuses_rules_and_names_the_way_out(recommender: Recommender):
    (problem,) = problems(recommender, request(rules={"where": [{"column": "price", "at_most": 5}]}))
    assert (problem.loc, problem.type) == (["body", "rules"], "no_columns")
    assert "input.item_columns" in problem.msg
    assert good(recommender, request(rules={})).items == good(recommender, request()).items


def test_an_explained_answer_has_the_parts_of_each_score_and_the_tokens_of_the_prompt(
    recommender: Recommender, shop_bundle: Bundle
):
    answer = good(recommender, request("i0", explain=True))
    assert answer.items[0].explanation is not None
    for item in answer.items:
        assert item.explanation is not None
        assert sum(part.contribution for part in item.explanation.parts) == pytest.approx(item.score, abs=1e-4)
        assert sum(token.log_prob for token in item.explanation.tokens) == pytest.approx(item.score, abs=1e-4)
    tokens = prompt(recommender, request("i0")).user.prompt.token_ids
    assert answer.prompt is not None
    assert [token.token_id for token in answer.prompt][: len(tokens)] == tokens
    assert good(recommender, request("i0")).items[0].explanation is None
