"""Read text files as records, one by one, so that a malformed line costs one row.

Arrow's own readers give up a whole file for one bad line and guess types from the first block
(`007` becomes 7); tables large enough to care about speed are Parquet.
"""

import dataclasses
import io
import itertools
import json
from collections.abc import Collection, Iterator
from typing import Any

from recsys_model.errors import DataError
from recsys_platform.data.input.csv_records import iter_csv, read_header
from recsys_platform.data.input.files import TableFiles
from recsys_platform.data.input.json_records import iter_json
from recsys_platform.data.input.layouts import NAME_TO_DELIMITER, choose_delimiter
from recsys_platform.data.input.listing import ending_of
from recsys_platform.data.input.text_lines import Lines, MalformedLine, as_text, is_utf8

__all__ = ["MALFORMED", "MalformedLine", "Record", "iter_records"]

Record = dict[str, Any]
"""Name -> value: of CSV text, empty values None; of JSON whatever it holds."""
SCANNED_FOR_COLUMNS = 1000
SCANNED_FOR_DELIMITER = 20
MALFORMED = "#malformed"
"""Column with the text of a line that is not a record, else null."""


def iter_records(files: TableFiles, path: str) -> Iterator[Record | MalformedLine]:
    """Yield the rows of one file, with the columns that its folders give.

    Raises:
        DataError: the file is no text in the encoding of the table, has no header or is a broken JSON document.
    """
    where = f"{path} (input.{files.table})"
    constants = files.partitions.get(path, {})
    try:
        with files.open_filesystem().open_input_stream(path) as stream:
            lines = Lines(as_text(stream, files.layout.encoding))
            for record in _iter_lines(lines, files, where):
                yield record if isinstance(record, MalformedLine) or not constants else {**constants, **record}
    except UnicodeError as error:
        raise DataError(_describe_undecodable(files, path, error)) from error
    except OSError as error:
        raise DataError(f"{where} cannot be read: {error}") from error


def _iter_lines(lines: Lines, files: TableFiles, where: str) -> Iterator[Record | MalformedLine]:
    if files.format == "csv":
        return iter_csv(lines, files.layout, read_header(lines, files.layout, where))
    return iter_json(lines, where)


def find_columns(files: TableFiles) -> list[str]:
    """Return the columns of the first file: the header, or the keys of its first 1,000 JSON objects.

    Raises:
        DataError: it cannot be read, or none of its first lines is a JSON object.
    """
    path = files.paths[0]
    constants = files.partitions.get(path, {})
    if files.format == "csv":
        names = _read_header(files, path)
        return [*names, *(name for name in constants if name not in names)]
    columns: dict[str, None] = {}
    for record in itertools.islice(iter_records(files, path), SCANNED_FOR_COLUMNS):
        if not isinstance(record, MalformedLine):
            columns.update(dict.fromkeys(record))
    if columns:
        return list(columns)
    raise DataError(
        f"{path} (input.{files.table}) has no line with a JSON object or a Python literal of one; its first line is "
        f"{first_lines(files, path, 1)[0][:200].rstrip()!r}. Set input.{files.table}.format, or write JSON lines"
    )


def with_delimiter(files: TableFiles, delimiter: str | None, wanted: Collection[str]) -> TableFiles:
    """Return the files with the delimiter that is set, or that the first lines of the first file show.

    Raises:
        DataError: the file is empty or no text in the encoding of the table.
    """
    if files.format != "csv":
        return files
    if delimiter is None:
        lines = first_lines(files, files.paths[0], 1 if files.layout.header else SCANNED_FOR_DELIMITER)
        delimiter = choose_delimiter(lines, wanted, header=files.layout.header, ending=ending_of(files.paths[0]))
    delimiter = NAME_TO_DELIMITER.get(delimiter, delimiter)
    return dataclasses.replace(files, layout=dataclasses.replace(files.layout, delimiter=delimiter))


def first_lines(files: TableFiles, path: str, count: int) -> list[str]:
    """Return the first lines of a file that are not blank, without their ends.

    Raises:
        DataError: there is none, or the file is no text in the encoding of the table.
    """
    try:
        with files.open_filesystem().open_input_stream(path) as stream:
            texts = (line.rstrip("\r\n") for line in as_text(stream, files.layout.encoding))
            lines = list(itertools.islice(filter(str.strip, texts), count))
    except UnicodeError as error:
        raise DataError(_describe_undecodable(files, path, error)) from error
    if not lines:
        raise DataError(f"{path} (input.{files.table}) has no line")
    return lines


def to_text(value: Any) -> str | None:
    """Return a value of a record as text: strings stay, null is None, everything else is its JSON."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _read_header(files: TableFiles, path: str) -> list[str]:
    try:
        with files.open_filesystem().open_input_stream(path) as stream:
            lines = Lines(as_text(stream, files.layout.encoding))
            return read_header(lines, files.layout, f"{path} (input.{files.table})")
    except UnicodeError as error:
        raise DataError(_describe_undecodable(files, path, error)) from error


def _describe_undecodable(files: TableFiles, path: str, error: UnicodeError) -> str:
    """Return what is no text in a file, by its first such line, and the way out."""
    encoding = files.layout.encoding
    name = "UTF-8" if is_utf8(encoding) else encoding
    found = _find_undecodable(files, path)
    line = f", line {found[0]} {found[1][:100]!r}" if found else f": {error}"
    guess = "utf-16" if found and found[1].startswith((b"\xff\xfe", b"\xfe\xff")) else "latin-1, cp1252 or gb18030"
    return (
        f"{path} (input.{files.table}) cannot be read as {name} text{line}; set input.{files.table}.encoding to the one "
        f"that it has, for example {guess}"
    )


def _find_undecodable(files: TableFiles, path: str) -> tuple[int, bytes] | None:
    """Return number and bytes of the first line that cannot be decoded."""
    with files.open_filesystem().open_input_stream(path) as stream:
        for number, line in enumerate(io.BufferedReader(stream), start=1):
            try:
                line.decode(files.layout.encoding)
            except UnicodeError:
                return number, line
    return None
