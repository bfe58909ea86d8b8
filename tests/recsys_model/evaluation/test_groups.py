"""Hit rates of groups of users."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_model.evaluation.groups import (
    hit_rates,
    length_groups,
    member_hit_rates,
    popularity_deciles,
    wilson_interval,
)


def holds(share: float, hits: int, users: int) -> bool:
    """Whether a score test at 5 % keeps this share: the definition of the interval."""
    return abs(hits / users - share) <= 1.959964 * math.sqrt(share * (1 - share) / users) + 1e-9


@given(st.integers(1, 60).flatmap(lambda users: st.tuples(st.integers(0, users), st.just(users))))
def test_the_interval_holds_exactly_the_shares_that_a_score_test_keeps(case):
    hits, users = case
    estimate = wilson_interval(hits, users)

    grid = [step / 1000 for step in range(1, 1000)]
    kept = [share for share in grid if holds(share, hits, users)]
    inside = [share for share in grid if estimate.low - 1e-9 <= share <= estimate.high + 1e-9]
    assert inside == kept
    assert 0.0 <= estimate.low <= estimate.value <= estimate.high <= 1.0


@given(st.lists(st.integers(0, 9), min_size=10, max_size=60))
def test_deciles_are_of_nearly_equal_size_and_in_the_order_of_popularity(popularity):
    deciles = popularity_deciles(np.array(popularity))

    sizes = [int((deciles == decile).sum()) for decile in range(1, 11)]
    assert sum(sizes) == len(popularity)
    assert max(sizes) - min(sizes) <= 1
    for decile in range(1, 10):
        lower = [count for count, own in zip(popularity, deciles, strict=True) if own == decile]
        higher = [count for count, own in zip(popularity, deciles, strict=True) if own == decile + 1]
        assert max(lower) <= min(higher)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=80), st.integers(1, 8))
def test_groups_of_lengths_hold_every_user_once_and_are_large_enough(lengths, max_groups):
    groups = length_groups(lengths, max_groups)

    sizes = [sum(low <= length <= high for length in lengths) for low, high in groups]
    assert sum(sizes) == len(lengths)
    assert len(groups) <= max_groups
    assert all(size >= len(lengths) / max_groups for size in sizes[:-1])
    assert all(earlier[1] < later[0] for earlier, later in itertools.pairwise(groups))
    assert all(low in lengths and high in lengths for low, high in groups)


def test_groups_without_users_do_not_appear():
    ranks = {"a": np.array([1, 0, 3, 11]), "b": np.array([0, 0, 2, 1])}

    table = hit_rates([7, 2, 7, 7], {2: "two", 5: "five", 7: "seven"}, ranks, k=10)

    assert table["groups"] == [{"name": "two", "num_users": 1}, {"name": "seven", "num_users": 3}]
    assert [round(entry["value"], 4) for entry in table["methods"]["a"]] == [0.0, 0.6667]
    assert [entry["value"] for entry in table["methods"]["b"]] == pytest.approx([0.0, 2 / 3])
    assert table["methods"]["a"][0]["high"] == pytest.approx(wilson_interval(0, 1).high)


def test_groups_may_overlap_and_one_without_users_has_no_figure():
    members = [
        ("all", np.ones(4, dtype=bool)),
        ("odd", np.array([False, True, False, True])),
        ("none", np.zeros(4, bool)),
    ]

    table = member_hit_rates(members, {"a": np.array([1, 0, 3, 11])}, k=10)

    assert table["groups"] == [
        {"name": "all", "num_users": 4},
        {"name": "odd", "num_users": 2},
        {"name": "none", "num_users": 0},
    ]
    assert [entry and entry["value"] for entry in table["methods"]["a"]] == [0.5, 0.0, None]
