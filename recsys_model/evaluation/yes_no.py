"""Accuracy and AUC of yes/no questions about one right and one wrong item of every user.

A score is the log-odds of "yes", or any number that increases with it. AUC is the share of all pairs of a
right and a wrong question, also of two users, in which the right one has the higher score; ties count half.

Shape suffixes: U = users, V = distinct scores, S = resamples of one chunk.
"""

import numpy as np

from recsys_model.errors import DataError
from recsys_model.evaluation.intervals import Estimate, bootstrap_mean
from recsys_model.evaluation.resampling import percentile_estimate, resampled_weights


def measure_accuracy(right_U: np.ndarray, wrong_U: np.ndarray, *, num_samples: int, seed: int) -> Estimate:
    """Return the share of right answers with its 95 % interval; yes is said where the log-odds are above 0.

    Raises:
        DataError: there is no user, or not one score of each kind for each.
    """
    right_U, wrong_U = _checked(right_U, wrong_U)
    return bootstrap_mean(((right_U > 0.0) + (wrong_U <= 0.0) * 1.0) / 2.0, num_samples=num_samples, seed=seed)


def measure_auc(right_U: np.ndarray, wrong_U: np.ndarray, *, num_samples: int, seed: int) -> Estimate:
    """Return the AUC with its 95 % interval; a resample draws both questions of a user together.

    Raises:
        DataError: there is no user, or not one score of each kind for each.
    """
    right_U, wrong_U = _checked(right_U, wrong_U)
    distinct_V, place_X = np.unique(np.concatenate([right_U, wrong_U]), return_inverse=True)
    right_place_U, wrong_place_U = np.split(place_X, 2)

    def auc(weight_U: np.ndarray) -> float:
        right_V = np.bincount(right_place_U, weights=weight_U, minlength=len(distinct_V))
        wrong_V = np.bincount(wrong_place_U, weights=weight_U, minlength=len(distinct_V))
        beaten_V = np.cumsum(wrong_V) - wrong_V / 2.0
        return float(right_V @ beaten_V / (right_V.sum() * wrong_V.sum()))

    chunks = resampled_weights(len(right_U), num_samples=num_samples, seed=seed)
    samples = [auc(weight_U) for weight_SU in chunks for weight_U in weight_SU]
    return percentile_estimate(auc(np.ones(len(right_U))), samples)


def _checked(right_U: np.ndarray, wrong_U: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    right_U, wrong_U = np.asarray(right_U, dtype=np.float64), np.asarray(wrong_U, dtype=np.float64)
    if len(right_U) != len(wrong_U):
        raise DataError(
            f"every user needs a right and a wrong question, got {len(right_U)} and {len(wrong_U)}; leave users out whole"
        )
    return right_U, wrong_U
