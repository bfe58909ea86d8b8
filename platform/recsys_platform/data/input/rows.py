"""From the records of a text file to the rows that count: lists become rows, and conditions leave rows out."""

import ast
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from recsys_platform.data.input.conditions import Condition
from recsys_platform.data.input.records import Record
from recsys_platform.data.input.text_lines import MalformedLine

LIST_SEPARATORS = ("|", ";", ",")
"""Between the values of a list that a text holds, the first one that occurs; else blanks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RowShape:
    """Which rows a table has."""

    explode: tuple[str, ...] = ()
    """Columns whose lists become rows."""
    where: Condition | None = None
    """Which rows count; None: all."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that decide it."""
        return (*self.explode, *(self.where.columns if self.where is not None else ()))


@dataclass(slots=True)
class RowCount:
    """How many rows a part of a table has."""

    num_rows: int = 0
    """Rows, malformed ones and those left out included."""
    num_left_out: int = 0
    """Rows that `where` leaves out."""
    num_empty_lists: int = 0
    """Records whose lists are empty and give no row."""
    names: set[str] = field(default_factory=set, compare=False)
    """Keys of the JSON objects among them."""


def iter_rows(
    records: Iterable[Record | MalformedLine], shape: RowShape, count: RowCount
) -> Iterator[Record | MalformedLine | None]:
    """Yield the rows of some records, None for each that is left out, and count them."""
    for record in records:
        for row in _explode(record, shape.explode, count) if shape.explode else (record,):
            count.num_rows += 1
            if isinstance(row, MalformedLine) or shape.where is None or _counts(row, shape.where):
                yield row
            else:
                count.num_left_out += 1
                yield None


def value_at(record: Record, path: str) -> Any:
    """Return the value of a column, or of a field inside one.

    Example:
        >>> value_at({"event": {"item": {"id": 7}}, "a.b": 1}, "event.item.id"), value_at({"a.b": 1}, "a.b")
        (7, 1)
    """
    if path in record or "." not in path:
        return record.get(path)
    name, fields = split_path(path, record)
    value = record.get(name)
    for inner in fields:
        value = value.get(inner) if isinstance(value, dict) else None
    return value


def split_path(path: str, names: Iterable[str]) -> tuple[str, list[str]]:
    """Return the column that a path starts in, the longest that fits, and the fields inside it.

    Example:
        >>> split_path("event.item.id", ["event", "user"]), split_path("a.b.c", ["a.b"]), split_path("a", [])
        (('event', ['item', 'id']), ('a.b', ['c']), ('a', []))
    """
    parts = path.split(".")
    names = set(names)
    for length in range(len(parts), 0, -1):
        if ".".join(parts[:length]) in names:
            return ".".join(parts[:length]), parts[length:]
    return path, []


def to_list(value: Any) -> list[Any] | None:
    """Return the list that a value is or that a text holds: JSON, a Python literal, or values with `|`, `;`, `,` or blanks between.

    Example:
        >>> to_list([1, 2]), to_list("[5, 7]"), to_list("N1 N2"), to_list("a|b"), to_list(None), to_list(5)
        ([1, 2], [5, 7], ['N1', 'N2'], ['a', 'b'], [], None)
    """
    if value is None:
        return []
    if not isinstance(value, str):
        return list(value) if isinstance(value, (list, tuple)) else None
    text = value.strip()
    if text.startswith(("[", "(")):
        return _parse_list(text)
    separator = next((mark for mark in LIST_SEPARATORS if mark in text), None)
    return [part.strip() for part in text.split(separator)] if text else []


def _parse_list(text: str) -> list[Any] | None:
    for parse in (json.loads, ast.literal_eval):
        try:
            value = parse(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        return list(value) if isinstance(value, (list, tuple)) else None
    return None


def describe_unequal(names: Sequence[str], lists: Sequence[list[Any] | None], row: str) -> str | None:
    """Return why the lists of a row cannot become rows; None if they can."""
    no_list = [name for name, values in zip(names, lists, strict=True) if values is None]
    if no_list:
        return f"explode: {', '.join(no_list)} holds no list: {row}"
    lengths = [len(values or ()) for values in lists]
    if len(set(lengths)) > 1:
        counts = ", ".join(f"{name} has {length}" for name, length in zip(names, lengths, strict=True))
        return f"explode: lists of unequal length, {counts}: {row}"
    return None


def _explode(
    record: Record | MalformedLine, names: tuple[str, ...], count: RowCount
) -> Iterator[Record | MalformedLine]:
    if isinstance(record, MalformedLine):
        yield record
        return
    lists = [to_list(value_at(record, name)) for name in names]
    problem = describe_unequal(names, lists, json.dumps(record, ensure_ascii=False, default=str))
    if problem is not None:
        yield MalformedLine(problem)
        return
    places = list(zip(*(values or () for values in lists), strict=True))
    count.num_empty_lists += not places
    for values in places:
        yield {**record, **dict(zip(names, values, strict=True))}


def _counts(row: Record, where: Condition) -> bool:
    return where.holds(lambda path: value_at(row, path))
