"""The columns that a table has: names, fields inside them, and which are an index and no data."""

import dataclasses
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recsys_model.errors import DataError
from recsys_platform.data.input.arrow_rows import has_path
from recsys_platform.data.input.files import TableFiles
from recsys_platform.data.input.records import MALFORMED, SCANNED_FOR_COLUMNS, find_columns, iter_records
from recsys_platform.data.input.text_lines import MalformedLine

UNNAMED = re.compile(r"(Unnamed: \d+|__index_level_\d+__)?")
"""Names that pandas gives to an index without a name: none in CSV, the others where a file was read and written again."""
MAX_DEPTH = 8
THREADS = 16
NEEDED = frozenset({"user_id", "item_id", "timestamp", "position"})
"""Our names of columns without which a row is nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundColumns:
    """The columns of a file, or of all files of a table."""

    names: tuple[str, ...]
    """In the order of the file; in that of the alphabet where files differ, so that names of files do not matter."""
    index_names: frozenset[str] = frozenset()
    """Those that number rows: without a name, or the index of a pandas table."""
    inner_paths: frozenset[str] = frozenset()
    """Fields inside JSON objects, `event.item_id`."""
    schema: pa.Schema | None = None
    """Of a Parquet file."""
    is_one_object: bool = False
    """Whether the file is one JSON object."""
    path_to_part: "Mapping[str, FoundColumns]" = field(default_factory=dict)
    """The columns of each file of a table that differs from the others; empty where all are alike."""

    def has(self, path: str) -> bool:
        """Whether there is such a column, or field inside one."""
        if path in self.names or path in self.inner_paths:
            return path != ""
        if self.schema is not None and has_path(self.schema, path):
            return True
        return any(part.has(path) for part in self.path_to_part.values())


def look_at_columns(files: TableFiles) -> FoundColumns:
    """Return the columns of all files.

    Raises:
        DataError: one cannot be read.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        parts = dict(zip(files.paths, pool.map(partial(_look_at_file, files), files.paths), strict=True))
    first = parts[files.paths[0]]
    if all(part.names == first.names and _same_fields(part, first) for part in parts.values()):
        return dataclasses.replace(first, is_one_object=first.is_one_object and len(parts) == 1)
    return FoundColumns(
        names=tuple(sorted({name for part in parts.values() for name in part.names})),
        index_names=frozenset().union(*(part.index_names for part in parts.values())),
        path_to_part=parts,
    )


def _same_fields(one: FoundColumns, other: FoundColumns) -> bool:
    """Whether two files have the same fields inside their columns; those of JSON may be missing anywhere."""
    if one.schema is None or other.schema is None:
        return one.inner_paths == other.inner_paths
    return _structs(one.schema) == _structs(other.schema)


def _structs(schema: pa.Schema) -> dict[str, pa.DataType]:
    return {item.name: item.type for item in schema if pa.types.is_nested(item.type)}


def _look_at_file(files: TableFiles, path: str) -> FoundColumns:
    files = dataclasses.replace(files, paths=(path,))
    if files.format == "parquet":
        return _look_at_parquet(files)
    names = tuple(find_columns(files))
    index_names = frozenset(name for name in names if UNNAMED.fullmatch(name))
    if files.format == "csv":
        return FoundColumns(names=names, index_names=index_names)
    records = list(itertools.islice(iter_records(files, path), SCANNED_FOR_COLUMNS))
    paths = {path for record in records if not isinstance(record, MalformedLine) for path in _inner_paths(record)}
    return FoundColumns(
        names=names, index_names=index_names, inner_paths=frozenset(paths), is_one_object=len(records) == 1
    )


def describe_missing(found: FoundColumns, columns: Mapping[str, str], table: str) -> Iterator[str]:
    """Yield one note for each column that some files lack, whose rows then have no value.

    Raises:
        DataError: a field inside a column, or a column that every row needs, is missing in a file.
    """
    for ours, theirs in columns.items():
        lacking = sorted(path for path, part in found.path_to_part.items() if not part.has(theirs))
        if not lacking:
            continue
        if ours in NEEDED or theirs not in found.names:
            raise DataError(
                f"{lacking[0]} (input.{table}) lacks the column {theirs}, which other files of the table have; write all "
                "files with the same columns"
            )
        yield f"{table}: {len(lacking)} of {len(found.path_to_part)} files lack the column {theirs}, such as {lacking[0]}"


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
