"""Hit rate and NDCG where every case has exactly one right item.

A rank is 1 for the first place; 0 says that the item is not among those returned.
NDCG@k with one positive is 1 / log2(rank + 1) for a rank up to k, else 0.

Shape suffixes: U = users.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from recsys_model.errors import DataError
from recsys_model.evaluation.intervals import Estimate, bootstrap_mean

METRIC_NAMES: tuple[str, ...] = ("hr_at_1", "hr_at_5", "hr_at_10", "ndcg_at_5", "ndcg_at_10")
"""What a sequential recommendation is measured by (paper, Table 3)."""


def rank_in(items: Sequence[int], target: int) -> int:
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
        DataError: the two do not rank for equally many users.
    """
    if len(ranks) != len(other_ranks):
        raise DataError(f"paired ranks must be of the same users, got {len(ranks)} and {len(other_ranks)}")
    return {
        name: bootstrap_mean(gains(ranks, name) - gains(other_ranks, name), num_samples=num_samples, seed=seed)
        for name in METRIC_NAMES
    }


def check_plausible(values: Mapping[str, float]) -> None:
    """Assert that the figures of `METRIC_NAMES` can come from one positive per case.

    A hit on the first place adds exactly 1 to both metrics; one on the places 2 to 5 adds between
    1 / log2(6) and 1 / log2(3) to NDCG; one on the places 6 to 10 between 1 / log2(11) and 1 / log2(7).
    """
    hr_1, hr_5, hr_10, ndcg_5, ndcg_10 = (values[name] for name in METRIC_NAMES)
    found = ", ".join(f"{name} {values[name]:.6f}" for name in METRIC_NAMES)
    tolerance = 1e-9
    assert -tolerance <= hr_1 <= hr_5 + tolerance, f"HR must be between 0 and 1 and rise with k: {found}"
    assert hr_5 <= hr_10 + tolerance <= 1.0 + 2 * tolerance, f"HR must be between 0 and 1 and rise with k: {found}"
    lowest, highest = hr_1 + (hr_5 - hr_1) / math.log2(6), hr_1 + (hr_5 - hr_1) / math.log2(3)
    assert lowest - tolerance <= ndcg_5 <= highest + tolerance, f"NDCG@5 does not fit HR@1 and HR@5: {found}"
    lowest, highest = ndcg_5 + (hr_10 - hr_5) / math.log2(11), ndcg_5 + (hr_10 - hr_5) / math.log2(7)
    assert lowest - tolerance <= ndcg_10 <= highest + tolerance, f"NDCG@10 does not fit NDCG@5 and HR: {found}"
