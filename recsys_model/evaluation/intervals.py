"""Bootstrap intervals of a mean over users.

Resampling U users with replacement and averaging depends only on how often each distinct value is
drawn, which is multinomial. Ranking gains take a dozen distinct values, so a thousand resamples of
a million users cost microseconds and no memory, and are distributed exactly like the naive ones.

Shape suffixes: U = users, V = distinct values, S = resamples.
"""

from dataclasses import dataclass

import numpy as np

from recsys_model.errors import DataError


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A mean over users with its 95 % interval."""

    value: float
    """The mean over the users that were evaluated."""
    low: float
    """2.5 % percentile of the resampled means."""
    high: float
    """97.5 % percentile of the resampled means."""


def bootstrap_mean(values: np.ndarray, *, num_samples: int, seed: int) -> Estimate:
    """Return the mean of `values` (one per user) with its 95 % percentile-bootstrap interval.

    The same arguments always give the same interval.

    Raises:
        DataError: there is no user.

    Example:
        >>> bootstrap_mean(np.array([0.5, 0.5, 0.5]), num_samples=100, seed=0)
        Estimate(value=0.5, low=0.5, high=0.5)
    """
    if len(values) == 0:
        raise DataError("a mean over users needs at least one user, got none; check the split and evaluate.num_users")
    distinct_V, count_V = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
    num_users = int(count_V.sum())
    generator = np.random.default_rng(seed)
    drawn_SV = generator.multinomial(num_users, count_V / num_users, size=num_samples)
    mean_S = drawn_SV @ distinct_V / num_users
    low, high = np.percentile(mean_S, [2.5, 97.5])
    return Estimate(value=float(count_V @ distinct_V / num_users), low=float(low), high=float(high))
