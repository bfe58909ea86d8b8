"""The greedy choice under caps: best first, skipping an item if one of its groups has as many items as its cap allows."""

import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recsys_model.entities.value_columns import ItemGroups

Pairs = list[tuple[int, float]]
"""(catalogue index, score) of items, best first."""


@dataclass(frozen=True, eq=False, slots=True)
class GroupLimit:
    """One cap of a request."""

    groups: ItemGroups
    """The values of each item."""
    at_most: int
    """Items per value."""


class CappedChoice:
    """The items that one request gets; they must be offered in order of score."""

    def __init__(self, limits: Sequence[GroupLimit], k: int) -> None:
        self._limits = limits
        self._k = k
        self._counts = [Counter[int]() for _ in limits]
        self._full: list[tuple[ItemGroups, int]] = []
        self.items: Pairs = []
        """Chosen so far."""

    @property
    def is_complete(self) -> bool:
        """Whether the request has all the items that it asked for."""
        return len(self.items) >= self._k

    @property
    def num_missing(self) -> int:
        """Items that the request still wants."""
        return self._k - len(self.items)

    def copy(self) -> "CappedChoice":
        """Return a choice that goes on from here by itself."""
        other = copy.copy(self)
        other._counts = [counter.copy() for counter in self._counts]
        other._full = []
        other.items = self.items.copy()
        return other

    def offer(self, item: int, score: float) -> bool:
        """Choose an item unless a cap forbids it, and return whether it was chosen."""
        groups = [limit.groups.of(item) for limit in self._limits]
        triples = list(zip(self._limits, self._counts, groups, strict=True))
        if any(counter[group] >= limit.at_most for limit, counter, of_item in triples for group in of_item):
            return False
        for limit, counter, of_item in triples:
            counter.update(of_item)
            self._full += [(limit.groups, group) for group in of_item if counter[group] == limit.at_most]
        self.items.append((item, score))
        return True

    def take_forbidden(self) -> npt.NDArray[np.int64]:
        """Return the items of the groups that became full since the last call."""
        members = [groups.members(group) for groups, group in self._full]
        self._full = []
        return np.unique(np.concatenate(members)) if members else np.zeros(0, dtype=np.int64)
