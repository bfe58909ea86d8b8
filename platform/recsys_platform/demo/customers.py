"""Customers of the demo shop: features that anyone can see, and the long-term taste that they hint at.

A customer has one favourite brand and one favourite series. Each is what a feature says with
probability `FEATURE_STRENGTH`, otherwise drawn from all. City and age say nothing.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from recsys_platform.demo.titles import BRANDS

FEATURE_STRENGTH = 0.8
"""Probability that a feature decides the taste it hints at."""
FEATURES: dict[str, tuple[str, ...]] = {
    "city": ("Aberdeen", "Bergen", "Cusco", "Denver", "Erfurt"),
    "activity": ("paddling", "hiking", "climbing", "cycling", "fishing"),
    "age_group": ("18-25", "26-35", "36-45", "46-60", "over 60"),
}
"""Feature -> values; value i of `activity` hints at brand i."""
SEGMENTS = ("starter", "regular", "expert", "collector", "guide")
"""Values of the feature `segment`: value i hints at series i."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Customer:
    """One customer: what the tables tell, and what only the generator knows."""

    user_id: str
    """Id in the tables."""
    features: dict[str, str]
    """City, activity, age group and segment."""
    favourite_brand: str
    """Not in the tables."""
    favourite_series: str
    """Not in the tables."""


def build_customers(rng: random.Random, num_users: int, series: Sequence[str]) -> list[Customer]:
    """Draw customers, their features and their tastes."""
    return [_build_customer(rng, f"U{number:05d}", series) for number in range(1, num_users + 1)]


def brand_prior(features: dict[str, str]) -> dict[str, float]:
    """Return the probability of each brand to be the favourite, given the features.

    >>> brand_prior({"activity": "hiking"})["Boreal"]
    0.84
    """
    return _prior(BRANDS, BRANDS[FEATURES["activity"].index(features["activity"])])


def series_prior(series: Sequence[str], features: dict[str, str]) -> dict[str, float]:
    """Return the probability of each of the shop's series to be the favourite, given the features."""
    return _prior(series, series[SEGMENTS.index(features["segment"])])


def _prior(values: Sequence[str], hinted: str) -> dict[str, float]:
    """Split the rest of `FEATURE_STRENGTH` evenly over all values."""
    rest = (1.0 - FEATURE_STRENGTH) / len(values)
    return {value: round(rest + FEATURE_STRENGTH * (value == hinted), 12) for value in values}


def _build_customer(rng: random.Random, user_id: str, series: Sequence[str]) -> Customer:
    features = {name: rng.choice(values) for name, values in FEATURES.items()}
    features["segment"] = rng.choice(SEGMENTS[: len(series)])
    return Customer(
        user_id=user_id,
        features=features,
        favourite_brand=_draw(rng, brand_prior(features)),
        favourite_series=_draw(rng, series_prior(series, features)),
    )


def _draw(rng: random.Random, probabilities: dict[str, float]) -> str:
    return rng.choices(list(probabilities), weights=list(probabilities.values()))[0]
