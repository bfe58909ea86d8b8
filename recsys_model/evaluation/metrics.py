"""Hit rate and NDCG where every case has exactly one right item.

A rank is 1 for the first place, and 0 if the item was not returned.
NDCG@k with one positive is 1 / log2(rank + 1) for a rank up to k, else 0.

Shape suffixes: U = users.
"""

from collections.abc import Sequence

import numpy as np

from recsys_model.errors import DataError
from recsys_model.evaluation.intervals import Estimate, bootstrap_mean

METRIC_NAMES: tuple[str, ...] = ("hr_at_1", "hr_at_5", "hr_at_10", "ndcg_at_5", "ndcg_at_10")
"""Metrics of sequential recommendation (paper, Table 3)."""
LARGEST_K = 10
"""Largest k of these metrics: the number of items that a method must return."""


def rank_in(items: Sequence[object], target: object) -> int:
    """Return the place of `target` among `items`, 1 for the first, 0 where it is absent.

    Example:
        >>> rank_in([7, 3, 9], 3), rank_in([7, 3, 9], 4)
        (2, 0)
    """
    return items.index(target) + 1 if target in items else 0


def hit_gains(ranks: np.ndarray, k: int) -> np.ndarray:
    """Return 1.0 for every user (U) whose item is among the first `k`, else 0.0; the mean is HR@k."""
    rank_U = np.asarray(ranks)
    return ((rank_U >= 1) & (rank_U <= k)).astype(np.float64)


def ndcg_gains(ranks: np.ndarray, k: int) -> np.ndarray:
    """Return 1 / log2(rank + 1) for every user (U) whose item is among the first `k`, else 0.0; the mean is NDCG@k."""
    rank_U = np.asarray(ranks)
    discount_U = np.log2(np.maximum(rank_U, 1) + 1.0)
    return hit_gains(rank_U, k) / discount_U


def gains(ranks: np.ndarray, metric: str) -> np.ndarray:
    """Return each user's contribution (U) to a metric called `hr_at_K` or `ndcg_at_K`."""
    kind, _, k = metric.partition("_at_")
    return {"hr": hit_gains, "ndcg": ndcg_gains}[kind](ranks, int(k))


def measure(ranks: np.ndarray, *, num_samples: int, seed: int) -> dict[str, Estimate]:
    """Return every metric of `METRIC_NAMES` over the users' ranks, with its 95 % interval."""
    return {name: bootstrap_mean(gains(ranks, name), num_samples=num_samples, seed=seed) for name in METRIC_NAMES}


def measure_difference(
    ranks: np.ndarray, other_ranks: np.ndarray, *, num_samples: int, seed: int
) -> dict[str, Estimate]:
    """Return every metric of `ranks` minus that of `other_ranks`, paired: both rankers' gains of a user are drawn together.

    Raises:
        DataError: the numbers of users differ.
    """
    if len(ranks) != len(other_ranks):
        raise DataError(f"paired ranks must be of the same users, got {len(ranks)} and {len(other_ranks)}")
    return {
        name: bootstrap_mean(gains(ranks, name) - gains(other_ranks, name), num_samples=num_samples, seed=seed)
        for name in METRIC_NAMES
    }
