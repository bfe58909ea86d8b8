"""Accuracy and AUC against loops over all questions, their intervals against naive resampling."""

import itertools

import numpy as np
import pytest

from recsys_model.errors import DataError
from recsys_model.evaluation.yes_no import measure_accuracy, measure_auc

RIGHT = np.array([2.0, 0.5, -1.0, 0.5, 3.0])
WRONG = np.array([-2.0, 0.5, -3.0, 1.0, 0.0])


def auc_by_pairs(right: np.ndarray, wrong: np.ndarray) -> float:
    pairs = list(itertools.product(right, wrong))
    return sum(1.0 if yes > no else 0.5 if yes == no else 0.0 for yes, no in pairs) / len(pairs)


def test_auc_equals_the_share_of_pairs_won():
    assert measure_auc(RIGHT, WRONG, num_samples=10, seed=0).value == pytest.approx(auc_by_pairs(RIGHT, WRONG))


def test_the_interval_of_auc_equals_that_of_naively_resampled_users():
    generator = np.random.default_rng(11)
    drawn = generator.integers(0, len(RIGHT), size=(3000, len(RIGHT)))
    low, high = np.percentile([auc_by_pairs(RIGHT[users], WRONG[users]) for users in drawn], [2.5, 97.5])

    found = measure_auc(RIGHT, WRONG, num_samples=3000, seed=3)

    assert (found.low, found.high) == pytest.approx((low, high), abs=0.08 * (high - low))
    assert found.low < found.value < found.high


def test_accuracy_counts_yes_above_zero_and_no_at_zero_and_below():
    # right answers: right 4 of 5 (not -1.0), wrong 3 of 5 (not 0.5 and 1.0)
    assert measure_accuracy(RIGHT, WRONG, num_samples=10, seed=0).value == pytest.approx(0.7)


@pytest.mark.parametrize("measure", [measure_accuracy, measure_auc])
def test_a_user_with_half_of_the_questions_is_refused(measure):
    with pytest.raises(DataError, match="got 5 and 4"):
        measure(RIGHT, WRONG[:4], num_samples=10, seed=0)
