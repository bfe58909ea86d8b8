"""The greedy choice under caps: best first, skipping an item if one of its groups has as many items as its cap allows."""

import copy
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recsys_model.entities.value_columns import ItemGroups

NOTHING = np.zeros(0, dtype=np.int64)
"""No items."""
Pairs = list[tuple[int, float]]
"""(catalogue index, score) of items, best first."""
LOOKED_UP_TOGETHER = 32
"""Items whose groups are looked up at a time: arrays are read in one go, and few of them in vain."""


@dataclass(frozen=True, eq=False, slots=True)
class GroupLimit:
    """One cap of a request."""

    groups: ItemGroups
    """The values of each item."""
    at_most: int
    """Items per value."""


@dataclass(frozen=True, eq=False, slots=True)
class RankedItems:
    """Items best first; of equal scores the lower catalogue index comes first."""

    items: npt.NDArray[np.int64]
    """Catalogue indices."""
    scores: npt.NDArray[np.floating]
    """Of each."""

    @classmethod
    def sorted(cls, items: npt.NDArray[np.int64], scores: npt.NDArray[np.floating]) -> "RankedItems":
        """Return items in order."""
        order = np.lexsort((items, -scores))
        return cls(items[order], scores[order])

    def merged(self, other: "RankedItems") -> "RankedItems":
        """Return the items of both in order."""
        if not len(self.items):
            return other
        items, scores = np.concatenate([self.items, other.items]), np.concatenate([self.scores, other.scores])
        return RankedItems.sorted(items, scores)

    def num_above(self, score: float) -> int:
        """Return how many items have a higher score than this."""
        return int(np.searchsorted(-self.scores, -score, side="left"))

    def first(self, number: int) -> "RankedItems":
        """Return the best items."""
        return RankedItems(self.items[:number], self.scores[:number])

    def behind(self, number: int, without: npt.NDArray[np.int64]) -> "RankedItems":
        """Return all but the best items, and without some others."""
        items, scores = self.items[number:], self.scores[number:]
        if not len(without):
            return RankedItems(items, scores)
        is_kept = ~np.isin(items, without)
        return RankedItems(items[is_kept], scores[is_kept])


NO_ITEMS = RankedItems(NOTHING, np.zeros(0, dtype=np.float32))
"""Nothing found yet."""


class CappedChoice:
    """The items that one request gets; they must be offered in order of score."""

    def __init__(self, limits: Sequence[GroupLimit], k: int) -> None:
        self._limits = limits
        self._k = k
        # a slot is one group of one cap, as group * number of caps + place of the cap
        self._item_to_slots: dict[int, list[int]] = {}
        self._slot_to_count: dict[int, int] = {}
        self._full: list[int] = []
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

    @property
    def has_overlapping_groups(self) -> bool:
        """Whether an item can count for several groups; then one item can forbid several others."""
        return len(self._limits) > 1 or any(limit.groups.overlap for limit in self._limits)

    def copy(self) -> "CappedChoice":
        """Return a choice that goes on from here by itself."""
        other = copy.copy(self)
        # what is known of items is shared
        other._slot_to_count, other._full, other.items = self._slot_to_count.copy(), [], self.items.copy()
        return other

    def offer(self, ranked: RankedItems) -> None:
        """Choose of the next items those that no cap forbids, until the choice is complete."""
        for start in range(0, len(ranked.items), LOOKED_UP_TOGETHER):
            if self.is_complete:
                return
            place = slice(start, start + LOOKED_UP_TOGETHER)
            items = ranked.items[place].tolist()
            new = [item for item in items if item not in self._item_to_slots]
            if new:
                self._look_up(new)
            for item, score in zip(items, ranked.scores[place].tolist(), strict=True):
                if self._fits(item) and not self.is_complete:
                    self._add(item, score)

    def take_forbidden(self) -> npt.NDArray[np.int64]:
        """Return the items of the groups that became full since the last call; an item of several comes several times."""
        full, self._full = self._full, []
        members = [NOTHING]
        for place, limit in enumerate(self._limits):
            groups = [slot // len(self._limits) for slot in full if slot % len(self._limits) == place]
            if groups:
                members.append(limit.groups.members(groups))
        return np.concatenate(members)

    def _fits(self, item: int) -> bool:
        # called for every item that is offered, so a loop without a generator
        for slot in self._item_to_slots[item]:
            if self._slot_to_count.get(slot, 0) >= self._limits[slot % len(self._limits)].at_most:
                return False
        return True

    def _add(self, item: int, score: float) -> None:
        for slot in self._item_to_slots[item]:
            self._slot_to_count[slot] = self._slot_to_count.get(slot, 0) + 1
            if self._slot_to_count[slot] == self._limits[slot % len(self._limits)].at_most:
                self._full.append(slot)
        self.items.append((item, score))

    def _look_up(self, items: Sequence[int]) -> None:
        slots: list[list[int]] = [[] for _ in items]
        for place, limit in enumerate(self._limits):
            groups, sizes = limit.groups.of_items(items)
            bounds = [0, *itertools.accumulate(sizes)]
            own = [group * len(self._limits) + place for group in groups]
            for row, (start, stop) in zip(slots, itertools.pairwise(bounds), strict=True):
                row += own[start:stop]
        self._item_to_slots.update(zip(items, slots, strict=True))
