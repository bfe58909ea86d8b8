"""Splits, competitors and ranks, and that each protocol says what it is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_model.errors import ConfigError, DataError
from recsys_model.evaluation.baselines import rank_by_keys
from recsys_model.evaluation.protocols import (
    EventSplit,
    Protocol,
    leave_one_out,
    rank_of_target,
    sampled_candidates,
    temporal_split,
)

TIMES = st.lists(st.integers(0, 20).map(float), min_size=1, max_size=30)


@given(st.integers(0, 30))
def test_leave_one_out_uses_every_event_once_and_tests_the_last(num_events):
    split = leave_one_out(num_events)
    assert [*split.train, *split.valid, *split.test] == list(range(num_events))
    assert list(split.test) == ([num_events - 1] if num_events >= 3 else [])
    assert len(split.valid) == len(split.test)


@given(TIMES, st.integers(0, 20), st.integers(0, 20))
def test_a_temporal_split_never_trains_on_what_happens_at_or_after_a_target(times, first, second):
    times = sorted(times)
    valid_from, test_from = sorted((float(first), float(second)))
    split = temporal_split(times, valid_from, test_from)
    assert [*split.train, *split.valid, *split.test] == list(range(len(times)))
    assert [times[event] for event in split.train] == [time for time in times if time < valid_from]
    assert [times[event] for event in split.valid] == [time for time in times if valid_from <= time < test_from]
    assert [times[event] for event in split.test] == [time for time in times if time >= test_from]


def test_a_split_after_the_last_event_trains_on_all_of_them():
    assert temporal_split([1.0, 3.0], float("inf"), float("inf")) == EventSplit(range(2), range(2, 2), range(2, 2))


def test_disorder_is_refused():
    with pytest.raises(DataError, match="must be in order of time"):
        temporal_split([2.0, 1.0], 0.0, 1.0)
    with pytest.raises(DataError, match=r"validation must begin before the test, got 2\.0 and 1\.0"):
        temporal_split([1.0], 2.0, 1.0)


def test_sampled_candidates_are_the_target_and_items_that_the_user_never_took():
    own = {3, 5, 8}
    candidates = sampled_candidates(0, "ann", 5, own, num_items=200)
    assert len(candidates) == len(set(candidates)) == 100
    assert set(candidates) & own == {5}
    assert set(candidates) <= set(range(200))


def test_the_negatives_of_a_user_depend_on_seed_and_user_alone():
    negatives = {
        (seed, user, target): frozenset(sampled_candidates(seed, user, target, {3, 5}, 500)) - {target}
        for seed in (0, 1)
        for user in ("ann", "bo")
        for target in (3, 5)
    }
    assert negatives[0, "ann", 3] == negatives[0, "ann", 5]
    assert len(set(negatives.values())) == 4


def test_the_place_of_the_target_among_sampled_candidates_tells_nothing():
    places = [sampled_candidates(0, f"user {n}", 5, {5}, 50, 9).index(5) for n in range(1000)]
    assert all(60 < places.count(place) < 140 for place in range(10))


def test_a_target_loses_ties_so_a_constant_score_is_last():
    assert rank_of_target([1, 2, 3, 4], [0.0] * 4, target=2) == 4
    assert rank_of_target([1, 2, 3, 4], [-3.0, -1.0, -2.0, -4.0], target=3) == 2
    with pytest.raises(DataError, match="must be among the candidates"):
        rank_of_target([1], [0.0], target=2)
    with pytest.raises(DataError, match="got 2 candidates and 1 scores"):
        rank_of_target([1, 2], [0.0], target=2)


def test_statements_say_what_was_measured():
    assert Protocol().statements(12101) == [
        "Leave-one-out: the last event of each user is the test target, the one before the validation target, "
        "all others are training events.",
        "The target is ranked against the whole catalogue of 12,101 items.",
        "No item is excluded: items of the user's history are candidates too.",
    ]
    assert Protocol(competitors="sampled").statements(12101)[1:] == [
        "The target is ranked among itself and 99 items drawn by seed and user from the 12,101 of the catalogue "
        "that the user never took; metrics are far higher than on the whole catalogue.",
        "The user's own items are never among the negatives.",
    ]


def test_no_two_protocols_say_the_same_and_each_statement_is_one_sentence():
    protocols = [
        Protocol(split=split, competitors=competitors, exclude_seen=exclude_seen)
        for split in ("leave_one_out", "temporal")
        for competitors in ("catalogue", "sampled", "given")
        for exclude_seen in ((False, True) if competitors == "catalogue" else (False,))
    ]
    statements = [tuple(protocol.statements(1000)) for protocol in protocols]
    assert len(set(statements)) == len(protocols)
    assert all(s.endswith(".") and s.count(". ") == 0 for each in statements for s in each)


def test_a_target_that_was_seen_before_is_missed_when_seen_items_are_taken_out():
    # what `exclude_seen` says of such a target is what the rank of the baselines does
    assert rank_by_keys(np.array([9, 8, 7]), target=0, excluded=[0]) == 0


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(ConfigError, match="exclude_seen is for the whole catalogue, got competitors 'sampled'"):
        Protocol(competitors="sampled", exclude_seen=True)
    with pytest.raises(ConfigError, match="num_negatives must be at least 1, got 0"):
        Protocol(num_negatives=0)
