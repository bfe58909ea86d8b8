"""Bootstrap intervals of figures that are not plain means over users, such as RMSE and BLEU.

Such a figure is a function of totals over users: of squared errors, or of matching word groups. A resample draws
users with replacement, so it is a weight per user; weights times the users' statistics give its totals.

Shape suffixes: U = users, X = statistics of a user, S = resamples of one chunk.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from recsys_model.errors import DataError
from recsys_model.evaluation.intervals import Estimate

MAX_WEIGHTS = 1 << 22
"""Weights held at a time: bounds the memory at some 32 MB."""
FigureOfTotals = Callable[[np.ndarray], float]
"""Turns totals (X) into a figure."""


def bootstrap_totals(stats_UX: np.ndarray, figure: FigureOfTotals, *, num_samples: int, seed: int) -> Estimate:
    """Return a figure of the totals of all users with its 95 % percentile-bootstrap interval.

    The same arguments always give the same interval.

    Raises:
        DataError: there is no user.

    Example:
        >>> bootstrap_totals(np.array([[2.0, 1.0], [2.0, 1.0]]), lambda total: total[0] / total[1], num_samples=9, seed=0)
        Estimate(value=2.0, low=2.0, high=2.0)
    """
    _check_users(len(stats_UX))
    samples = [figure(total_X) for total_X in _resampled_totals(stats_UX, num_samples, seed)]
    return percentile_estimate(figure(stats_UX.sum(axis=0)), samples)


def mean_of_totals(total_X: np.ndarray) -> float:
    """Return the first total divided by the last one, the number of users."""
    return float(total_X[0] / total_X[-1])


def resampled_weights(num_users: int, *, num_samples: int, seed: int) -> Iterator[np.ndarray]:
    """Yield chunks [S, U] of resamples: how often each user is drawn. The same arguments always give the same draws.

    Raises:
        DataError: there is no user.
    """
    _check_users(num_users)
    generator = np.random.default_rng(seed)
    chunk = max(1, MAX_WEIGHTS // num_users)
    for start in range(0, num_samples, chunk):
        size = (min(chunk, num_samples - start), num_users)
        drawn_SU = generator.integers(0, num_users, size=size)
        offset_S1 = np.arange(size[0])[:, None] * num_users
        yield np.bincount((drawn_SU + offset_S1).ravel(), minlength=size[0] * num_users).reshape(size)


def percentile_estimate(value: float, samples: Sequence[float]) -> Estimate:
    """Return a figure with the 2.5 % and 97.5 % percentiles of its resamples."""
    low, high = np.percentile(samples, [2.5, 97.5])
    return Estimate(value=float(value), low=float(low), high=float(high))


def _resampled_totals(stats_UX: np.ndarray, num_samples: int, seed: int) -> Iterator[np.ndarray]:
    """Yield the totals (X) of one resample after the other."""
    stats_UX = np.asarray(stats_UX, dtype=np.float64)
    for weight_SU in resampled_weights(len(stats_UX), num_samples=num_samples, seed=seed):
        yield from weight_SU @ stats_UX


def _check_users(num_users: int) -> None:
    if num_users == 0:
        raise DataError("a figure over users needs at least one user, got none; check the split and evaluate.num_users")
