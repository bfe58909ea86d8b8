"""Names of items, and the numbers in names such as `item_4`, for the checks of leaks and of ties.

Shape suffixes: C = cases, N = items of the catalogue.
"""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

ItemIndices = npt.NDArray[np.int64]
"""Catalogue indices; -1 for none."""

NUMBERED = re.compile(r"(.*?)([0-9]{1,15})")
MIN_NUMBERED_SHARE = 0.5
"""Share of the catalogue whose names must be equal up to a number, for the catalogue to count as numbered."""


def names_of_items(item_ids: Sequence[str], titles: Sequence[str], texts: Sequence[str]) -> dict[str, int]:
    """Return unambiguous names -> catalogue index: ids, texts, titles, and the numbers of numbered ids."""
    numbers = [str(number) if number is not None else "" for number in number_items(item_ids)]
    name_to_item: dict[str, int] = {}
    for names in (numbers, titles, texts, item_ids):
        counts = Counter(names)
        name_to_item |= {name: item for item, name in enumerate(names) if name and counts[name] == 1}
    return name_to_item


def number_items(names: Sequence[str]) -> list[int | None]:
    """Return each item's number (N), if at least half of the names are equal up to a number at the end.

    Example:
        >>> number_items(["item_4", "item_5", "Tent"]), number_items(["Tent 4", "Lamp 5", "Stove 6"])
        ([4, 5, None], [None, None, None])
    """
    matches = [NUMBERED.fullmatch(name) for name in names]
    stems = Counter(match[1] for match in matches if match)
    stem, count = stems.most_common(1)[0] if stems else ("", 0)
    if count < MIN_NUMBERED_SHARE * len(names):
        return [None] * len(names)
    return [int(match[2]) if match and match[1] == stem else None for match in matches]


def claim_next_numbers(names: Sequence[str], previous_C: ItemIndices) -> ItemIndices:
    """Return for each case (C) the item whose number follows that of the previous item, -1 without one."""
    numbers = number_items(names)
    number_to_item = {number: item for item, number in enumerate(numbers) if number is not None}
    next_N = [-1 if number is None else number_to_item.get(number + 1, -1) for number in numbers]
    return np.array([next_N[item] for item in previous_C], dtype=np.int64)
