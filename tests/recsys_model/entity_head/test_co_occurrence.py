"""Counts of pairs of items against loops over all pairs of events."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_model.entity_head import pairs
from recsys_model.entity_head.co_occurrence import count_co_occurrences
from recsys_model.entity_head.pairs import concatenated, count_later_pairs

NUM_ITEMS = 5
SEQUENCES = st.lists(st.lists(st.integers(0, NUM_ITEMS - 1), max_size=7), max_size=6)


def counted_by_loops(sequences: list[list[int]], max_gap: int) -> dict[tuple[int, int], int]:
    counts: Counter[tuple[int, int]] = Counter()
    for sequence in sequences:
        for first in range(len(sequence)):
            for second in range(first + 1, min(first + max_gap, len(sequence) - 1) + 1):
                counts[sequence[first], sequence[second]] += 1
    return dict(sorted(counts.items()))


@settings(deadline=None, max_examples=80)
@given(sequences=SEQUENCES, max_gap=st.integers(1, 8))
def test_pairs_are_those_of_a_loop_in_ascending_order(sequences: list[list[int]], max_gap: int) -> None:
    pair_P, count_P = count_later_pairs(sequences, NUM_ITEMS, max_gap)
    expected = counted_by_loops(sequences, max_gap)
    assert [divmod(pair, NUM_ITEMS) for pair in pair_P.tolist()] == list(expected)
    assert count_P.tolist() == list(expected.values())


@settings(deadline=None, max_examples=40)
@given(sequences=SEQUENCES, merge_after=st.integers(0, 10))
def test_pairs_that_are_counted_in_pieces_are_the_same(sequences: list[list[int]], merge_after: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "MERGE_AFTER_PAIRS", merge_after)
        pair_P, count_P = count_later_pairs(sequences, NUM_ITEMS)
    expected = counted_by_loops(sequences, max_gap=10)
    assert dict(zip(map(tuple, (divmod(p, NUM_ITEMS) for p in pair_P.tolist())), count_P.tolist(), strict=True)) == (
        expected
    )


@settings(deadline=None, max_examples=60)
@given(sequences=SEQUENCES)
def test_the_row_of_an_item_holds_its_successors_and_their_log_counts(sequences: list[list[int]]) -> None:
    counts = count_co_occurrences(sequences, NUM_ITEMS)
    expected = counted_by_loops(sequences, max_gap=10)
    for item in range(NUM_ITEMS):
        successors, log_counts = counts.after(item)
        row = {second: math.log(1 + count) for (first, second), count in expected.items() if first == item}
        assert successors.tolist() == list(row)
        np.testing.assert_allclose(log_counts, list(row.values()), rtol=1e-6)


def test_an_unknown_item_has_no_successor() -> None:
    counts = count_co_occurrences([[0, 1], [1, 0]], num_items=2)
    for item in (-1, -2, 2, 100):
        assert [part.tolist() for part in counts.after(item)] == [[], []]


def test_an_item_that_comes_again_follows_itself() -> None:
    counts = count_co_occurrences([[3, 3, 3]], num_items=4)
    assert counts.after(3)[0].tolist() == [3]
    assert counts.after(3)[1].tolist() == pytest.approx([math.log(4)])


def test_no_event_is_no_pair() -> None:
    for sequences in ([], [[]], [[1]], [[1], [], [2]]):
        assert [part.tolist() for part in count_later_pairs(sequences, 3)] == [[], []]
        assert count_co_occurrences(sequences, 3).row_starts.tolist() == [0, 0, 0, 0]


def test_arrays_count_like_lists_and_events_stand_behind_each_other() -> None:
    lists = [[0, 1, 2], [2], [4, 0]]
    arrays = [np.array(each, dtype=np.int32) for each in lists]
    for one, other in zip(count_later_pairs(lists, 5), count_later_pairs(arrays, 5), strict=True):
        assert one.tolist() == other.tolist()
    assert concatenated(arrays).tolist() == [0, 1, 2, 2, 4, 0]
    assert concatenated([]).tolist() == []


def test_events_far_apart_in_a_very_long_sequence_are_no_pair() -> None:
    sequence = [0, *[1] * 200, 2]
    assert count_co_occurrences([sequence], 3).after(0)[0].tolist() == [1]
    assert count_co_occurrences([sequence[1:]], 3).after(1)[0].tolist() == [1, 2]


@settings(deadline=None, max_examples=60)
@given(
    sequences=SEQUENCES,
    history=st.lists(st.integers(-1, NUM_ITEMS), max_size=12),
    decay=st.sampled_from([0.0, 0.2, 0.5, 0.9]),
)
def test_counts_after_a_history_are_sums_in_which_earlier_items_count_less(
    sequences: list[list[int]], history: list[int], decay: float
) -> None:
    found, log_counts = count_co_occurrences(sequences, NUM_ITEMS).after_history(history, decay)
    pairs_by_loops = counted_by_loops(sequences, max_gap=10)
    expected: Counter[int] = Counter()
    for age, item in enumerate(reversed(history)):
        for (first, second), count in pairs_by_loops.items():
            if first == item and decay**age >= 0.01:
                expected[second] += decay**age * count
    assert found.tolist() == sorted(expected)
    np.testing.assert_allclose(log_counts, [math.log(1 + expected[item]) for item in found.tolist()], rtol=1e-5)
