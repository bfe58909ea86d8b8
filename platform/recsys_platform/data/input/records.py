"""Read CSV and JSON lines as records of text, one by one, so that a malformed line costs one row.

Arrow's own readers give up a whole file for one bad line and guess types from the first block
(`007` becomes 7); tables large enough to care about speed are Parquet.
"""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from recsys_model.errors import DataError
from recsys_platform.data.input.files import TableFiles

Record = dict[str, str | None]
SCANNED_FOR_COLUMNS = 1000
MAX_REPORTED_CHARACTERS = 500
MALFORMED = "#malformed"
"""Column with the text of a line that is not a record, else null."""


class MalformedLine:
    """A line that is not a record, and its text."""

    def __init__(self, text: str) -> None:
        self.text = text[:MAX_REPORTED_CHARACTERS]


def iter_records(files: TableFiles, path: str) -> Iterator[Record | MalformedLine]:
    """Yield the rows of one file; empty CSV fields and JSON nulls are None, other values their text.

    Raises:
        DataError: the file is no UTF-8 text, or has no header.
    """
    read = _csv_records if files.format == "csv" else _json_records
    try:
        with files.open_filesystem().open_input_stream(path) as stream:
            yield from read(_as_text(stream), path)
    except (UnicodeDecodeError, OSError) as error:
        raise DataError(f"{path} (input.{files.table}) cannot be read as UTF-8 text: {error}") from error


def find_columns(files: TableFiles) -> list[str]:
    """Return the columns of the first file: the header, or the keys of the first 1,000 JSON lines."""
    columns: dict[str, None] = {}
    for count, record in enumerate(iter_records(files, files.paths[0])):
        if count >= SCANNED_FOR_COLUMNS or (columns and files.format == "csv"):
            break
        if not isinstance(record, MalformedLine):
            columns.update(dict.fromkeys(record))
    if columns or files.format == "jsonl":
        return list(columns)
    with files.open_filesystem().open_input_stream(files.paths[0]) as stream:
        return next(csv.reader(_as_text(stream)), [])


def count_records(files: TableFiles, path: str) -> int:
    """Return the number of rows of one file, malformed ones included."""
    return sum(1 for _ in iter_records(files, path))


def _as_text(stream: Any) -> io.TextIOWrapper:
    """Decode UTF-8, a byte order mark left out; lines end where the format says so."""
    return io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")


def _csv_records(lines: io.TextIOWrapper, path: str) -> Iterator[Record | MalformedLine]:
    reader = csv.reader(lines)
    header = next(reader, None)
    if header is None or len(set(header)) != len(header):
        raise DataError(f"{path}: a CSV file needs a header line with distinct names, got {header}")
    while True:
        try:
            values = next(reader, None)
        except csv.Error as error:
            yield MalformedLine(str(error))
            continue
        if values is None:
            return
        if len(values) == len(header):
            yield {name: value if value != "" else None for name, value in zip(header, values, strict=True)}
        elif values:
            yield MalformedLine(",".join(values))


def _json_records(lines: io.TextIOWrapper, path: str) -> Iterator[Record | MalformedLine]:
    del path
    for line in lines:
        if not line.strip():
            continue
        record = _parse_object(line)
        if record is None:
            yield MalformedLine(line.rstrip())
        else:
            yield {name: _as_json_text(value) for name, value in record.items()}


def _parse_object(line: str) -> dict[str, Any] | None:
    """Return the object that a line holds, or None; half a surrogate pair is no text either."""
    try:
        record = json.loads(line)
        if "\\u" in line:
            json.dumps(record, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _as_json_text(value: Any) -> str | None:
    """Strings stay, null is None, everything else is its JSON."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
