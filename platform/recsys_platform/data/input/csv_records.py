"""Lines with a delimiter between their values, as records.

A value in quotes may span lines. A quote that nobody closes would do the same and swallow the rows below it, so a record
of several lines is accepted only if a reader would expect it: its quotes close before a delimiter, it has as many
values as the header, and the lines inside it are not rows themselves. Otherwise its first line is malformed,
and the lines below are read on their own.
"""

import csv
import dataclasses
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from recsys_model.errors import DataError
from recsys_platform.data.input.layouts import TextLayout, describe_delimiter
from recsys_platform.data.input.text_lines import Lines, MalformedLine

QUOTE = '"'
BACKSLASH = "\\"
MAX_RECORD_LINES = 1000
"""A record of more lines is taken for a quote that nobody closes."""
QUOTED = re.compile('"[^"]*"')
Signature = tuple[bool, bool, bool, bool]


def iter_csv(
    lines: Lines, layout: TextLayout, header: Sequence[str]
) -> Iterator[dict[str, str | None] | MalformedLine]:
    """Yield the records of a file; empty values are None. Blank lines are no rows.

    Args:
        lines: Of the file, behind the header.
        layout: Delimiter and keys.
        header: Names of the columns, of `read_header`.
    """
    while (line := lines.take()) is not None:
        if not line.strip("\r\n"):
            continue
        number = lines.number
        values = split_line(line, layout, len(header))
        if values is None:
            values = _read_on(line, lines, layout, header)
        if values is None:
            yield MalformedLine(f"line {number}, a quote is not closed: {_without_end(line)}")
        elif len(values) != len(header):
            yield MalformedLine(layout.delimiter.join(values))
        elif values[0] == header[0] and _repeats_header(values, layout, header):
            yield MalformedLine(f"line {number} repeats the header: {_without_end(line)}")
        else:
            yield {name: value if value != "" else None for name, value in zip(header, values, strict=True)}


def read_header(lines: Lines, layout: TextLayout, where: str) -> list[str]:
    """Return the names of the columns: those of the first line, or their places where there is no header.

    Raises:
        DataError: the file is empty, or a name stands twice.
    """
    line = lines.take()
    while line is not None and not line.strip("\r\n"):
        line = lines.take()
    if line is None:
        raise DataError(f"{where} is empty; {'it needs a header line' if layout.header else 'it needs rows'}")
    values = split_line(line, layout)
    while values is None and (more := lines.take()) is not None:
        line += more
        values = split_line(line, layout)
    if values is None:
        raise DataError(f"{where}: a quote in the first line is not closed: {line[:200]!r}")
    if not layout.header:
        lines.give_back([line])
        return [str(place) for place in range(len(values))]
    names = [value.strip() for value in values]
    repeated = [name for name, count in Counter(filter(None, names)).items() if count > 1]
    if repeated:
        raise DataError(f"{where}: a CSV file needs a header line with distinct names, got {repeated} more than once")
    return names


def split_line(line: str, layout: TextLayout, num_values: int | None = None) -> list[str] | None:
    """Return the values of one line; None if a quote is open at its end.

    Where the quotes break the rules of CSV, they may be escaped by a backslash, as Spark and MySQL write them. Otherwise
    they belong to the value. Both hold only if the line then has `num_values` values.

    Example:
        >>> comma = TextLayout()
        >>> split_line('i1,"Tent, red"', comma), split_line('i1,"Mug', comma), split_line('i1,"Tent" red', comma, 2)
        (['i1', 'Tent, red'], None, ['i1', '"Tent" red'])
    """
    text = _without_end(line)
    delimiter = layout.delimiter
    if QUOTE not in text or len(delimiter) > 1 or not layout.has_quotes:
        return text.split(delimiter)
    try:
        return _parse([text], layout)
    except csv.Error as error:
        if (escaped := _parse_escaped(text, layout)) is not None and len(escaped) == num_values:
            return escaped
        if _is_open(error):
            return None
    values = text.split(delimiter)
    if len(values) == num_values:
        return values
    rows = list(csv.reader([text + "\n", "next"], delimiter=delimiter, escapechar=layout.escape))
    return rows[0] if len(rows) == 2 else None


def _parse(lines: Sequence[str], layout: TextLayout) -> list[str]:
    """Return the values of the first record by the rules of CSV."""
    return next(csv.reader(lines, delimiter=layout.delimiter, escapechar=layout.escape, strict=True))


def _parse_escaped(text: str, layout: TextLayout) -> list[str] | None:
    """Return the values of a line whose quotes inside values have a backslash before them; None for another line."""
    if BACKSLASH + QUOTE not in text:
        return None
    try:
        return _parse([text], dataclasses.replace(layout, escape=BACKSLASH))
    except csv.Error:
        return None


def _repeats_header(values: Sequence[str], layout: TextLayout, header: Sequence[str]) -> bool:
    """Whether a row is the header of another file that was appended."""
    return layout.header and len(header) > 1 and [value.strip() for value in values] == list(header)


def _read_on(line: str, lines: Lines, layout: TextLayout, header: Sequence[str]) -> list[str] | None:
    """Return the values of a record whose quotes span lines; None, and the lines given back, if it is none."""
    taken = [line]
    while len(taken) < MAX_RECORD_LINES and (more := lines.take()) is not None:
        taken.append(more)
        if QUOTE not in more:
            continue
        try:
            values = _parse(taken, layout)
        except csv.Error as error:
            if _is_open(error):
                continue
            break
        if len(values) == len(header) and not _are_rows(taken, layout, header):
            return values
        break
    lines.give_back(taken[1:])
    return None


def _are_rows(taken: Sequence[str], layout: TextLayout, header: Sequence[str]) -> bool:
    """Whether the lines below the first look like rows: as many values, and ids and times of the same kind."""
    rows = [_without_end(line).split(layout.delimiter) for line in taken if line.strip("\r\n")]
    places = [place for place, name in enumerate(header) if name in layout.keys]

    def signatures(row: list[str]) -> list[Signature]:
        return [_signature(row[place]) for place in places]

    if len(rows[0]) != len(header):
        return False
    expected = signatures(rows[0])
    num_rows = sum(len(row) == len(header) and signatures(row) == expected for row in rows[1:])
    return 2 * num_rows >= len(rows) - 1


def _signature(text: str) -> Signature:
    """Return what ids of a table have in common: whether there are quotes around them, a value, a blank and a digit."""
    value = text.strip().strip(QUOTE)
    is_quoted = QUOTED.fullmatch(text.strip()) is not None
    return is_quoted, bool(value), " " in value, any(character.isdigit() for character in value)


def _is_open(error: csv.Error) -> bool:
    return "unexpected end of data" in str(error)


def _without_end(line: str) -> str:
    return line.rstrip("\r\n")


def describe_layout(layout: TextLayout) -> str:
    """Return the layout for a message."""
    named = "" if layout.header else ", no header"
    encoded = "" if layout.encoding == "utf-8" else f", {layout.encoding}"
    return f"`{describe_delimiter(layout.delimiter)}` between values{named}{encoded}"
