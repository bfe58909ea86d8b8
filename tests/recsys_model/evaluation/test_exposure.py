"""Coverage and popularity bias against their definitions, written as slow loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_model.errors import DataError
from recsys_model.evaluation.baselines import CoOccurrence, Popularity
from recsys_model.evaluation.exposure import (
    best_of,
    count_events,
    gini_index,
    is_long_tail,
    measure_exposure,
    measure_popularity,
)

SHOWN = [[0, 1], [1, 2], [1, 0]]
POPULARITY = np.array([4, 6, 1, 0, 9])


def gini_by_pairs(counts: list[int]) -> float:
    """Half the relative mean absolute difference, over all ordered pairs."""
    differences = [abs(left - right) for left in counts for right in counts]
    return sum(differences) / len(differences) / 2 / (sum(counts) / len(counts))


@given(st.lists(st.integers(0, 50), min_size=1, max_size=12).filter(any))
def test_gini_is_half_the_relative_mean_difference_of_all_pairs(counts):
    assert gini_index(np.array(counts)) == pytest.approx(gini_by_pairs(counts))


def test_every_figure_of_three_short_lists_by_hand():
    measured = measure_exposure(SHOWN, POPULARITY)

    assert measured == {
        "coverage": pytest.approx(3 / 5),
        "gini": pytest.approx(gini_by_pairs([2, 3, 1, 0, 0])),
        "mean_popularity": pytest.approx((5 + 3.5 + 5) / 3),
        "long_tail_share": 1.0,  # one item in five is the head: item 4, which nobody is shown
    }


def test_each_user_counts_once_however_long_the_list():
    lists = [[4], [0, 1, 2, 3], []]

    measured = measure_popularity(lists, POPULARITY)

    assert measured == {"mean_popularity": (9 + 11 / 4) / 2, "long_tail_share": (0 + 1) / 2}


def test_a_fifth_of_the_catalogue_is_no_long_tail_and_ties_go_to_the_first():
    popularity = np.array([1, 7, 7, 7, 1, 1, 1, 1, 1, 1])

    assert np.flatnonzero(~is_long_tail(popularity)).tolist() == [1, 2]


def test_nothing_recommended_has_no_exposure():
    with pytest.raises(DataError, match="at least one recommended item"):
        measure_exposure([[], []], POPULARITY)


def test_no_sequence_means_no_event():
    assert count_events([], 3).tolist() == [0, 0, 0]


@given(
    st.lists(st.lists(st.integers(0, 6), max_size=6), max_size=6),
    st.lists(st.integers(0, 6), max_size=3),
    st.integers(1, 9),
    st.sets(st.integers(0, 6)),
)
def test_the_best_items_are_the_head_of_the_whole_order(sequences, history, k, excluded):
    for ranker in (Popularity(sequences, 7), CoOccurrence(sequences, 7)):
        keys = ranker.sort_keys(history)
        order = sorted((item for item in range(7) if item not in excluded), key=lambda item: -keys[item])

        assert best_of(keys, k, sorted(excluded)) == order[:k]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.integers(1, 14), st.data())
def test_the_best_items_of_equal_keys_come_by_index_at_every_k(keys, k, data):
    excluded = data.draw(st.sets(st.integers(0, len(keys) - 1)))
    left = [item for item in range(len(keys)) if item not in excluded]
    expected = sorted(left, key=lambda item: (-keys[item], item))
    assert best_of(np.array(keys), k, list(excluded)) == expected[:k]
