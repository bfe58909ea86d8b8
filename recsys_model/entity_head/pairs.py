"""Count how often one item came later than another in the same sequence, over all users.

Shape suffixes: E = events of all users one after the other, P = distinct pairs of items, N = items.
"""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np

Sequences: TypeAlias = Sequence[Sequence[int]] | Sequence[np.ndarray]
"""Catalogue indices of each user's events, in order."""

MERGE_AFTER_PAIRS = 1 << 22
"""Pairs collected before equal ones are counted together: bounds the memory at some 100 MB."""
MAX_GAP = 200
"""Most events that may lie between two items of a pair, for very long sequences."""


def count_later_pairs(sequences: Sequences, num_items: int, max_gap: int = MAX_GAP) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct pairs `earlier * num_items + later`, ascending, and how often each occurs (P)."""
    return _count_pairs(_pairs_by_gap(sequences, num_items, max_gap))


def concatenated(sequences: Sequences) -> np.ndarray:
    """Return the events of all users, one after the other (E)."""
    return np.concatenate([np.zeros(0, dtype=np.int64), *(np.asarray(s, dtype=np.int64) for s in sequences)])


def _pairs_by_gap(sequences: Sequences, num_items: int, max_gap: int) -> Iterator[np.ndarray]:
    """Yield `earlier * N + later` of all pairs of events that are 1, 2, ... apart in one sequence."""
    event_E = concatenated(sequences)
    lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    left_E = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(event_E)) - 1  # events that follow in the sequence
    earlier = np.arange(len(event_E))
    for gap in range(1, max_gap + 1):
        earlier = earlier[left_E[earlier] >= gap]
        if len(earlier) == 0:
            return
        yield event_E[earlier] * num_items + event_E[earlier + gap]


def _count_pairs(chunks: Iterator[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct pairs in ascending order and how often each occurs."""
    pair_P, count_P = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    waiting: list[np.ndarray] = []
    for chunk in chunks:
        waiting.append(chunk)
        if sum(map(len, waiting)) > MERGE_AFTER_PAIRS:
            pair_P, count_P = _merged(pair_P, count_P, waiting)
            waiting = []
    return _merged(pair_P, count_P, waiting)


def _merged(pair_P: np.ndarray, count_P: np.ndarray, waiting: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    fresh = np.concatenate([np.zeros(0, dtype=np.int64), *waiting])
    distinct_P, inverse = np.unique(np.concatenate([pair_P, fresh]), return_inverse=True)
    weights = np.concatenate([count_P, np.ones(len(fresh), dtype=np.int64)])
    merged_P = np.zeros(len(distinct_P), dtype=np.int64)
    np.add.at(merged_P, inverse, weights)
    return distinct_P, merged_P
