"""Exposure metrics: catalogue coverage, Gini index, popularity and long tail of the recommended items.

*Catalogue coverage*: the share of all items that are shown to a user (Herlocker et al. 2004; Ge et al. 2010).
*Gini index of exposure*: 0 if all items are shown equally often, (N - 1) / N if one item is shown alone
(Gini 1912, on recommendations Fleder and Hosanagar 2009). *Mean popularity*: training events of the shown items,
the mean over users of the mean over a list (Yin et al. 2012). *Long tail*: every item but the most popular fifth of
the catalogue; its share is again a mean over users (Abdollahpouri et al. 2019).

Shape suffixes: N = items of the catalogue.
"""

from collections.abc import Sequence

import numpy as np

from recsys_model.errors import DataError

HEAD_SHARE = 0.2
"""Share of the catalogue that is not long tail: its most popular items."""


def best_of(key_N: np.ndarray, k: int, excluded: Sequence[int] = ()) -> list[int]:
    """Return the `k` items with the largest sort keys of a `Ranker`, best first, without the excluded ones.

    Of equal keys the lower index comes first.

    Example:
        >>> best_of(np.array([5, 9, 7, 7, 0]), 2, excluded=[1])
        [2, 3]
    """
    key_N = key_N.copy()
    key_N[list(excluded)] = -1
    num_left = int(np.count_nonzero(key_N >= 0))
    return largest_places(key_N, min(k, num_left)).tolist()


def largest_places(value_N: np.ndarray, k: int) -> np.ndarray:
    """Return the places of the `k` largest values, the largest first, of equal values the lower place first.

    Example:
        >>> largest_places(np.array([0.5, 2.0, 0.5, 0.5]), 3).tolist()
        [1, 0, 2]
    """
    if k < 1:
        return np.zeros(0, dtype=np.int64)
    k = min(k, len(value_N))
    candidates = np.flatnonzero(value_N >= np.partition(value_N, -k)[-k])
    return candidates[np.argsort(-value_N[candidates], kind="stable")][:k]


def count_events(sequences: Sequence[Sequence[int]] | Sequence[np.ndarray], num_items: int) -> np.ndarray:
    """Return how often each item (N) occurs in the sequences.

    Example:
        >>> count_events([[0, 2], [2]], num_items=4).tolist()
        [1, 0, 2, 0]
    """
    parts = [np.asarray(sequence, dtype=np.int64) for sequence in sequences]
    return np.bincount(np.concatenate([np.zeros(0, dtype=np.int64), *parts]), minlength=num_items)


def coverage(shown_N: np.ndarray) -> float:
    """Return the share of the items that are shown at least once.

    Example:
        >>> coverage(np.array([3, 0, 1, 0]))
        0.5
    """
    return float(np.count_nonzero(shown_N) / len(shown_N))


def gini_index(shown_N: np.ndarray) -> float:
    """Return the mean absolute difference of all pairs of items, divided by twice the mean.

    Raises:
        DataError: nothing is shown at all.

    Example:
        >>> gini_index(np.array([2, 2, 2])), gini_index(np.array([0, 0, 0, 8]))
        (0.0, 0.75)
    """
    total, num_items = int(shown_N.sum()), len(shown_N)
    if total == 0:
        raise DataError("the exposure of items needs at least one recommended item, got none")
    weight_N = 2 * np.arange(1, num_items + 1) - num_items - 1
    return float(weight_N @ np.sort(shown_N) / (num_items * total))


def is_long_tail(popularity_N: np.ndarray) -> np.ndarray:
    """Return whether each item (N) lies behind the most popular fifth; of equals the first of the catalogue is in front.

    Example:
        >>> is_long_tail(np.array([5, 9, 5, 1, 0])).tolist()
        [True, False, True, True, True]
    """
    num_head = round(HEAD_SHARE * len(popularity_N))
    tail_N = np.ones(len(popularity_N), dtype=bool)
    tail_N[np.argsort(-popularity_N, kind="stable")[:num_head]] = False
    return tail_N


def measure_popularity(shown: Sequence[Sequence[int]], popularity_N: np.ndarray) -> dict[str, float]:
    """Return `mean_popularity` in training events and `long_tail_share` of the users' lists; empty lists are left out.

    Raises:
        DataError: no list has an item.
    """
    lists = [list(items) for items in shown if len(items) > 0]
    if not lists:
        raise DataError("popularity bias needs at least one recommended item, got none")
    tail_N = is_long_tail(popularity_N)
    return {
        "mean_popularity": float(np.mean([popularity_N[items].mean() for items in lists])),
        "long_tail_share": float(np.mean([tail_N[items].mean() for items in lists])),
    }


def measure_exposure(shown: Sequence[Sequence[int]], popularity_N: np.ndarray) -> dict[str, float]:
    """Return `coverage`, `gini`, `mean_popularity` and `long_tail_share` of one list of items a user.

    Raises:
        DataError: no list has an item.
    """
    shown_N = count_events(shown, len(popularity_N))
    return {
        "coverage": coverage(shown_N),
        "gini": gini_index(shown_N),
        **measure_popularity(shown, popularity_N),
    }
