"""One column of the items table as arrays: masks of conditions, and groups of items that share a value.

A text column keeps each different text once, and the numbers of its texts item by item. So a condition looks at different
texts, not at items.

Shape suffixes: N = catalogue indices, X = values of all items, V = different values.
"""

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, cast

import numpy as np
import numpy.typing as npt

from recsys_model.entities.column_cells import Kind, value_text
from recsys_model.entities.rules import Condition, Contains, NoneOf, NumberRange, OneOf
from recsys_model.entities.token_trie import ranges
from recsys_model.errors import DataError

Mask = npt.NDArray[np.bool_]
MAX_COMPARED = 5_000
"""A column with more different texts suggests none for an unknown one, since comparing letters is slow."""


@dataclass(frozen=True, eq=False)
class ItemGroups:
    """The groups of each item, one for each of its values in a column."""

    starts: npt.NDArray[np.int64]
    """The groups of item n are `codes[starts[n] : starts[n + 1]]`, [N + 1]."""
    codes: npt.NDArray[np.int32]
    """Groups item by item, none twice for an item, [X]."""

    def of(self, item: int) -> list[int]:
        """Return the groups of an item."""
        return self.of_items([item])[0]

    def of_items(self, items: Sequence[int]) -> tuple[list[int], list[int]]:
        """Return the groups of several items, one item after the other, and how many each has."""
        index_X = np.asarray(items, dtype=np.int64)
        start_X = self.starts[index_X]
        size_X = self.starts[index_X + 1] - start_X
        return self.codes[ranges(start_X, size_X)].tolist(), size_X.tolist()

    def rows(self, row_N: npt.NDArray[np.int64]) -> "ItemGroups":
        """Return the groups of some items as those of items 0, 1, ...; one may come several times."""
        size_N = self.starts[row_N + 1] - self.starts[row_N]
        starts = np.concatenate([[0], np.cumsum(size_N)]).astype(np.int64)
        return ItemGroups(starts, self.codes[ranges(self.starts[row_N], size_N)])

    def members(self, groups: Sequence[int]) -> npt.NDArray[np.int64]:
        """Return the items of some groups; one that is in several comes several times."""
        is_asked_V = np.zeros(self._num_groups, dtype=np.bool_)
        is_asked_V[list(groups)] = True
        return self._items[is_asked_V[self.codes]]

    def having(self, is_listed_V: Mask) -> Mask:
        """Return which items are in at least one of the listed groups, [N]."""
        having_N = np.zeros(len(self.starts) - 1, dtype=np.bool_)
        having_N[self._items[is_listed_V[self.codes]]] = True
        return having_N

    @cached_property
    def overlap(self) -> bool:
        """Whether an item is in several groups."""
        return bool((np.diff(self.starts) > 1).any())

    @cached_property
    def _num_groups(self) -> int:
        return int(self.codes.max(initial=-1)) + 1

    @cached_property
    def _items(self) -> npt.NDArray[np.int64]:
        """The item that each entry of `codes` belongs to, [X]."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))


@dataclass(frozen=True, eq=False)
class NumberColumn:
    """One number per item."""

    kind: ClassVar[Kind] = "number"
    name: str
    numbers: npt.NDArray[np.float64]
    """Of each item, NaN where it has none, [N]."""

    @cached_property
    def groups(self) -> ItemGroups:
        """Items with the same number."""
        has_number_N = ~np.isnan(self.numbers)
        codes = np.unique(self.numbers[has_number_N], return_inverse=True)[1].astype(np.int32)
        return ItemGroups(np.concatenate([[0], np.cumsum(has_number_N)]).astype(np.int64), codes)

    def mask(self, condition: Condition) -> Mask:
        """Return which items meet a condition, [N].

        Raises:
            DataError: the condition is one on texts.
        """
        if isinstance(condition, NumberRange):
            return self._in_range(condition)
        if isinstance(condition, Contains):
            raise DataError(f"where: column {self.name!r} holds numbers, which contain no text; ask for a range")
        texts = [value for value in condition.values if isinstance(value, str)]
        if texts:
            raise DataError(f"where: column {self.name!r} holds numbers, got the text {texts[0]!r}; give a number")
        is_listed_N = np.isin(self.numbers, np.array(condition.values, dtype=np.float64))
        return is_listed_N if isinstance(condition, OneOf) else ~is_listed_N

    def joined(self, other: "NumberColumn") -> "NumberColumn":
        """Return this column with the items of another one behind."""
        return NumberColumn(self.name, np.concatenate([self.numbers, other.numbers]))

    def value(self, item: int) -> float | None:
        """Return the number of an item, None if it has none."""
        number = float(self.numbers[item])
        return None if math.isnan(number) else number

    def rows(self, row_N: npt.NDArray[np.int64]) -> "NumberColumn":
        """Return the column of some items; one may come several times."""
        return NumberColumn(self.name, self.numbers[row_N])

    def _in_range(self, condition: NumberRange) -> Mask:
        # NaN compares false, but a range without a lower bound would not compare it
        met_N = ~np.isnan(self.numbers)
        if condition.at_least is not None:
            met_N &= self.numbers >= condition.at_least
        if condition.above is not None:
            met_N &= self.numbers > condition.above
        if condition.at_most is not None:
            met_N &= self.numbers <= condition.at_most
        if condition.below is not None:
            met_N &= self.numbers < condition.below
        return met_N


@dataclass(frozen=True, eq=False)
class TextColumn:
    """Any number of texts per item."""

    kind: ClassVar[Kind] = "text"
    name: str
    groups: ItemGroups
    """Items with the same text; a group is an index into `texts`."""
    texts: list[str]
    """Each different text once, as `value_text` writes it."""

    @cached_property
    def _text_to_code(self) -> dict[str, int]:
        return {text: code for code, text in enumerate(self.texts)}

    @cached_property
    def _folded_texts(self) -> list[str]:
        return [text.casefold() for text in self.texts]

    def mask(self, condition: Condition) -> Mask:
        """Return which items meet a condition, [N].

        Raises:
            DataError: the condition is one on numbers, or names a text that no item has.
        """
        if isinstance(condition, NumberRange):
            raise DataError(f"where: column {self.name!r} holds texts, which have no range; give its texts")
        if isinstance(condition, Contains):
            part = value_text(condition.text).casefold()
            return self.groups.having(np.array([part in text for text in self._folded_texts], dtype=np.bool_))
        is_listed_V = np.zeros(len(self.texts), dtype=np.bool_)
        is_listed_V[[self._code_of(value) for value in condition.values]] = True
        having_N = self.groups.having(is_listed_V)
        return ~having_N if isinstance(condition, NoneOf) else having_N

    def joined(self, other: "TextColumn") -> "TextColumn":
        """Return this column with the items of another one behind."""
        text_to_code = dict(self._text_to_code)
        code_V = np.array([text_to_code.setdefault(text, len(text_to_code)) for text in other.texts], dtype=np.int32)
        starts = np.concatenate([self.groups.starts, self.groups.starts[-1] + other.groups.starts[1:]])
        codes = np.concatenate([self.groups.codes, code_V[other.groups.codes]])
        return TextColumn(self.name, ItemGroups(starts, codes), list(text_to_code))

    def value(self, item: int) -> list[str]:
        """Return the texts of an item."""
        return [self.texts[code] for code in self.groups.of(item)]

    def rows(self, row_N: npt.NDArray[np.int64]) -> "TextColumn":
        """Return the column of some items; one may come several times. All texts stay known."""
        return TextColumn(self.name, self.groups.rows(row_N), self.texts)

    def _code_of(self, value: object) -> int:
        if not isinstance(value, str):
            raise DataError(f"where: column {self.name!r} holds texts, got the number {value!r}; give a text")
        text = value_text(value)
        code = self._text_to_code.get(text)
        if code is None:
            close = difflib.get_close_matches(text, self.texts, n=3) if len(self.texts) <= MAX_COMPARED else []
            advice = f"did you mean {' or '.join(map(repr, close))}?" if close else "leave it out"
            raise DataError(f"where: no item has the value {value!r} in column {self.name!r}; {advice}")
        return code


ValueColumn = NumberColumn | TextColumn


def text_column(name: str, rows: Sequence[Sequence[str]]) -> TextColumn:
    """Return the column of the texts of each item, none of them twice for an item."""
    text_to_code: dict[str, int] = {}
    codes = [text_to_code.setdefault(text, len(text_to_code)) for row in rows for text in row]
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    return TextColumn(name, ItemGroups(starts, np.array(codes, dtype=np.int32)), list(text_to_code))


def joined_columns(first: ValueColumn, second: ValueColumn) -> ValueColumn:
    """Return one column with the items of two that hold the same kind."""
    assert first.kind == second.kind, "cells are read as what the column holds"
    if isinstance(first, NumberColumn):
        return first.joined(cast(NumberColumn, second))
    return first.joined(cast(TextColumn, second))
