"""Read input tables as Ray datasets with row numbers.

`ray.data.read_*` has no row numbers, guesses the types of CSV columns and fails on one bad line. This data source plans
its reads from file footers and line counts, so that a reject can be located in the user's file. A task reads one
Parquet row group, or one text file, in pieces.

Every block has the columns of `Table.columns` under our names, and two more: `#row`, the 0-based
number in the table, and `#malformed`, the text of a line that is not a record, else null.
"""

import itertools
from collections.abc import Iterator
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import ray
from ray.data.block import BlockMetadata
from ray.data.datasource import Datasource, ReadTask

from recsys_model.errors import DataError
from recsys_platform.data.input.plain import to_plain_table
from recsys_platform.data.input.records import MALFORMED, MalformedLine, Record, iter_records
from recsys_platform.data.input.tables import Chunk, Table
from recsys_platform.data.input.written import join_parts

ROWS_PER_BLOCK = 65536
ESTIMATED_BYTES_PER_ROW = 64
ROW = "#row"


def build_dataset(table: Table) -> ray.data.Dataset:
    """Return the table as a dataset that reads when it is consumed."""
    return ray.data.read_datasource(TableDatasource(table), override_num_blocks=len(table.chunks))


def read_whole(table: Table) -> pa.Table:
    """Read a table into memory, in order: items and users, never interactions."""
    pieces = list(itertools.chain.from_iterable(read_chunk(table, chunk) for chunk in table.chunks))
    return join_parts(pieces)


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


def read_chunk(table: Table, chunk: Chunk, block_rows: int = ROWS_PER_BLOCK) -> Iterator[pa.Table]:
    """Yield the rows of one chunk in blocks of at most `block_rows`, with plain columns.

    Raises:
        DataError: the file cannot be read, or a column of it has no plain form.
    """
    read = _read_text if chunk.row_group is None else _read_row_group
    first_row = chunk.first_row
    where = f"{chunk.path} (input.{table.files.table})"
    try:
        for piece in (to_plain_table(piece, table.columns, where) for piece in read(table, chunk, block_rows)):
            rows = pa.array(range(first_row, first_row + piece.num_rows), pa.int64())
            first_row += piece.num_rows
            yield piece.append_column(ROW, rows)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{where} cannot be read: {error}") from error


def _metadata(chunk: Chunk) -> BlockMetadata:
    return BlockMetadata(
        num_rows=chunk.num_rows,
        size_bytes=chunk.num_rows * ESTIMATED_BYTES_PER_ROW,
        exec_stats=None,
        input_files=(chunk.path,),
    )


def _read_row_group(table: Table, chunk: Chunk, block_rows: int) -> Iterator[pa.Table]:
    names = list(table.columns)
    with table.files.open_filesystem().open_input_file(chunk.path) as source:
        file = pq.ParquetFile(source)
        file_columns = set(file.schema_arrow.names)
        lacking = [theirs for theirs in table.columns.values() if theirs not in file_columns]
        if lacking:
            raise DataError(f"{chunk.path} (input.{table.files.table}) lacks the columns {lacking} of the first file")
        theirs = list(table.columns.values())
        # imported tables carry malformed lines in this column
        extra_columns = [MALFORMED] if MALFORMED in file_columns else []
        for batch in file.iter_batches(block_rows, row_groups=[chunk.row_group], columns=[*theirs, *extra_columns]):
            whole = pa.Table.from_batches([batch])
            malformed = whole[MALFORMED] if extra_columns else pa.nulls(whole.num_rows, pa.string())
            yield whole.select(theirs).rename_columns(names).append_column(MALFORMED, malformed)


def _read_text(table: Table, chunk: Chunk, block_rows: int) -> Iterator[pa.Table]:
    records = iter_records(table.files, chunk.path)
    while batch := list(itertools.islice(records, block_rows)):
        yield _text_block(batch, table)


def _text_block(batch: list[Record | MalformedLine], table: Table) -> pa.Table:
    """Turn records into columns of strings; a column that a record lacks is null."""
    rows = [{} if isinstance(record, MalformedLine) else record for record in batch]
    columns = {ours: pa.array([row.get(theirs) for row in rows], pa.string()) for ours, theirs in table.columns.items()}
    malformed = [record.text if isinstance(record, MalformedLine) else None for record in batch]
    return pa.table({**columns, MALFORMED: pa.array(malformed, pa.string())})
