"""Item-based neighbours: items of the same users are similar, whatever their order.

The cosine of two items' sets of users, added up over the items of a history (Sarwar et al. 2001, for what was taken
rather than rated). Not cornac's class: its cosine looks at common users alone and its score is a weighted mean of
ratings, so where nobody rated, each neighbour has the same similarity and each item the same score.

Shape suffixes: N = items of the catalogue, P = ordered pairs of items with a common user, K = those kept.
"""

from collections.abc import Sequence

import numpy as np

from recsys_model.entity_head.pairs import MAX_GAP, Sequences, count_later_pairs
from recsys_model.evaluation.baselines import keys_of_scores

NUM_NEIGHBOURS = 100
"""Nearest items of each that count. On the validation events of Amazon Beauty (every seventh user): HR@10 .0592 with 20,
.0595 with 50, .0642 with 100 and with 1,000."""


class ItemNeighbours:
    """Items by the sum of their similarities to those of the history, repeated items counted once."""

    def __init__(self, sequences: Sequences, num_items: int, num_neighbours: int = NUM_NEIGHBOURS):
        self._num_items = num_items
        distinct = [np.array(list(dict.fromkeys(np.asarray(sequence).tolist())), np.int64) for sequence in sequences]
        users_N = np.bincount(np.concatenate([np.zeros(0, np.int64), *distinct]), minlength=num_items)
        one_way, count = count_later_pairs(distinct, num_items, MAX_GAP)
        # each pair in both directions, since the order of two items does not matter here
        first, second = np.divmod(one_way, num_items)
        pair_P = np.concatenate([one_way, second * num_items + first])
        pair_P, place_P = np.unique(pair_P, return_inverse=True)
        common_P = np.bincount(place_P, np.concatenate([count, count]), minlength=len(pair_P))
        item_P, other_P = np.divmod(pair_P, num_items)
        similarity_P = common_P / np.sqrt(users_N[item_P] * users_N[other_P])
        kept_K = _nearest(item_P, similarity_P, num_neighbours)
        self._other_K, self._similarity_K = other_P[kept_K], similarity_P[kept_K]
        self._row_starts = np.searchsorted(item_P[kept_K], np.arange(num_items + 1))

    def sort_keys(self, history: Sequence[int] | np.ndarray, user: int | None = None) -> np.ndarray:  # noqa: ARG002 (a Ranker has it)
        """Return the sort keys (N); items without a neighbour in the history share the last place."""
        score_N = np.zeros(self._num_items)
        for item in np.unique(np.asarray(history, dtype=np.int64)):
            row = slice(self._row_starts[item], self._row_starts[item + 1])
            score_N[self._other_K[row]] += self._similarity_K[row]
        return keys_of_scores(score_N)


def _nearest(item_P: np.ndarray, similarity_P: np.ndarray, num_neighbours: int) -> np.ndarray:
    """Return the places of each item's most similar pairs (K), items ascending; of equals the lower index first."""
    order_P = np.lexsort((np.arange(len(item_P)), -similarity_P, item_P))
    starts_P = np.searchsorted(item_P, item_P)
    return order_P[np.arange(len(item_P)) - starts_P < num_neighbours]
