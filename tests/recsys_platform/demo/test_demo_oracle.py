"""What the generator of the demo shop knows about its own next event."""

import collections
import itertools

import numpy as np
import pytest

from recsys_platform.demo.behaviour import STATES, build_start, build_transition, category_probabilities
from recsys_platform.demo.oracle import (
    Shop,
    best_probabilities,
    expected_metrics,
    long_term_probabilities,
    observable_probabilities,
    ranking_metrics,
    short_term_probabilities,
)
from recsys_platform.demo.shop import build_shop, reference_metrics
from recsys_platform.demo.titles import CATEGORIES

PREDICTORS = (best_probabilities, short_term_probabilities, long_term_probabilities, observable_probabilities)


@pytest.fixture(scope="module")
def shop() -> Shop:
    return build_shop()


@pytest.fixture(scope="module")
def references(shop: Shop) -> dict[str, dict[str, float]]:
    return reference_metrics(shop)


def test_states_and_their_transitions_are_probabilities() -> None:
    assert build_start().sum() == pytest.approx(1.0)
    assert build_transition().min() >= 0.0
    np.testing.assert_allclose(build_transition().sum(axis=1), np.ones(len(STATES)))


@pytest.mark.parametrize("predictor", PREDICTORS)
def test_every_predictor_gives_probabilities_that_add_up_to_one(predictor, shop: Shop) -> None:
    for user in range(20):
        probability_I = predictor(shop, user)
        assert probability_I.shape == (300,)
        assert probability_I.min() >= 0.0
        assert probability_I.sum() == pytest.approx(1.0)


def test_the_best_probabilities_equal_a_count_over_spelled_out_choices(shop: Shop) -> None:
    user = 0
    customer, history = shop.customers[user], shop.histories[user][:-1]
    chances_C = category_probabilities(build_transition()[history[-1].state])
    bought = {event.item for event in history}
    expected = []
    for category, chance in zip(CATEGORIES, chances_C, strict=True):
        weights = {}
        for number, item in enumerate(shop.shelves.items):
            if item.category == category:
                brand = 0.8 if item.brand == customer.favourite_brand else 0.2 / 4
                series = 0.7 if item.series == customer.favourite_series else 0.3 / 2
                weights[number] = item.appeal * brand * series * (0.04 if number in bought else 1.0)
        expected += [(number, chance * weight / sum(weights.values())) for number, weight in weights.items()]
    np.testing.assert_allclose(best_probabilities(shop, user), [chance for _, chance in sorted(expected)])


def test_inference_of_the_project_equals_a_sum_over_all_paths(shop: Shop) -> None:
    short = Shop(shop.shelves, shop.customers[:1], [shop.histories[0][:4]])
    seen = [shop.shelves.items[event.item].category for event in short.histories[0][:-1]]
    categories = [CATEGORIES[int(category_probabilities(np.eye(len(STATES))[state]).argmax())] for state in range(48)]
    candidates = [[state for state in range(48) if categories[state] == category] for category in seen]
    path_chances = collections.Counter()
    for path in itertools.product(*candidates):
        chance = build_start()[path[0]]
        for before, after in itertools.pairwise(path):
            chance *= build_transition()[before, after]
        for following in range(48):
            path_chances[categories[following]] += chance * build_transition()[path[-1], following]
    total = sum(path_chances.values())
    probability_I = observable_probabilities(short, 0)
    for category in CATEGORIES:
        of_category = [number for number, item in enumerate(shop.shelves.items) if item.category == category]
        assert probability_I[of_category].sum() == pytest.approx(path_chances[category] / total)


def test_metrics_of_a_small_ranking_are_right() -> None:
    probability_UI = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])
    found = ranking_metrics(probability_UI, np.array([0, 1]))
    assert found == pytest.approx(
        {"hr_at_1": 0.5, "hr_at_5": 1.0, "hr_at_10": 1.0, "ndcg_at_10": (1 + 1 / np.log2(3)) / 2}
    )
    assert expected_metrics(probability_UI) == pytest.approx(
        {
            "hr_at_1": 0.6,
            "hr_at_5": 1.0,
            "hr_at_10": 1.0,
            "ndcg_at_10": (0.5 + 0.3 / np.log2(3) + 0.1 + 0.7 + 0.2 / np.log2(3) + 0.05) / 2,
        }
    )


def test_what_happened_agrees_with_what_the_generator_expects(references: dict[str, dict[str, float]]) -> None:
    expected, realised = references["best_reachable"], references["best_realised"]
    for name in ("hr_at_1", "hr_at_5", "hr_at_10"):
        standard_error = (expected[name] * (1 - expected[name]) / 1000) ** 0.5
        assert abs(realised[name] - expected[name]) < 3 * standard_error


def test_both_tastes_matter_and_the_history_reveals_them(references: dict[str, dict[str, float]]) -> None:
    best = references["best_reachable"]["hr_at_10"]
    assert 0.7 < best < 0.9
    assert references["short_term_only"]["hr_at_10"] < 0.75 * best
    assert references["long_term_only"]["hr_at_10"] < 0.5 * best
    assert references["observable"]["hr_at_10"] > 0.9 * best


def test_popularity_and_the_last_item_are_far_from_the_best(
    shop: Shop, references: dict[str, dict[str, float]]
) -> None:
    histories = [[event.item for event in events] for events in shop.histories]
    target_U = np.array([items[-1] for items in histories])
    popular_I = np.bincount([item for items in histories for item in items[:-1]], minlength=300)
    following_II, beside_II = np.zeros((300, 300)), np.zeros((300, 300))
    for items in histories:
        for before, after in itertools.pairwise(items[:-1]):
            following_II[before, after] += 1
            beside_II[before, after] += 1
            beside_II[after, before] += 1
    last_U = [items[-2] for items in histories]
    best = references["best_reachable"]["hr_at_10"]
    assert ranking_metrics(np.tile(popular_I, (1000, 1)), target_U)["hr_at_10"] <= 0.08
    assert ranking_metrics(following_II[last_U], target_U)["hr_at_10"] <= 0.45 * best
    assert ranking_metrics(beside_II[last_U], target_U)["hr_at_10"] <= 0.45 * best


def test_one_feature_tells_most_customers_favourite_brands_and_another_tells_nothing(shop: Shop) -> None:
    def agreement(feature: str) -> float:
        counts = collections.Counter(
            (customer.features[feature], customer.favourite_brand) for customer in shop.customers
        )
        values = {value for value, _ in counts}
        return sum(max(counts[value, brand] for _, brand in counts) for value in values) / len(shop.customers)

    assert 0.79 < agreement("activity") < 0.89
    assert agreement("city") < 0.3
