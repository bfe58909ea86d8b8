"""Input tables as Ray datasets whose rows know their number.

`ray.data.read_*` does not tell a row's number, guesses the types of CSV columns and fails on one bad
line; the data source here plans its reads from file footers and line counts instead, so that a reject
can be found again in the user's file. A task reads one Parquet row group, or one text file, in pieces.

Every block has the columns of `Table.columns` under our names, and two more: `row`, the 0-based
number in the table, and `malformed`, the text of a line that is no record, else null.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import ray
from ray.data.block import BlockMetadata
from ray.data.datasource import Datasource, ReadTask

from recsys_model.errors import DataError
from recsys_platform.config import TableConfig
from recsys_platform.data.files import TableFiles, find_files
from recsys_platform.data.records import MalformedLine, Record, count_records, find_columns, iter_records

ROWS_PER_BLOCK = 65536
ESTIMATED_BYTES_PER_ROW = 64
FOOTER_THREADS = 16
ROW = "row"
MALFORMED = "malformed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """What one task reads."""

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
    """Where it lies."""
    columns: Mapping[str, str]
    """Our name -> its name in the table, for the columns that are read."""
    chunks: tuple[Chunk, ...]
    """All its rows, in order."""

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
        config: Where it lies and how its columns are called.
        required: Our names of the columns that it must have.
        optional: Our names of those that are read where they exist; None reads all others.

    Raises:
        DataError: it is not there, cannot be read, has no rows, or lacks a column.
    """
    files = find_files(name, config)
    try:
        found = _find_columns(files)
        columns = _map_columns(files, config, found, required, optional)
        chunks = _plan_parquet(files) if files.format == "parquet" else _plan_text(files)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"input.{name}.path {config.path} cannot be read as {files.format}: {error}") from error
    table = Table(files=files, columns=columns, chunks=tuple(chunks))
    if table.num_rows == 0:
        raise DataError(f"input.{name}.path {config.path} has no rows")
    return table


def build_dataset(table: Table) -> ray.data.Dataset:
    """Return the table as a dataset that reads when it is consumed."""
    return ray.data.read_datasource(TableDatasource(table), override_num_blocks=len(table.chunks))


def read_whole(table: Table) -> pa.Table:
    """Read a table into memory, in order: items and users, never interactions."""
    pieces = list(itertools.chain.from_iterable(read_chunk(table, chunk) for chunk in table.chunks))
    return pa.concat_tables(pieces, promote_options="permissive")


class TableDatasource(Datasource):
    """Reads a `Table` chunk by chunk."""

    def __init__(self, table: Table) -> None:
        super().__init__()
        self._table = table

    def get_name(self) -> str:
        """Return the name that progress bars show."""
        return self._table.files.table.capitalize()

    def estimate_inmemory_data_size(self) -> int | None:
        """Return a rough size, from which Ray Data plans its tasks."""
        return self._table.num_rows * ESTIMATED_BYTES_PER_ROW

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, data_context: Any = None
    ) -> list[ReadTask]:
        """Return one task a chunk, whatever `parallelism` asks for."""
        del parallelism, data_context
        return [
            ReadTask(partial(read_chunk, self._table, chunk), _metadata(chunk), per_task_row_limit=per_task_row_limit)
            for chunk in self._table.chunks
        ]


def read_chunk(table: Table, chunk: Chunk) -> Iterator[pa.Table]:
    """Yield the rows of one chunk in blocks of at most `ROWS_PER_BLOCK`.

    Raises:
        DataError: the file cannot be read.
    """
    pieces = _read_text(table, chunk) if chunk.row_group is None else _read_row_group(table, chunk)
    first_row = chunk.first_row
    try:
        for piece in pieces:
            rows = pa.array(range(first_row, first_row + piece.num_rows), pa.int64())
            first_row += piece.num_rows
            yield piece.append_column(ROW, rows)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{chunk.path} (input.{table.files.table}) cannot be read: {error}") from error


def _metadata(chunk: Chunk) -> BlockMetadata:
    return BlockMetadata(
        num_rows=chunk.num_rows,
        size_bytes=chunk.num_rows * ESTIMATED_BYTES_PER_ROW,
        exec_stats=None,
        input_files=(chunk.path,),
    )


def _read_row_group(table: Table, chunk: Chunk) -> Iterator[pa.Table]:
    names = list(table.columns)
    with table.files.open_filesystem().open_input_file(chunk.path) as source:
        file = pq.ParquetFile(source)
        found = set(file.schema_arrow.names)
        lacking = [theirs for theirs in table.columns.values() if theirs not in found]
        if lacking:
            raise DataError(f"{chunk.path} (input.{table.files.table}) lacks the columns {lacking} of the first file")
        theirs = list(table.columns.values())
        for batch in file.iter_batches(ROWS_PER_BLOCK, row_groups=[chunk.row_group], columns=theirs):
            piece = pa.Table.from_batches([batch]).select(theirs).rename_columns(names)
            yield piece.append_column(MALFORMED, pa.nulls(piece.num_rows, pa.string()))


def _read_text(table: Table, chunk: Chunk) -> Iterator[pa.Table]:
    records = iter_records(table.files, chunk.path)
    while batch := list(itertools.islice(records, ROWS_PER_BLOCK)):
        yield _text_block(batch, table)


def _text_block(batch: list[Record | MalformedLine], table: Table) -> pa.Table:
    """Turn records into columns of strings; a column that a record lacks is null."""
    rows = [{} if isinstance(record, MalformedLine) else record for record in batch]
    columns = {ours: pa.array([row.get(theirs) for row in rows], pa.string()) for ours, theirs in table.columns.items()}
    malformed = [record.text if isinstance(record, MalformedLine) else None for record in batch]
    return pa.table({**columns, MALFORMED: pa.array(malformed, pa.string())})


def _find_columns(files: TableFiles) -> list[str]:
    if files.format != "parquet":
        return find_columns(files)
    with files.open_filesystem().open_input_file(files.paths[0]) as source:
        return pq.read_schema(source).names


def _map_columns(
    files: TableFiles,
    config: TableConfig,
    found: Sequence[str],
    required: Sequence[str],
    optional: Sequence[str] | None,
) -> dict[str, str]:
    """Decide which column of the table is which of ours."""
    where = f"input.{files.table}"
    if optional is not None:
        unknown = sorted(set(config.columns) - {*required, *optional})
        if unknown:
            raise DataError(f"{where}.columns: {unknown} are no columns of ours; known: {[*required, *optional]}")
    mapping = {name: config.columns.get(name, name) for name in required}
    if optional is None:
        taken = {*mapping.values(), *config.columns.values()}
        optional = [*config.columns, *(name for name in found if name not in taken)]
    mapping |= {
        name: config.columns.get(name, name)
        for name in optional
        if name in config.columns or (name in found and name not in mapping)
    }
    lacking = [theirs if ours == theirs else f"{theirs} (our {ours})" for ours, theirs in mapping.items()]
    lacking = [text for text, theirs in zip(lacking, mapping.values(), strict=True) if theirs not in found]
    if lacking:
        raise DataError(
            f"{where}.path {config.path} lacks the columns {lacking}; it has {sorted(found)}. "
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
    count: Callable[[str], int] = partial(count_records, files)
    remote = ray.remote(count_records)
    if len(files.paths) == 1 or not ray.is_initialized():
        sizes = [count(path) for path in files.paths]
    else:
        sizes = ray.get([remote.remote(files, path) for path in files.paths])
    return _number([(path, None, size) for path, size in zip(files.paths, sizes, strict=True)])


def _number(parts: Sequence[tuple[str, int | None, int]]) -> list[Chunk]:
    """Give every part the number of its first row."""
    firsts = itertools.accumulate((size for _, _, size in parts), initial=0)
    return [
        Chunk(path=path, row_group=group, first_row=first, num_rows=size)
        for (path, group, size), first in zip(parts, firsts, strict=False)
        if size > 0
    ]
