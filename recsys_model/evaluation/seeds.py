"""Compare two ways of training over the same users and several seeds.

Differences have two random sources, the drawn users and the trainings. Each gets its own interval:

- over users: a user's difference is the mean over the seeds, and users are resampled (bootstrap);
- over seeds: the mean difference of each seed is one draw from a normal distribution (Student's t).

A verdict needs both to lie on the same side of zero, so it is wrong at most as often as the weaker of the two.

Shape suffixes: S = seeds, U = users.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from recsys_model.errors import DataError
from recsys_model.evaluation.intervals import Estimate, bootstrap_mean

SeedVerdict = Literal["helps", "hurts", "cannot be told apart", "one seed only"]

STUDENT_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""97.5 % quantiles of Student's t with 1, 2, ... degrees of freedom; the last stands for all further ones."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedComparison:
    """The difference between two ways of training."""

    over_users: Estimate
    """Mean difference over seeds and users, with the 95 % interval over users."""
    by_seed: tuple[float, ...]
    """Mean difference of each seed."""
    over_seeds: Estimate | None
    """The same mean with the 95 % interval over seeds; none with one seed."""

    @property
    def verdict(self) -> SeedVerdict:
        """What the change does: `helps` or `hurts` only where both intervals leave zero out."""
        if self.over_seeds is None:
            return "one seed only"
        if min(self.over_users.low, self.over_seeds.low) > 0.0:
            return "helps"
        if max(self.over_users.high, self.over_seeds.high) < 0.0:
            return "hurts"
        return "cannot be told apart"


def compare_over_seeds(
    gain_SU: np.ndarray, other_gain_SU: np.ndarray, *, num_samples: int, seed: int
) -> SeedComparison:
    """Return `gain_SU` minus `other_gain_SU`, paired: row by row the same seed, column by column the same user.

    Raises:
        DataError: the two differ in shape, or are empty.

    Example:
        >>> compared = compare_over_seeds(np.array([[1.0, 1.0], [0.0, 1.0]]), np.zeros((2, 2)), num_samples=9, seed=0)
        >>> compared.by_seed, compared.over_users.value
        ((1.0, 0.5), 0.75)
    """
    if gain_SU.shape != other_gain_SU.shape or gain_SU.size == 0:
        raise DataError(
            f"paired runs must have the same seeds and users, at least one, got {gain_SU.shape} and {other_gain_SU.shape}"
        )
    difference_SU = gain_SU - other_gain_SU
    by_seed = tuple(float(value) for value in difference_SU.mean(axis=1))
    return SeedComparison(
        over_users=bootstrap_mean(difference_SU.mean(axis=0), num_samples=num_samples, seed=seed),
        by_seed=by_seed,
        over_seeds=student_interval(by_seed) if len(by_seed) > 1 else None,
    )


def student_interval(values: tuple[float, ...]) -> Estimate:
    """Return the mean of at least two values with Student's 95 % interval.

    Raises:
        DataError: there are fewer than two values.

    Example:
        >>> student_interval((1.0, 1.0, 1.0))
        Estimate(value=1.0, low=1.0, high=1.0)
    """
    if len(values) < 2:
        raise DataError(f"an interval over seeds needs at least two of them, got {len(values)}")
    mean = float(np.mean(values))
    quantile = STUDENT_T[min(len(values) - 1, len(STUDENT_T)) - 1]
    half = quantile * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return Estimate(value=mean, low=mean - half, high=mean + half)
