"""Errors of predicted ratings: RMSE and MAE (paper, Table 2).

Shape suffixes: U = users (or cases), X = squared error, absolute error, 1.
"""

import numpy as np

from recsys_model.errors import DataError
from recsys_model.evaluation.intervals import Estimate
from recsys_model.evaluation.resampling import FigureOfTotals, bootstrap_totals

RATING_FIGURES: dict[str, FigureOfTotals] = {
    "rmse": lambda total_X: float(np.sqrt(total_X[0] / total_X[2])),
    "mae": lambda total_X: float(total_X[1] / total_X[2]),
}
"""Name -> figure of the totals of `rating_stats`; smaller is better."""


def rating_stats(predicted_U: np.ndarray, true_U: np.ndarray) -> np.ndarray:
    """Return squared error, absolute error and 1 for every case, [U, X].

    Raises:
        DataError: the two differ in length, or hold a value that is not finite.
    """
    predicted_U, true_U = np.asarray(predicted_U, dtype=np.float64), np.asarray(true_U, dtype=np.float64)
    if predicted_U.shape != true_U.shape:
        raise DataError(f"every rating needs its prediction, got {len(predicted_U)} for {len(true_U)} ratings")
    error_U = predicted_U - true_U
    if not np.isfinite(error_U).all():
        raise DataError("ratings and predictions must be finite numbers, got others; leave out unknown ratings")
    return np.stack([error_U**2, np.abs(error_U), np.ones_like(error_U)], axis=1)


def measure_ratings(predicted_U: np.ndarray, true_U: np.ndarray, *, num_samples: int, seed: int) -> dict[str, Estimate]:
    """Return RMSE and MAE with their 95 % intervals.

    Raises:
        DataError: there is no case, or the two do not fit.
    """
    stats_UX = rating_stats(predicted_U, true_U)
    return {
        name: bootstrap_totals(stats_UX, figure, num_samples=num_samples, seed=seed)
        for name, figure in RATING_FIGURES.items()
    }
