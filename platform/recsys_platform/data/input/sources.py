"""Read the rows of a table in blocks, with row numbers.

`ray.data.read_*` has no row numbers, guesses the types of CSV columns and fails on one bad line. Here reads are planned
from file footers and line counts, so that a reject can be located in the user's file. One Parquet row group, or one
text file, is read in pieces.

Every block has the columns of `Table.columns` under our names, and two more: `#row`, the 0-based
number in the table, and `#malformed`, the text of a line that is not a record, else null.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recsys_model.errors import DataError
from recsys_platform.data.input.arrow import READ_ERRORS, Mask
from recsys_platform.data.input.arrow_rows import column_at, explode, find_counting
from recsys_platform.data.input.plain import to_plain_table, without_views
from recsys_platform.data.input.records import MALFORMED, Record, iter_records, to_text
from recsys_platform.data.input.rows import RowCount, iter_rows, split_path, value_at
from recsys_platform.data.input.table import Chunk, Table
from recsys_platform.data.input.text_lines import MalformedLine
from recsys_platform.data.input.written import join_parts

ROWS_PER_BLOCK = 65536
ROW = "#row"


def read_whole(table: Table) -> pa.Table:
    """Read a table into memory, in order: items and users, never interactions."""
    pieces = list(itertools.chain.from_iterable(read_chunk(table, chunk) for chunk in table.chunks))
    return join_parts(pieces)


def read_head(table: Table, num_rows: int, path: str | None = None) -> pa.Table:
    """Return the first rows of a file that count, with their numbers in it; the table need not be counted.

    Args:
        table: The table.
        num_rows: How many rows, at most.
        path: The file; None takes the first one.

    Raises:
        DataError: the file cannot be read.
    """
    path = table.files.paths[0] if path is None else path
    pieces = [_text_block([], table).append_column(ROW, pa.array([], pa.int64()))]
    first_row = num_found = 0
    for group in row_groups_of(table, path):
        chunk = Chunk(path=path, row_group=group, first_row=first_row, num_rows=0)
        for piece, counts in _read_pieces(table, chunk, RowCount(), min(num_rows, ROWS_PER_BLOCK)):
            pieces.append(_numbered(piece, counts, first_row, table))
            first_row += piece.num_rows
            num_found += pieces[-1].num_rows
            if num_found >= num_rows:
                return join_parts(pieces[1:]).slice(0, num_rows)
    return join_parts(pieces[1:] or pieces)


def read_first_rows(table: Table, chunk: Chunk, num_rows: int) -> pa.Table | None:
    """Return the first rows of a chunk that count, None if there are none among its first `num_rows`.

    Raises:
        DataError: the file cannot be read.
    """
    for piece, counts in _read_pieces(table, chunk, RowCount(), num_rows):
        return _numbered(piece, counts, chunk.first_row, table)
    return None


def read_chunk(table: Table, chunk: Chunk) -> Iterator[pa.Table]:
    """Yield the rows of one chunk that count, in blocks of at most `ROWS_PER_BLOCK` records.

    Raises:
        DataError: the file cannot be read, or its rows are not as many as were counted.
    """
    count = RowCount()
    first_row = chunk.first_row
    for piece, counts in _read_pieces(table, chunk, count):
        yield _numbered(piece, counts, first_row, table)
        first_row += piece.num_rows
    if (count.num_rows, count.num_left_out) != (chunk.num_rows, chunk.num_left_out):
        raise DataError(
            f"{chunk.path} (input.{table.files.table}) had {chunk.num_rows} rows, {chunk.num_left_out} of them left out, "
            f"when they were counted, and now has {count.num_rows} and {count.num_left_out}; it changed while it was "
            "read. Run the stage again when nobody writes to it"
        )


def count_chunk(table: Table, path: str, row_group: int | None) -> RowCount:
    """Count the rows of a part of a table.

    Raises:
        DataError: the file cannot be read.
    """
    count = RowCount()
    for _ in _read_pieces(table, Chunk(path=path, row_group=row_group, first_row=0, num_rows=0), count):
        pass
    return count


def _numbered(piece: pa.Table, counts: Mask | None, first_row: int, table: Table) -> pa.Table:
    """Return the rows that count, with their numbers in the table."""
    rows = pa.array(range(first_row, first_row + piece.num_rows), pa.int64())
    numbered = _with_order(piece.append_column(ROW, rows), table)
    return numbered if counts is None else numbered.filter(pa.array(counts))


def _read_pieces(
    table: Table, chunk: Chunk, count: RowCount, rows_per_block: int = ROWS_PER_BLOCK
) -> Iterator[tuple[pa.Table, Mask | None]]:
    """Yield blocks of all rows with plain columns, and which rows count; None: all. `count` is complete at the end."""
    read = _read_text if chunk.row_group is None else _read_row_group
    where = f"{chunk.path} (input.{table.files.table})"
    try:
        for piece, counts in read(table, chunk, count, rows_per_block):
            yield to_plain_table(piece, table.columns, where), counts
    except READ_ERRORS as error:
        raise DataError(f"{where} cannot be read: {error}") from error


def row_groups_of(table: Table, path: str) -> list[int | None]:
    """Return the parts of a file that are read on their own: row groups of Parquet; a text file is one, None.

    Raises:
        DataError: the file cannot be read.
    """
    if table.files.format != "parquet":
        return [None]
    try:
        with table.files.open_filesystem().open_input_file(path) as source:
            return list(range(pq.ParquetFile(source).metadata.num_row_groups))
    except READ_ERRORS as error:
        raise DataError(f"{path} (input.{table.files.table}) cannot be read: {error}") from error


def _read_row_group(
    table: Table, chunk: Chunk, count: RowCount, rows_per_block: int
) -> Iterator[tuple[pa.Table, Mask | None]]:
    names = list(table.columns)
    with table.files.open_filesystem().open_input_file(chunk.path) as source:
        file = pq.ParquetFile(source)
        file_columns = set(file.schema_arrow.names)
        constants = table.files.partitions.get(chunk.path, {})
        theirs = {split_path(path, file_columns | set(constants))[0] for path in _paths(table)}
        # `describe_missing` has told of columns that other files have
        constants = {**dict.fromkeys(sorted(theirs - file_columns)), **constants}
        # imported tables carry malformed lines in this column
        extra_columns = [MALFORMED] if MALFORMED in file_columns else []
        wanted = [*sorted(theirs & file_columns), *extra_columns]
        for batch in file.iter_batches(rows_per_block, row_groups=[chunk.row_group], columns=wanted):
            batch.validate(full=True)  # reading checks no UTF-8
            whole = _with_constants(without_views(pa.Table.from_batches([batch])), constants, batch.num_rows)
            whole, counts = _shape(whole, table, count)
            malformed = whole[MALFORMED] if MALFORMED in whole.column_names else pa.nulls(whole.num_rows, pa.string())
            columns = [column_at(whole, path) for path in table.columns.values()]
            yield pa.table([*columns, malformed], names=[*names, MALFORMED]), counts


def _paths(table: Table) -> tuple[str, ...]:
    """Return all columns that are needed to read a table, as the file calls them."""
    return (*table.columns.values(), *table.shape.columns)


def _with_constants(block: pa.Table, constants: Mapping[str, str | None], num_rows: int) -> pa.Table:
    """Add the columns that the folders of a file give, where the file has none of that name."""
    for name, value in constants.items():
        if name not in block.column_names:
            constant = pa.nulls(num_rows) if value is None else pa.array([value] * num_rows, pa.string())
            block = block.append_column(name, constant)
    return block


def _shape(block: pa.Table, table: Table, count: RowCount) -> tuple[pa.Table, Mask | None]:
    """Turn lists into rows, find those that count, and add to the count."""
    counts = None
    if table.shape.explode:
        block, num_empty = explode(block, table.shape.explode)
        count.num_empty_lists += num_empty
    if table.shape.where is not None:
        counts = find_counting(block, table.shape.where)
        count.num_left_out += int(np.count_nonzero(~counts))
    count.num_rows += block.num_rows
    return block, counts


def _with_order(block: pa.Table, table: Table) -> pa.Table:
    """Where events have no times, give all the same, and the order by which they are told apart."""
    if table.order == "time" or "user_id" not in table.columns:
        return block
    if table.order == "rows":
        block = block.append_column("position", block[ROW])
    return block.append_column("timestamp", pa.array(np.zeros(block.num_rows)))


def _read_text(
    table: Table, chunk: Chunk, count: RowCount, rows_per_block: int
) -> Iterator[tuple[pa.Table, Mask | None]]:
    rows = iter_rows(iter_records(table.files, chunk.path), table.shape, count)
    while batch := list(itertools.islice(rows, rows_per_block)):
        counts = None if table.shape.where is None else np.array([row is not None for row in batch], dtype=bool)
        if table.files.format == "jsonl":
            count.names.update(*(row for row in batch if isinstance(row, dict)))
        yield _text_block(batch, table), counts


def _text_block(batch: Sequence[Record | MalformedLine | None], table: Table) -> pa.Table:
    """Turn records into columns of strings; a column that a record lacks is null."""
    rows = [row if isinstance(row, dict) else {} for row in batch]
    columns = {
        ours: pa.array([to_text(value_at(row, theirs)) for row in rows], pa.string())
        for ours, theirs in table.columns.items()
    }
    malformed = [row.text if isinstance(row, MalformedLine) else None for row in batch]
    return pa.table({**columns, MALFORMED: pa.array(malformed, pa.string())})
