import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_model.errors import DataError
from recsys_model.evaluation.intervals import Estimate, bootstrap_mean
from recsys_model.evaluation.metrics import (
    METRIC_NAMES,
    gains,
    measure,
    measure_difference,
    rank_in,
)

RANKS = st.lists(st.integers(0, 15), min_size=1, max_size=40)


def slow_metrics(ranks: list[int]) -> dict[str, float]:
    """Sum the definition user by user."""
    totals = dict.fromkeys(METRIC_NAMES, 0.0)
    for rank in ranks:
        for k in (1, 5, 10):
            if 1 <= rank <= k:
                totals[f"hr_at_{k}"] += 1.0
                if k > 1:
                    totals[f"ndcg_at_{k}"] += math.log(2) / math.log(rank + 1)
    return {name: total / len(ranks) for name, total in totals.items()}


def means(ranks: list[int]) -> dict[str, float]:
    return {name: float(gains(np.array(ranks), name).mean()) for name in METRIC_NAMES}


def test_five_users_give_the_figures_worked_out_by_hand():
    found = measure(np.array([1, 3, 7, 11, 0]), num_samples=10, seed=0)

    assert {name: round(estimate.value, 12) for name, estimate in found.items()} == {
        "hr_at_1": 0.2,
        "hr_at_5": 0.4,
        "hr_at_10": 0.6,
        "ndcg_at_5": 0.3,  # (1 + 1 / log2(4)) / 5
        "ndcg_at_10": round((1 + 1 / 2 + 1 / 3) / 5, 12),
    }


@given(RANKS)
def test_metrics_equal_the_definition_summed_user_by_user(ranks):
    assert means(ranks) == pytest.approx(slow_metrics(ranks), abs=1e-12)


def test_rank_counts_from_one_and_is_zero_for_an_item_that_is_not_returned():
    assert [rank_in([4, 8, 2], item) for item in (4, 8, 2, 9)] == [1, 2, 3, 0]


def naive_interval(values: np.ndarray, num_samples: int, seed: int) -> tuple[float, float]:
    """Resample the users one resample after the other."""
    generator = np.random.default_rng(seed)
    resampled = [values[generator.integers(0, len(values), len(values))].mean() for _ in range(num_samples)]
    low, high = np.percentile(resampled, [2.5, 97.5])
    return float(low), float(high)


def test_the_interval_equals_that_of_naively_resampled_users():
    generator = np.random.default_rng(5)
    values = gains(generator.integers(0, 25, size=300), "ndcg_at_10")
    low, high = naive_interval(values, num_samples=20_000, seed=1)

    found = bootstrap_mean(values, num_samples=20_000, seed=2)

    # the percentiles of 20,000 resamples scatter by about 1 % of the interval's width
    assert found.value == pytest.approx(values.mean(), abs=1e-12)
    assert found.low == pytest.approx(low, abs=0.04 * (high - low))
    assert found.high == pytest.approx(high, abs=0.04 * (high - low))


def test_one_user_in_two_has_the_binomial_interval():
    found = bootstrap_mean(np.array([0.0, 1.0] * 50), num_samples=50_000, seed=0)

    # 2.5 % and 97.5 % quantiles of Binomial(100, 1/2) are 40 and 60
    assert found == Estimate(value=0.5, low=0.4, high=0.6)


def test_a_seed_fixes_the_interval_and_another_seed_moves_it():
    values = np.linspace(0.0, 1.0, 101)

    first, again, other = (bootstrap_mean(values, num_samples=100, seed=seed) for seed in (3, 3, 4))

    assert first == again
    assert first != other


def test_without_users_there_is_no_mean():
    with pytest.raises(DataError, match="at least one user"):
        bootstrap_mean(np.zeros(0), num_samples=10, seed=0)


def test_a_ranker_does_not_differ_from_itself():
    ranks = np.array([1, 4, 0, 9, 2])

    found = measure_difference(ranks, ranks, num_samples=50, seed=0)

    assert found == dict.fromkeys(METRIC_NAMES, Estimate(value=0.0, low=0.0, high=0.0))


def test_the_paired_difference_resamples_both_rankers_of_a_user_together():
    # the second ranker is one place worse for everybody: the paired difference in HR@1 is the share of first places
    ranks = np.array([1] * 40 + [5] * 60)

    found = measure_difference(ranks, ranks + 1, num_samples=2_000, seed=0)

    assert found["hr_at_1"].value == pytest.approx(0.4)
    assert found["hr_at_10"] == Estimate(value=0.0, low=0.0, high=0.0)
    assert found["hr_at_5"].value == pytest.approx(0.6)
    low, high = naive_interval(gains(ranks, "hr_at_1") - gains(ranks + 1, "hr_at_1"), num_samples=5_000, seed=3)
    assert (found["hr_at_1"].low, found["hr_at_1"].high) == pytest.approx((low, high), abs=0.0101)


def test_paired_ranks_must_be_of_equally_many_users():
    with pytest.raises(DataError, match="got 2 and 3"):
        measure_difference(np.array([1, 2]), np.array([1, 2, 3]), num_samples=10, seed=0)
