"""The columns of the items table that rules may name, by catalogue index.

A version never changes; items that are added to the catalogue make a longer one. Masks of conditions are computed once and
kept, since the requests of a shop share few different ones.

Shape suffixes: N = catalogue indices.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from recsys_model.entities.column_cells import Kind, kind_of, read_numbers, read_texts
from recsys_model.entities.rules import Condition, Rules
from recsys_model.entities.value_columns import (
    ItemGroups,
    Mask,
    NumberColumn,
    ValueColumn,
    joined_columns,
    text_column,
)
from recsys_model.errors import DataError

CACHED_MASKS = 64
"""Conditions whose masks are kept, of one byte per item each."""


class ItemColumns:
    """Turns rules into masks and groups of items."""

    def __init__(self, columns: Mapping[str, ValueColumn], num_items: int) -> None:
        """Take columns of `num_items` items each; `build_columns` reads them."""
        self.num_items = num_items
        """Number of catalogue indices."""
        self._columns = dict(columns)
        # threads may share the cache; a mask is read-only
        self._mask_of = lru_cache(maxsize=CACHED_MASKS)(self._compile)

    @property
    def kinds(self) -> dict[str, Kind]:
        """What each column holds."""
        return {name: column.kind for name, column in self._columns.items()}

    def extended(self, cells: Mapping[str, Sequence[object]], num_added: int) -> "ItemColumns":
        """Return the columns of a catalogue that has `num_added` further items; a column without cells is missing there.

        Raises:
            DataError: a column is new, has too few or too many cells, or a cell does not fit it.
        """
        unknown = [name for name in cells if name not in self._columns]
        if unknown:
            raise DataError(f"added items have the column {unknown[0]!r}, which the catalogue lacks; {self._known()}")
        columns = {}
        for name, column in self._columns.items():
            added = cells.get(name, [None] * num_added)
            _check_length(name, added, num_added)
            has_values = len(column.groups.codes) > 0
            new = _read_column(name, added, column.kind if has_values else None)
            columns[name] = joined_columns(column if has_values else _empty(column, new.kind), new)
        return ItemColumns(columns, self.num_items + num_added)

    def edited(self, cells: Mapping[int, Mapping[str, object]], num_items: int) -> "ItemColumns":
        """Return the columns of a catalogue of `num_items` items, in which some items have other values.

        Args:
            cells: Catalogue index -> column -> value. Other columns keep the value of the item; a further item has none.
            num_items: At least as many items as these columns have.

        Raises:
            DataError: a column is unknown, or a value does not fit it.

        Example:
            >>> columns = build_columns({"price": [5, 7]}, num_items=2).edited({0: {"price": 9}}, num_items=3)
            >>> from recsys_model.entities.rules import NumberRange
            >>> columns.mask(Rules(where=(NumberRange(column="price", at_least=7),))).tolist()
            [True, True, False]
        """
        items = sorted(cells)
        names = dict.fromkeys(name for item in items for name in cells[item])
        # the row behind those of the edited items has no values
        rows = {name: [*(cells[item].get(name) for item in items), None] for name in names}
        longer = self.extended(rows, len(items) + 1)
        columns = {}
        for name, column in longer._columns.items():
            row_N = np.full(num_items, self.num_items + len(items), dtype=np.int64)
            row_N[: self.num_items] = np.arange(self.num_items)
            for place, item in enumerate(items):
                if name in cells[item]:
                    row_N[item] = self.num_items + place
            columns[name] = column.rows(row_N)
        return ItemColumns(columns, num_items)

    def column(self, name: str) -> ValueColumn:
        """Return a column.

        Raises:
            DataError: there is no such column.
        """
        column = self._columns.get(name)
        if column is None:
            raise DataError(f"rules: there is no column {name!r}; {self._known()}")
        return column

    def values(self, item: int) -> dict[str, float | list[str] | None]:
        """Return the value of an item in each column: a number, None without one, or its texts."""
        return {name: column.value(item) for name, column in self._columns.items()}

    def check_cell(self, name: str, cell: object) -> None:
        """Raise `DataError` if there is no such column, or a value does not fit it."""
        column = self.column(name)
        _read_column(name, [cell], column.kind if len(column.groups.codes) else None)

    def check(self, rules: Rules) -> None:
        """Raise `DataError` if rules name an unknown column or value, or compare a text with a number."""
        self.mask(rules)
        for cap in rules.caps:
            self.groups(cap.column)

    def mask(self, rules: Rules) -> Mask | None:
        """Return which items the conditions and lists allow, read-only, [N]; None if they allow all.

        Raises:
            DataError: a column or a value is unknown, an index is none of the catalogue, or a text is compared with a number.
        """
        masks = [self._mask_of(condition) for condition in rules.where]
        if rules.allow is not None:
            masks.append(self._listed("allow", rules.allow))
        if rules.deny:
            masks.append(~self._listed("deny", rules.deny))
        return np.logical_and.reduce(masks) if masks else None

    def groups(self, column: str) -> ItemGroups:
        """Return the groups of items that share a value.

        Raises:
            DataError: there is no such column.
        """
        return self.column(column).groups

    def _listed(self, name: str, items: Sequence[int]) -> Mask:
        index_X = np.array(items, dtype=np.int64)
        outside = index_X[(index_X < 0) | (index_X >= self.num_items)]
        if len(outside):
            raise DataError(
                f"{name}: items must be catalogue indices from 0 to {self.num_items - 1}, got {int(outside[0])}"
            )
        listed_N = np.zeros(self.num_items, dtype=np.bool_)
        listed_N[index_X] = True
        return listed_N

    def _compile(self, condition: Condition) -> Mask:
        mask_N = self.column(condition.column).mask(condition)
        mask_N.flags.writeable = False
        return mask_N

    def _known(self) -> str:
        described = ", ".join(f"{name} ({kind})" for name, kind in self.kinds.items())
        return f"the columns are {described}" if described else "the catalogue has no columns for rules"


def build_columns(cells: Mapping[str, Sequence[object]], num_items: int) -> ItemColumns:
    """Read columns of the items table, one cell per item in catalogue order.

    A cell is a number, a text, a list of texts, or missing: None, NaN, an empty list or text. True and false are texts.

    Raises:
        DataError: a column has too few or too many cells, mixes numbers and texts, or has a cell that is neither.

    Example:
        >>> columns = build_columns({"price": [5, None, 20.5], "brand": ["Cairn", ["Birch", "Cairn"], []]}, num_items=3)
        >>> columns.kinds
        {'price': 'number', 'brand': 'text'}
        >>> from recsys_model.entities.rules import OneOf
        >>> columns.mask(Rules(where=(OneOf(column="brand", values=("Cairn",)),))).tolist()
        [True, True, False]
    """
    for name, column in cells.items():
        _check_length(name, column, num_items)
    return ItemColumns({name: _read_column(name, column, None) for name, column in cells.items()}, num_items)


def columns_of(columns: ItemColumns | None, num_items: int) -> ItemColumns:
    """Return the columns of a catalogue, none of them where there are none.

    Raises:
        DataError: they have other items.
    """
    if columns is None:
        return ItemColumns({}, num_items)
    if columns.num_items != num_items:
        raise DataError(
            f"columns must have a row for each of {num_items} items, got {columns.num_items}; extend them with the items"
        )
    return columns


def _read_column(name: str, cells: Sequence[object], kind: Kind | None) -> ValueColumn:
    if kind is None:
        kind = kind_of(name, cells) or "text"
    return (
        NumberColumn(name, read_numbers(name, cells))
        if kind == "number"
        else text_column(name, read_texts(name, cells))
    )


def _empty(column: ValueColumn, kind: Kind) -> ValueColumn:
    """Return a column without values as one of another kind."""
    return _read_column(column.name, [None] * (len(column.groups.starts) - 1), kind)


def _check_length(name: str, cells: Sequence[object], num_items: int) -> None:
    if len(cells) != num_items:
        raise DataError(f"column {name!r} must have one cell for each of {num_items} items, got {len(cells)}")
