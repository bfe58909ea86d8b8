"""Comparisons over seeds against formulas that are written out, and the rule of the verdict."""

import math

import numpy as np
import pytest

from recsys_model.errors import DataError
from recsys_model.evaluation.intervals import Estimate
from recsys_model.evaluation.seeds import STUDENT_T, SeedComparison, compare_over_seeds, student_interval


def slow_bootstrap(difference_SU: list[list[float]], num_samples: int) -> tuple[float, float]:
    """Draw users one by one; each brings its differences of all seeds."""
    generator = np.random.default_rng(5)
    num_users = len(difference_SU[0])
    means = []
    for _ in range(num_samples):
        drawn = [int(generator.integers(num_users)) for _ in range(num_users)]
        means.append(sum(row[user] for user in drawn for row in difference_SU) / (num_users * len(difference_SU)))
    return float(np.percentile(means, 2.5)), float(np.percentile(means, 97.5))


def test_intervals_equal_a_slow_bootstrap_over_users_and_the_formula_over_seeds():
    generator = np.random.default_rng(1)
    gain_SU = (generator.random((3, 60)) < 0.6).astype(float)
    other_SU = (generator.random((3, 60)) < 0.4).astype(float)
    compared = compare_over_seeds(gain_SU, other_SU, num_samples=20000, seed=0)

    difference_SU = (gain_SU - other_SU).tolist()
    by_seed = [sum(row) / 60 for row in difference_SU]
    mean = sum(by_seed) / 3
    low, high = slow_bootstrap(difference_SU, 4000)
    half = 4.303 * math.sqrt(sum((value - mean) ** 2 for value in by_seed) / 2 / 3)
    assert compared.by_seed == pytest.approx(by_seed)
    assert compared.over_users.value == pytest.approx(mean)
    assert (compared.over_users.low, compared.over_users.high) == pytest.approx((low, high), abs=0.015)
    assert (compared.over_seeds.low, compared.over_seeds.high) == pytest.approx((mean - half, mean + half))


def test_a_user_who_differs_between_seeds_is_one_user():
    # the two seeds cancel out for every user, so other users could have given nothing else
    compared = compare_over_seeds(
        np.array([[1.0] * 8, [0.0] * 8]), np.array([[0.0] * 8, [1.0] * 8]), num_samples=50, seed=0
    )
    assert compared.over_users == Estimate(value=0.0, low=0.0, high=0.0)
    assert compared.by_seed == (1.0, -1.0)


def below(quantile: float, degrees: int) -> float:
    """Integrate Student's density up to a quantile."""
    scale = math.gamma((degrees + 1) / 2) / (math.sqrt(degrees * math.pi) * math.gamma(degrees / 2))
    steps = 20000
    width = quantile / steps
    middle = [(place + 0.5) * width for place in range(steps)]
    return 0.5 + sum(scale * (1 + t * t / degrees) ** (-(degrees + 1) / 2) * width for t in middle)


@pytest.mark.parametrize("degrees", range(1, len(STUDENT_T) + 1))
def test_the_quantiles_are_those_of_students_distribution(degrees):
    assert below(STUDENT_T[degrees - 1], degrees) == pytest.approx(0.975, abs=2e-5)


def comparison(users: tuple[float, float], seeds: tuple[float, float] | None) -> SeedComparison:
    over_seeds = None if seeds is None else Estimate(value=0.0, low=seeds[0], high=seeds[1])
    return SeedComparison(
        over_users=Estimate(value=0.0, low=users[0], high=users[1]), by_seed=(0.0, 0.0), over_seeds=over_seeds
    )


@pytest.mark.parametrize(
    ("users", "seeds", "verdict"),
    [
        ((0.01, 0.03), (0.001, 0.04), "helps"),
        ((-0.03, -0.01), (-0.04, -0.001), "hurts"),
        ((0.01, 0.03), (-0.01, 0.05), "cannot be told apart"),
        ((-0.01, 0.03), (0.001, 0.04), "cannot be told apart"),
        ((0.0, 0.03), (0.001, 0.04), "cannot be told apart"),
        ((-0.03, -0.01), (-0.05, 0.0), "cannot be told apart"),
        ((0.01, 0.03), None, "one seed only"),
    ],
)
def test_a_verdict_needs_both_intervals_on_one_side_of_zero(users, seeds, verdict):
    assert comparison(users, seeds).verdict == verdict


def test_two_seeds_that_disagree_are_no_evidence_whatever_the_users_say():
    gain_SU = np.stack([np.full(500, 1.0), np.full(500, 0.5)])
    assert compare_over_seeds(gain_SU, np.zeros((2, 500)), num_samples=100, seed=0).verdict == "cannot be told apart"


def test_runs_of_other_shapes_and_a_single_value_are_refused():
    with pytest.raises(DataError, match="same seeds and users"):
        compare_over_seeds(np.zeros((2, 3)), np.zeros((2, 4)), num_samples=1, seed=0)
    with pytest.raises(DataError, match="at least two"):
        student_interval((1.0,))
