"""What each request of a call asks of the search: its prompt, and the items that it may get."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from recsys_model.decoding.caps import CappedChoice, GroupLimit
from recsys_model.decoding.item_lists import ItemFilter, ItemLists
from recsys_model.entities.item_columns import ItemColumns
from recsys_model.entities.rules import Rules
from recsys_model.entities.value_columns import Mask
from recsys_model.errors import DataError
from recsys_model.infilling.prompt import Prompt


@dataclass(frozen=True, eq=False, slots=True)
class ItemQuery:
    """One request of a call."""

    prompt: Prompt
    """The prompt."""
    excluded: Collection[int]
    """Catalogue indices that it must not get."""
    allowed: Collection[int] | None
    """The only catalogue indices that it may get; None allows all."""
    mask: Mask | None
    """Whether its rules allow each catalogue index; None if they allow all."""
    limits: tuple[GroupLimit, ...]
    """Its caps."""

    def allows(self, item: int) -> bool:
        """Whether lists and conditions allow an item; caps depend on the other items of an answer."""
        is_listed = item not in self.excluded and (self.allowed is None or item in self.allowed)
        return is_listed and (self.mask is None or bool(self.mask[item]))

    def with_mask(self, num_items: int) -> "ItemQuery":
        """Return a query that has a mask, so that it can lose items while it is searched."""
        return self if self.mask is not None else replace(self, mask=np.ones(num_items, dtype=np.bool_))

    def without(self, items: Collection[int]) -> "ItemQuery":
        """Return a query with a mask that forbids further items."""
        assert self.mask is not None, "only queries with a mask lose items"
        mask = self.mask.copy()
        mask[list(items)] = False
        return replace(self, mask=mask)

    def choice(self, k: int) -> CappedChoice:
        """Return the empty choice of `k` items under its caps."""
        return CappedChoice(self.limits, k)


def build_queries(
    prompts: Sequence[Prompt],
    excluded: Sequence[Collection[int]] | None,
    allowed: Sequence[Collection[int] | None] | None,
    rules: Sequence[Rules | None] | None,
    columns: ItemColumns,
) -> list[ItemQuery]:
    """Return the query of each prompt.

    Raises:
        DataError: prompts and lists differ in number, or rules do not fit the columns.
    """
    excluded = [()] * len(prompts) if excluded is None else excluded
    allowed = [None] * len(prompts) if allowed is None else allowed
    rules = [None] * len(prompts) if rules is None else rules
    for name, entries in (("excluded", excluded), ("allowed", allowed), ("rules", rules)):
        if len(entries) != len(prompts):
            raise DataError(f"{name} must have one entry per prompt, got {len(entries)} for {len(prompts)} prompts")
    return [
        ItemQuery(prompt, without, only, *_compiled(rule, columns))
        for prompt, without, only, rule in zip(prompts, excluded, allowed, rules, strict=True)
    ]


def filter_of(lists: ItemLists, queries: Sequence[ItemQuery]) -> ItemFilter:
    """Return the filter of the items of each query.

    Raises:
        DataError: an index is not one of the catalogue.
    """
    return lists.filter_of(
        [query.excluded for query in queries],
        [query.allowed for query in queries],
        [query.mask for query in queries],
    )


def _compiled(rules: Rules | None, columns: ItemColumns) -> tuple[Mask | None, tuple[GroupLimit, ...]]:
    if rules is None:
        return None, ()
    mask = columns.mask(rules)
    limits = tuple(GroupLimit(columns.groups(cap.column), cap.at_most) for cap in rules.caps)
    return mask, limits
