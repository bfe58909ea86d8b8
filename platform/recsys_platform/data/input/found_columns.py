"""The columns that a table has: names, fields inside them, and which are an index and no data."""

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recsys_platform.data.input.arrow_rows import has_path
from recsys_platform.data.input.files import TableFiles
from recsys_platform.data.input.records import MALFORMED, SCANNED_FOR_COLUMNS, find_columns, iter_records
from recsys_platform.data.input.text_lines import MalformedLine

UNNAMED = re.compile(r"(Unnamed: \d+|__index_level_\d+__)?")
"""Names that pandas gives to an index without a name: none in CSV, the others where a file was read and written again."""
MAX_DEPTH = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundColumns:
    """The columns of a table's first file."""

    names: tuple[str, ...]
    """In the order of the file."""
    index_names: frozenset[str] = frozenset()
    """Those that number rows: without a name, or the index of a pandas table."""
    inner_paths: frozenset[str] = frozenset()
    """Fields inside JSON objects, `event.item_id`."""
    schema: pa.Schema | None = None
    """Of a Parquet file."""
    is_one_object: bool = False
    """Whether the file is one JSON object."""

    def has(self, path: str) -> bool:
        """Whether there is such a column, or field inside one."""
        if path in self.names or path in self.inner_paths:
            return path != ""
        return self.schema is not None and has_path(self.schema, path)


def look_at_columns(files: TableFiles) -> FoundColumns:
    """Return the columns of the first file.

    Raises:
        DataError: it cannot be read.
    """
    if files.format == "parquet":
        return _look_at_parquet(files)
    names = tuple(find_columns(files))
    index_names = frozenset(name for name in names if UNNAMED.fullmatch(name))
    if files.format == "csv":
        return FoundColumns(names=names, index_names=index_names)
    records = list(itertools.islice(iter_records(files, files.paths[0]), SCANNED_FOR_COLUMNS))
    paths = {path for record in records if not isinstance(record, MalformedLine) for path in _inner_paths(record)}
    return FoundColumns(
        names=names, index_names=index_names, inner_paths=frozenset(paths), is_one_object=len(records) == 1
    )


def _look_at_parquet(files: TableFiles) -> FoundColumns:
    with files.open_filesystem().open_input_file(files.paths[0]) as source:
        schema = pq.read_schema(source)
    names = [name for name in schema.names if name != MALFORMED]
    names += [name for name in files.partitions.get(files.paths[0], {}) if name not in names]
    index_names = {name for name in names if UNNAMED.fullmatch(name)} | set(_pandas_index(schema))
    return FoundColumns(names=tuple(names), index_names=frozenset(index_names), schema=schema)


def _pandas_index(schema: pa.Schema) -> list[str]:
    """Return the columns that the metadata of pandas call the index."""
    document = (schema.metadata or {}).get(b"pandas")
    try:
        index = json.loads(document)["index_columns"] if document is not None else []
    except (ValueError, KeyError, TypeError):
        return []
    return [name for name in index if isinstance(name, str)]


def _inner_paths(value: Any, path: str = "", depth: int = 0) -> Iterator[str]:
    """Yield the paths of the fields inside objects, also of those in lists, which may become rows."""
    if depth == MAX_DEPTH:
        return
    for element in value if isinstance(value, list) else [value]:
        if not isinstance(element, dict):
            continue
        for name, inner in element.items():
            inner_path = f"{path}.{name}" if path else name
            if path:
                yield inner_path
            yield from _inner_paths(inner, inner_path, depth + 1)
