"""Lines of published files as records: delimited fields, and objects as JSON or Python literals.

Delimited lines are read as those of tables, by `csv_records`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from recsys_platform.data.input.csv_records import BACKSLASH, iter_csv, split_line
from recsys_platform.data.input.json_records import parse_object
from recsys_platform.data.input.layouts import TextLayout
from recsys_platform.data.input.text_lines import Lines, MalformedLine

DELIMITERS = "\t;,"
"""Tried in this order: a header holds the later ones only as part of a name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dialect:
    """How a file separates its fields."""

    delimiter: str = ","
    """One character."""
    names: tuple[str, ...] = ()
    """Fields of a record, in order."""
    has_header: bool = True
    """Whether the first line holds the names."""
    has_quotes: bool = True
    """Whether a field may be in double quotes."""

    def layout(self, keys: Sequence[str] = ()) -> TextLayout:
        """Return how its lines are read, `keys` being the fields of ids and times."""
        # exports with semicolons escape quotes by a backslash
        escape = BACKSLASH if self.delimiter == ";" else None
        return TextLayout(
            delimiter=self.delimiter,
            header=self.has_header,
            keys=tuple(keys),
            has_quotes=self.has_quotes,
            escape=escape,
        )


def sniff_dialect(header: str) -> Dialect:
    """Return the dialect of a file that begins with this header.

    Example:
        >>> sniff_dialect('"User-ID";"ISBN"').names, sniff_dialect("userId,movieId").delimiter
        (('User-ID', 'ISBN'), ',')
    """
    delimiter = next((character for character in DELIMITERS if character in header), ",")
    names = split_line(header, Dialect(delimiter=delimiter).layout()) or []
    return Dialect(delimiter=delimiter, names=tuple(name.strip() for name in names))


def iter_delimited(
    lines: Iterable[str], dialect: Dialect, keys: Sequence[str] = ()
) -> Iterator[dict[str, Any] | MalformedLine]:
    """Return the records of lines that keep their ends; empty fields are None, blank lines no records.

    Args:
        lines: Of the file, with its header.
        dialect: How they separate their fields.
        keys: Fields of ids and times, by which a line inside open quotes shows that it is a record of its own.
    """
    numbered = Lines(lines)
    if dialect.has_header:
        numbered.take()
    return iter_csv(numbered, dialect.layout(keys), dialect.names)


def iter_objects(lines: Iterator[str]) -> Iterator[dict[str, Any] | MalformedLine]:
    """Yield the objects of lines, each JSON or a Python literal."""
    for line in filter(str.strip, lines):
        record = parse_object(line)
        yield MalformedLine(line) if record is None else record
