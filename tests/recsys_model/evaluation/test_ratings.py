"""RMSE and MAE against a slow loop, their intervals against naive resampling."""

import math

import numpy as np
import pytest

from recsys_model.errors import DataError
from recsys_model.evaluation.ratings import measure_ratings

TRUE = np.array([5.0, 4.0, 1.0, 3.0, 5.0, 2.0])
PREDICTED = np.array([4.0, 4.5, 3.0, 3.0, 5.0, 1.0])


def by_hand(predicted: np.ndarray, true: np.ndarray) -> dict[str, float]:
    squared = absolute = 0.0
    for guess, rating in zip(predicted, true, strict=True):
        squared += (guess - rating) ** 2
        absolute += abs(guess - rating)
    return {"rmse": math.sqrt(squared / len(true)), "mae": absolute / len(true)}


def test_errors_equal_the_definition_summed_case_by_case():
    found = measure_ratings(PREDICTED, TRUE, num_samples=10, seed=0)
    assert {name: estimate.value for name, estimate in found.items()} == pytest.approx(by_hand(PREDICTED, TRUE))
    assert found["mae"].value == pytest.approx(4.5 / 6)


def naive(figure: str, samples: int) -> tuple[float, float]:
    """Percentiles over resampled lists of cases, one resample after the other."""
    generator = np.random.default_rng(11)
    values = []
    for _ in range(samples):
        drawn = generator.integers(0, len(TRUE), len(TRUE))
        values.append(by_hand(PREDICTED[drawn], TRUE[drawn])[figure])
    low, high = np.percentile(values, [2.5, 97.5])
    return low, high


@pytest.mark.parametrize("figure", ["rmse", "mae"])
def test_intervals_equal_those_of_naively_resampled_cases(figure):
    found = measure_ratings(PREDICTED, TRUE, num_samples=4000, seed=3)[figure]
    low, high = naive(figure, 4000)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.08 * (high - low))
    assert found.low < found.value < found.high


def test_a_seed_fixes_the_interval_and_another_moves_it():
    first, again, other = (measure_ratings(PREDICTED, TRUE, num_samples=200, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("predicted", "true", "message"),
    [
        ([], [], "at least one user"),
        ([1.0], [1.0, 2.0], "got 1 for 2 ratings"),
        ([float("nan")], [1.0], "must be finite"),
    ],
)
def test_what_cannot_be_measured_is_refused(predicted, true, message):
    with pytest.raises(DataError, match=message):
        measure_ratings(np.array(predicted), np.array(true), num_samples=5, seed=0)
