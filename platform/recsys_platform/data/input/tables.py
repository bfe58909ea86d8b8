"""Open an input table: check its columns and count its rows before any work starts.

The counts give every row of a folder of files its number, so that a reject can be located.
"""

import itertools
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq
import ray

from recsys_model.errors import DataError
from recsys_platform.config.input import TableConfig
from recsys_platform.data.input.files import TableFiles, find_files
from recsys_platform.data.input.reading import Reading
from recsys_platform.data.input.records import MALFORMED, count_records, find_columns

FOOTER_THREADS = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """The rows that one task reads."""

    path: str
    """The file."""
    row_group: int | None
    """Row group of a Parquet file; None reads all of a text file."""
    first_row: int
    """Number of its first row in the table."""
    num_rows: int
    """Rows in it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A table whose columns were checked and whose rows are counted, not yet read."""

    files: TableFiles
    """Its files."""
    columns: Mapping[str, str]
    """Our name -> its name in the table, for the columns that are read."""
    chunks: tuple[Chunk, ...]
    """All its rows, in order."""
    reading: Reading = field(default_factory=Reading)
    """How its values are read."""

    @property
    def num_rows(self) -> int:
        """Rows of the table, malformed ones included."""
        return sum(chunk.num_rows for chunk in self.chunks)


def open_table(
    name: str,
    config: TableConfig,
    required: Sequence[str],
    optional: Sequence[str] | None,
) -> Table:
    """Check a table's columns and count its rows, before any work starts.

    Args:
        name: `interactions`, `items` or `users`.
        config: Its path and the names of its columns.
        required: Our names of the columns that it must have.
        optional: Our names of those that are read where they exist; None reads all others.

    Raises:
        DataError: it is not there, cannot be read, has no rows, or lacks a column.
    """
    files = find_files(name, config)
    try:
        names = _find_columns(files)
        columns = _map_columns(files, config, names, required, optional)
        chunks = _plan_parquet(files) if files.format == "parquet" else _plan_text(files)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"input.{name}.path {config.path} cannot be read as {files.format}: {error}") from error
    reading = Reading(id_width=config.id_width)
    table = Table(files=files, columns=columns, chunks=tuple(chunks), reading=reading)
    if table.num_rows == 0:
        raise DataError(f"input.{name}.path {config.path} has no rows")
    return table


def _find_columns(files: TableFiles) -> list[str]:
    if files.format != "parquet":
        return find_columns(files)
    with files.open_filesystem().open_input_file(files.paths[0]) as source:
        return [name for name in pq.read_schema(source).names if name != MALFORMED]


def _map_columns(
    files: TableFiles,
    config: TableConfig,
    names: Sequence[str],
    required: Sequence[str],
    optional: Sequence[str] | None,
) -> dict[str, str]:
    """Map our column names to those of the table."""
    where = f"input.{files.table}"
    if optional is not None:
        unknown = sorted(set(config.columns) - {*required, *optional})
        if unknown:
            raise DataError(
                f"{where}.columns: {unknown} are not columns of the contract; it has:  {[*required, *optional]}"
            )
    mapping = {name: config.columns.get(name, name) for name in required}
    if optional is None:
        taken = {*mapping.values(), *config.columns.values()}
        optional = [*config.columns, *(name for name in names if name not in taken)]
    mapping |= {
        name: config.columns.get(name, name)
        for name in optional
        if name in config.columns or (name in names and name not in mapping)
    }
    lacking = [theirs if ours == theirs else f"{theirs} (our {ours})" for ours, theirs in mapping.items()]
    lacking = [text for text, theirs in zip(lacking, mapping.values(), strict=True) if theirs not in names]
    if lacking:
        raise DataError(
            f"{where}.path {config.path} lacks the columns {lacking}; it has {sorted(names)}. "
            f"Name them in {where}.columns, as `our_name: their_name`"
        )
    return mapping


def _plan_parquet(files: TableFiles) -> list[Chunk]:
    filesystem = files.open_filesystem()

    def row_group_sizes(path: str) -> list[int]:
        with filesystem.open_input_file(path) as source:
            metadata = pq.ParquetFile(source).metadata
            return [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]

    with ThreadPoolExecutor(FOOTER_THREADS) as pool:
        sizes = list(pool.map(row_group_sizes, files.paths))
    groups = [
        (path, group, size)
        for path, per_file in zip(files.paths, sizes, strict=True)
        for group, size in enumerate(per_file)
    ]
    return _number(groups)


def _plan_text(files: TableFiles) -> list[Chunk]:
    """Count the rows of each text file, in parallel; each is read twice in all."""
    if len(files.paths) == 1 or not ray.is_initialized():
        sizes = [count_records(files, path) for path in files.paths]
    else:
        count = ray.remote(count_records)
        sizes = ray.get([count.remote(files, path) for path in files.paths])
    return _number([(path, None, size) for path, size in zip(files.paths, sizes, strict=True)])


def _number(parts: Sequence[tuple[str, int | None, int]]) -> list[Chunk]:
    """Give every part the number of its first row."""
    firsts = itertools.accumulate((size for _, _, size in parts), initial=0)
    return [
        Chunk(path=path, row_group=group, first_row=first, num_rows=size)
        for (path, group, size), first in zip(parts, firsts, strict=False)
        if size > 0
    ]
