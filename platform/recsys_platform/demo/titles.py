"""The shelves of the demo shop: items with life-like titles on a grid of brands, series and categories.

A title is brand, series and category: `Alder Trail Tent`. Titles therefore share their first words, some
are the start of another (`Alder Trail Tent Footprint`), and one item carries the title of another one.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from recsys_model.errors import ConfigError

BRANDS = ("Alder", "Boreal", "Cairn", "Driftwood", "Ember")
SERIES = ("Trail", "Summit", "Lake", "Nomad", "Classic")
DEPARTMENTS: dict[str, dict[str, float]] = {
    "Camp": {
        "Tent": 240.0,
        "Tent Footprint": 35.0,
        "Sleeping Bag": 160.0,
        "Sleeping Bag Liner": 30.0,
        "Sleeping Mat": 75.0,
        "Hammock": 60.0,
        "Camp Chair": 45.0,
    },
    "Kitchen and Tools": {
        "Stove": 55.0,
        "Stove Windscreen": 18.0,
        "Cook Pot": 32.0,
        "Water Bottle": 20.0,
        "Water Filter": 42.0,
        "Headlamp": 38.0,
        "Pocket Knife": 29.0,
    },
    "Clothing": {
        "Rain Jacket": 130.0,
        "Fleece Pullover": 80.0,
        "Wool Socks": 19.0,
        "Hiking Boots": 170.0,
        "Sun Hat": 27.0,
        "Gloves": 34.0,
    },
}
"""Department -> category -> price in the middle of the range."""

CATEGORIES = tuple(category for prices in DEPARTMENTS.values() for category in prices)
CATEGORY_TO_DEPARTMENT = {category: name for name, prices in DEPARTMENTS.items() for category in prices}
_GRID_SIZE = len(BRANDS) * len(CATEGORIES)


@dataclass(frozen=True, kw_only=True, slots=True)
class ShopItem:
    """One item on the shelves."""

    item_id: str
    """Id in the tables."""
    title: str
    """What the customer reads; not unique."""
    brand: str
    """One of `BRANDS`."""
    series: str
    """One of `SERIES`; dearer towards the end."""
    category: str
    """One of `CATEGORIES`."""
    price: float
    """Price in dollars."""
    appeal: float
    """Weight against its neighbours on the shelf: 1 is average."""

    @property
    def department(self) -> str:
        """The department that holds the category."""
        return CATEGORY_TO_DEPARTMENT[self.category]


def build_items(rng: random.Random, num_items: int) -> list[ShopItem]:
    """Fill the shelves, one series after the other; the last item repeats the title of the first.

    Raises:
        ConfigError: `num_items` does not fit the grid.
    """
    largest = len(SERIES) * _GRID_SIZE
    if not _GRID_SIZE < num_items <= largest:
        raise ConfigError(f"num_items of the demo shop must be in {_GRID_SIZE + 1}..{largest}, got {num_items}")
    cells = [(brand, series, category) for series in SERIES for brand in BRANDS for category in CATEGORIES]
    cells = [*cells[: num_items - 1], cells[0]]
    numbers = rng.sample(range(1000, 10000), num_items)
    return [_build_item(rng, number, cell) for number, cell in zip(numbers, cells, strict=True)]


def series_of(items: Sequence[ShopItem]) -> tuple[str, ...]:
    """Return the series that these items use, in their fixed order."""
    used = {item.series for item in items}
    return tuple(series for series in SERIES if series in used)


def _build_item(rng: random.Random, number: int, cell: tuple[str, str, str]) -> ShopItem:
    brand, series, category = cell
    middle = DEPARTMENTS[CATEGORY_TO_DEPARTMENT[category]][category]
    factor = (0.8 + 0.2 * SERIES.index(series)) * rng.uniform(0.9, 1.1)
    return ShopItem(
        item_id=f"I{number}",
        title=f"{brand} {series} {category}",
        brand=brand,
        series=series,
        category=category,
        price=round(middle * factor, 2),
        appeal=rng.uniform(0.7, 1.3),
    )
