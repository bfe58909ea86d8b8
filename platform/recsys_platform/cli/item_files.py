"""Read files with items (CSV or JSON lines) and with item ids (one per line) for the command line."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from recsys_model.errors import DataError
from recsys_platform.data.input.csv_records import iter_csv, read_header
from recsys_platform.data.input.layouts import TextLayout
from recsys_platform.data.input.text_lines import Lines, MalformedLine
from recsys_platform.values.labels import UnreadableLabelError, canonical_categories

FIELDS = ("id", "title", "brand", "categories")
LAYOUT = TextLayout(keys=("id",))


def read_items(path: Path) -> list[dict[str, Any]]:
    """Return the items of a `.csv` file with a header, or of a file with one JSON object per line.

    Fields are `id` and `title`, optionally `brand` and `categories`; in CSV, categories are a list or separated by `|`,
    as in a table of items.

    Raises:
        DataError: The file cannot be read, or a line is not an item.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(_read_csv(path, Lines(file)) if path.suffix == ".csv" else _read_json_lines(path, file))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"items cannot be read from {path}: {error}") from error


def read_ids(texts: Sequence[str]) -> list[str]:
    """Return item ids; a text `@FILE` stands for the ids in that file, one per line.

    Raises:
        DataError: A file cannot be read.

    Example:
        >>> read_ids(["i1", "i2"])
        ['i1', 'i2']
    """
    ids: list[str] = []
    for text in texts:
        ids += _ids_of(Path(text[1:])) if text.startswith("@") else [text]
    return ids


def _ids_of(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"item ids cannot be read from {path}: {error}; the file must have one id per line") from error


def _read_csv(path: Path, lines: Lines) -> Iterator[dict[str, Any]]:
    names = read_header(lines, LAYOUT, str(path))
    if not {"id", "title"} <= set(names) <= set(FIELDS):
        raise DataError(f"{path} must have the columns id and title and may have brand and categories, got {names}")
    for row in iter_csv(lines, LAYOUT, names):
        where = f"{path}:{lines.number}"
        if isinstance(row, MalformedLine):
            raise DataError(f"{where} must have {len(names)} fields, like the header, got {row.text}")
        item: dict[str, Any] = {name: value for name, value in row.items() if value}
        if "categories" in item:
            item["categories"] = _read_categories(item["categories"], where)
        yield {"id": "", "title": ""} | item


def _read_categories(text: str, where: str) -> list[str]:
    try:
        return list(canonical_categories(text))
    except UnreadableLabelError as error:
        raise DataError(f"{where}: categories {text} are no names: {error}; separate names by |") from error


def _read_json_lines(path: Path, lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except ValueError as error:
            raise DataError(f'{path}:{number} is not JSON: {error}; write {{"id": "...", "title": "..."}}') from error
        if not isinstance(item, dict):
            raise DataError(f"{path}:{number} must be a JSON object with id and title, got {line.strip()[:80]}")
        yield item
