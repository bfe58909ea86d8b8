"""Rankers without a language model: popularity and last-item co-occurrence.

A ranker turns a history into one sort key per item of the catalogue, larger is better. The keys of these two are
distinct. With equal keys the target ranks last among its equals, so a rank never depends on how a sort breaks ties.

Which co-occurrence? HR@10 on Amazon Beauty (test split, 22,363 users, 12,101 items, nothing removed / seen items
removed): j anywhere later than i .0760 / .0779, j directly after i .0753 / .0757, neighbours in either order
.0684 / .0723, both anywhere in either order .0609 / .0675, popularity .0114 / .0135. The first one is used.

Shape suffixes: N = items of the catalogue, E = events of all users one after the other, P = pairs of items.
"""

from collections.abc import Collection, Sequence
from typing import Protocol

import numpy as np

from recsys_model.entity_head.pairs import Sequences as Sequences
from recsys_model.entity_head.pairs import concatenated, count_later_pairs


class Ranker(Protocol):
    """Ranks the catalogue for one user."""

    def sort_keys(self, history: Sequence[int] | np.ndarray, user: int | None = None) -> np.ndarray:
        """Return one int64 per item (N): larger is better, none is negative.

        `user` is the index of the user's training sequence, for rankers that learn user vectors; None if the user is
        new.
        """
        ...


class Popularity:
    """The same ranking for all users: number of training events, ties by catalogue index."""

    def __init__(self, sequences: Sequences, num_items: int):
        event_E = concatenated(sequences)
        self.count_N = np.bincount(event_E, minlength=num_items)
        order_N = np.lexsort((np.arange(num_items), -self.count_N))
        self._key_N = np.empty(num_items, dtype=np.int64)
        self._key_N[order_N] = np.arange(num_items)[::-1]

    def sort_keys(self, history: Sequence[int] | np.ndarray, user: int | None = None) -> np.ndarray:  # noqa: ARG002 (a Ranker has them)
        """Return `N - 1` for the most popular item down to 0; neither the history nor the user matters."""
        return self._key_N


class CoOccurrence:
    """Items by how often they came later than the user's last item in training sequences.

    Ties, and items that never followed, are in the order of popularity.
    `max_gap` bounds how many events may lie between two items of a pair, for very long sequences.
    """

    def __init__(self, sequences: Sequences, num_items: int, max_gap: int = 200):
        self._popularity = Popularity(sequences, num_items)
        self._num_items = num_items
        pair_P, self._count_P = count_later_pairs(sequences, num_items, max_gap)
        self._successor_P = pair_P % num_items
        self._row_starts = np.searchsorted(pair_P // num_items, np.arange(num_items + 1))

    def sort_keys(self, history: Sequence[int] | np.ndarray, user: int | None = None) -> np.ndarray:  # noqa: ARG002 (a Ranker has it)
        """Return the sort keys after the last item of `history`; of popularity where it is empty."""
        key_N = self._popularity.sort_keys(history).copy()
        if len(history) > 0:
            row = slice(self._row_starts[history[-1]], self._row_starts[history[-1] + 1])
            key_N[self._successor_P[row]] += self._count_P[row] * self._num_items
        return key_N


def keys_of_scores(score_N: np.ndarray) -> np.ndarray:
    """Return sort keys from 0 in the order of the scores; equal scores have equal keys.

    Example:
        >>> keys_of_scores(np.array([0.5, -1.0, 0.5, 2.0])).tolist()
        [1, 0, 1, 2]
    """
    return np.unique(score_N, return_inverse=True)[1].astype(np.int64)


def rank_by_keys(key_N: np.ndarray, target: int, excluded: Collection[int] = ()) -> int:
    """Return the place of `target`, 1 for the first, without the `excluded` items; 0 if it is one of them.

    The target is the last of those whose keys equal its own.

    Example:
        >>> rank_by_keys(np.array([5, 9, 7]), 0), rank_by_keys(np.array([5, 9, 7]), 0, excluded=[1])
        (3, 2)
        >>> rank_by_keys(np.array([5, 9, 5]), 0)
        3
    """
    if target in excluded:
        return 0
    before_N = key_N >= key_N[target]  # the target itself included
    return int(np.count_nonzero(before_N)) - sum(bool(before_N[item]) for item in set(excluded))


def rank_targets(
    ranker: Ranker,
    histories: Sequences,
    targets: Sequence[int],
    excluded: Sequence[Collection[int]] | None = None,
) -> np.ndarray:
    """Return the place of each user's target in the ranker's order of the whole catalogue, as `rank_by_keys` does."""
    removed = excluded if excluded is not None else [()] * len(targets)
    ranks = [
        rank_by_keys(ranker.sort_keys(history), target, excluded_items)
        for history, target, excluded_items in zip(histories, targets, removed, strict=True)
    ]
    return np.array(ranks, dtype=np.int64)
