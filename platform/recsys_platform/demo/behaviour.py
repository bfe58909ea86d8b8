"""How a customer of the demo shop chooses: the exact probabilities of the next event.

Short-term taste: a *project*, a ring of six categories that is walked along within days, until another
project begins weeks later. It decides the next category, and the categories of one ring also lie in others,
so the last event alone does not tell the project. Long-term taste: favourite brand and series, which
decide the item within the category; one event alone shows neither for certain.

Shape suffixes: B = brands, C = categories, I = items, L = series, N = items of one category,
S = states (project, step) in the order of `STATES`.
"""

import functools
from collections.abc import Collection, Sequence

import numpy as np

from recsys_platform.demo.titles import BRANDS, CATEGORIES, ShopItem

PROJECTS: dict[str, tuple[str, ...]] = {
    "first camp": ("Tent", "Stove", "Rain Jacket", "Sleeping Mat", "Headlamp", "Hiking Boots"),
    "winter tour": ("Sleeping Bag", "Stove Windscreen", "Fleece Pullover", "Tent", "Cook Pot", "Gloves"),
    "summer weekend": ("Hammock", "Water Bottle", "Sun Hat", "Camp Chair", "Pocket Knife", "Wool Socks"),
    "long trail": ("Sleeping Bag Liner", "Water Filter", "Hiking Boots", "Sleeping Bag", "Water Bottle", "Rain Jacket"),
    "family trip": ("Camp Chair", "Cook Pot", "Sun Hat", "Tent Footprint", "Stove", "Fleece Pullover"),
    "canoe tour": ("Tent Footprint", "Water Filter", "Rain Jacket", "Hammock", "Cook Pot", "Wool Socks"),
    "fast and light": (
        "Sleeping Mat",
        "Stove Windscreen",
        "Gloves",
        "Sleeping Bag Liner",
        "Water Bottle",
        "Wool Socks",
    ),
    "alpine climb": ("Sleeping Bag", "Headlamp", "Gloves", "Sleeping Mat", "Pocket Knife", "Fleece Pullover"),
}
"""Project -> ring of categories; departments alternate."""
NEXT_STEP, SKIP_STEP, NEW_PROJECT = 0.64, 0.20, 0.16
"""Probabilities to take the next step, to leave one out, and to begin another project."""
FOLLOWERS = 2
"""A project is followed by one of so many next ones in `PROJECTS` ..."""
FOLLOWER_SHARE = 0.8
"""... with this probability, otherwise by any other."""
FAVOURITE_BRAND, FAVOURITE_SERIES = 0.8, 0.7
"""Probability of the favourite among brands and among series; the rest is split evenly."""
REPEAT_FACTOR = 0.04
"""An item that the customer has bought already is so much less attractive."""

STATES = tuple((project, step) for project, ring in PROJECTS.items() for step in range(len(ring)))
STATE_CATEGORY_S = np.array([CATEGORIES.index(PROJECTS[project][step]) for project, step in STATES])


def build_start() -> np.ndarray:
    """Return the probability of each state at a customer's first event."""
    return np.array([float(step == 0) / len(PROJECTS) for _, step in STATES])


@functools.cache
def build_transition() -> np.ndarray:
    """Return the probability of each next state (columns) after each state (rows)."""
    index = {state: number for number, state in enumerate(STATES)}
    names = list(PROJECTS)
    transition_SS = np.zeros((len(STATES), len(STATES)))
    for row, (project, step) in enumerate(STATES):
        ring = len(PROJECTS[project])
        transition_SS[row, index[project, (step + 1) % ring]] += NEXT_STEP
        transition_SS[row, index[project, (step + 2) % ring]] += SKIP_STEP
        others = [names[(names.index(project) + shift) % len(names)] for shift in range(1, len(names))]
        for place, other in enumerate(others):
            share = (
                FOLLOWER_SHARE / FOLLOWERS if place < FOLLOWERS else (1 - FOLLOWER_SHARE) / (len(others) - FOLLOWERS)
            )
            transition_SS[row, index[other, 0]] += NEW_PROJECT * share
    return transition_SS


def category_probabilities(state_S: np.ndarray) -> np.ndarray:
    """Sum the probabilities of states by their category."""
    return np.bincount(STATE_CATEGORY_S, weights=state_S, minlength=len(CATEGORIES))


class Shelves:
    """The items by category, and how likely each is chosen there."""

    def __init__(self, items: Sequence[ShopItem], series: Sequence[str]) -> None:
        self.items = items
        self.series = tuple(series)
        self.category_to_items = [
            np.array([number for number, item in enumerate(items) if item.category == category])
            for category in CATEGORIES
        ]
        brand_BI = _favour(FAVOURITE_BRAND, BRANDS, [item.brand for item in items])
        series_LI = _favour(FAVOURITE_SERIES, series, [item.series for item in items])
        appeal_I = np.array([item.appeal for item in items])
        self._weight_BLI = brand_BI[:, None] * series_LI[None, :] * appeal_I

    def choices(self, category: int, bought: Collection[int]) -> np.ndarray:
        """Return how likely a customer who chooses in `category` takes each of its items.

        Shape: favourite brand, favourite series, place in `category_to_items[category]`; the last axis adds up to 1.
        """
        numbers = self.category_to_items[category]
        repeat_N = np.array([REPEAT_FACTOR if number in bought else 1.0 for number in numbers.tolist()])
        weight_BLN = self._weight_BLI[:, :, numbers] * repeat_N
        return weight_BLN / weight_BLN.sum(axis=-1, keepdims=True)


def _favour(share: float, values: Sequence[str], of_items: Sequence[str]) -> np.ndarray:
    """Weigh the items (columns) for each favourite (rows): `share` for the favourite's, the rest split evenly."""
    other = (1.0 - share) / max(len(values) - 1, 1)
    return np.where(np.array(values)[:, None] == np.array(of_items)[None, :], share, other)
