"""Lines of published files as records: delimited fields, and objects as JSON or Python literals.

A record may span lines only inside a quoted field that is closed again. A quote that nobody closes costs its own line,
never those behind it.
"""

import csv
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from recsys_platform.data.input.json_records import parse_object
from recsys_platform.data.input.text_lines import MalformedLine

QUOTE = '"'
ESCAPE = "\\"
DELIMITERS = "\t;,"
"""Tried in this order: a header holds the later ones only as part of a name."""
LINE = re.compile(r"[^\n]*\n|[^\n]+")
MAX_LINES_OF_RECORD = 50


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

    def split(self, text: str) -> list[str] | None:
        """Return the fields of one record, None where its last field is in quotes that are still open."""
        if not self.has_quotes or QUOTE not in text:
            return text.rstrip("\r\n").split(self.delimiter)
        try:
            return self._parse(text, strict=True)
        except csv.Error as error:
            if "end of data" in str(error):
                return None
        try:
            return self._parse(text, strict=False)
        except csv.Error:
            return []

    def _parse(self, text: str, *, strict: bool) -> list[str]:
        # exports with semicolons escape quotes by a backslash
        escape = ESCAPE if self.delimiter == ";" else None
        lines = LINE.findall(text)
        return next(csv.reader(lines, delimiter=self.delimiter, escapechar=escape, strict=strict), [])


def sniff_dialect(header: str) -> Dialect:
    """Return the dialect of a file that begins with this header.

    Example:
        >>> sniff_dialect('"User-ID";"ISBN"').names, sniff_dialect("userId,movieId").delimiter
        (('User-ID', 'ISBN'), ',')
    """
    delimiter = next((character for character in DELIMITERS if character in header), ",")
    names = Dialect(delimiter=delimiter).split(header) or []
    return Dialect(delimiter=delimiter, names=tuple(name.strip() for name in names))


def iter_delimited(lines: Iterator[str], dialect: Dialect) -> Iterator[dict[str, Any] | MalformedLine]:
    """Yield the records of lines that keep their ends; empty fields are None, blank lines no records."""
    if dialect.has_header:
        next(lines, None)
    waiting: deque[str] = deque()
    names, num_fields = dialect.names, len(dialect.names)
    while (line := waiting.popleft() if waiting else next(lines, None)) is not None:
        if not line.strip():
            continue
        values = dialect.split(line)
        if values is None:
            values = _continue_record(line, lines, waiting, dialect)
        if len(values) == num_fields:
            yield {name: value or None for name, value in zip(names, values, strict=True)}
        else:
            yield MalformedLine(line.rstrip("\r\n"))


def _continue_record(line: str, lines: Iterator[str], waiting: deque[str], dialect: Dialect) -> list[str]:
    """Return the fields of a record whose first line leaves a quote open.

    Without a line that closes it and ends the record, the result is empty, and the other lines wait to be read again.
    """
    read: list[str] = []
    values: list[str] | None = None
    while values is None and len(read) < MAX_LINES_OF_RECORD:
        more = waiting.popleft() if waiting else next(lines, None)
        if more is None:
            break
        read.append(more)
        values = dialect.split("".join([line, *read]))
    if values is not None and len(values) == len(dialect.names):
        return values
    waiting.extendleft(reversed(read))
    return []


def iter_objects(lines: Iterator[str]) -> Iterator[dict[str, Any] | MalformedLine]:
    """Yield the objects of lines, each JSON or a Python literal."""
    for line in filter(str.strip, lines):
        record = parse_object(line)
        yield MalformedLine(line) if record is None else record
