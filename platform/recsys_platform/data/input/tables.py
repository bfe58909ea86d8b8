"""Open an input table: check its columns and count its rows before any work starts.

The counts give every row of a folder of files its number, so that a reject can be located.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow.parquet as pq

from recsys_model.errors import DataError
from recsys_platform.config.input import TableConfig
from recsys_platform.data.input.arrow import READ_ERRORS
from recsys_platform.data.input.column_mapping import map_columns, wanted_names
from recsys_platform.data.input.conditions import parse_condition
from recsys_platform.data.input.files import TableFiles, find_files
from recsys_platform.data.input.found_columns import FoundColumns, describe_missing, look_at_columns
from recsys_platform.data.input.reading import Reading
from recsys_platform.data.input.records import SCANNED_FOR_COLUMNS, with_delimiter
from recsys_platform.data.input.rows import RowCount, RowShape
from recsys_platform.data.input.sources import count_chunk
from recsys_platform.data.input.table import Chunk, Table

FOOTER_THREADS = 16
Part = tuple[str, int | None]
"""A file and its row group; None: all of a text file."""
CountParts = Callable[[Table, Sequence[Part]], list[RowCount]]


def count_in_turn(table: Table, parts: Sequence[Part]) -> list[RowCount]:
    """Count the rows of parts of a table in this process."""
    return [count_chunk(table, path, group) for path, group in parts]


def open_table(
    name: str,
    config: TableConfig,
    required: Sequence[str],
    optional: Sequence[str] | None,
    count_parts: CountParts = count_in_turn,
) -> Table:
    """Check a table's columns and count its rows, before any work starts.

    Args:
        name: `interactions`, `items` or `users`.
        config: Its path and the names of its columns.
        required: Our names of the columns that it must have.
        optional: Our names of those that are read where they exist; None reads all others that are no index.
        count_parts: Counts the rows of its parts.

    Raises:
        DataError: it is not there, cannot be read, has no rows, or lacks a column.
    """
    table, _ = find_table(name, config, required, optional)
    return count_table(table, count_parts)


def find_table(
    name: str, config: TableConfig, required: Sequence[str], optional: Sequence[str] | None
) -> tuple[Table, FoundColumns]:
    """Check a table's columns without counting its rows; return it without chunks, and all columns that it has.

    Raises:
        DataError: it is not there, cannot be read or lacks a column.
    """
    files = find_files(name, config)
    where = None if config.where is None else parse_condition(config.where, f"input.{name}.where")
    try:
        files = with_delimiter(files, config.delimiter, wanted_names(config, required))
        found = look_at_columns(files)
    except READ_ERRORS as error:
        raise DataError(f"{files.where} cannot be read as {files.format}: {error}") from error
    columns = map_columns(files, config, found, required, optional)
    keys = tuple(columns[ours] for ours in ("user_id", "item_id", "timestamp") if ours in columns)
    table = Table(
        files=dataclasses.replace(files, layout=dataclasses.replace(files.layout, keys=keys)),
        columns=columns,
        chunks=(),
        shape=RowShape(explode=config.exploded, where=where),
        order=config.order,
        reading=Reading(id_width=config.id_width),
        known_names=frozenset(found.names),
        missed_names=None if optional is None else frozenset(optional) - frozenset(columns),
        notes=(
            *files.notes,
            *_index_notes(name, found, columns, reads_all=optional is None),
            *describe_missing(found, columns, name),
        ),
    )
    _check_shape(table, found)
    return table, found


def count_table(table: Table, count_parts: CountParts = count_in_turn) -> Table:
    """Return a table with its chunks, and notes on rows that are left out.

    Raises:
        DataError: it cannot be read, or has no rows that count.
    """
    files = table.files
    try:
        is_counted_by_footer = files.format == "parquet" and not table.shape.columns
        if is_counted_by_footer:
            counts = [(part, RowCount(num_rows=size)) for part, size in _row_groups(files)]
        else:
            parts = [part for part, _ in _row_groups(files)] if files.format == "parquet" else _whole_files(files)
            counts = list(zip(parts, count_parts(table, parts), strict=True))
    except READ_ERRORS as error:
        raise DataError(f"{files.where} cannot be read as {files.format}: {error}") from error
    total = RowCount(
        num_rows=sum(count.num_rows for _, count in counts),
        num_left_out=sum(count.num_left_out for _, count in counts),
        num_empty_lists=sum(count.num_empty_lists for _, count in counts),
    )
    if total.num_rows == total.num_left_out:
        raise DataError(f"{files.where} has no rows" + _describe_all_left_out(table, total))
    _refuse_late_names(table, frozenset().union(*(count.names for _, count in counts)))
    notes = (*table.notes, *_row_notes(table, total))
    return dataclasses.replace(table, chunks=tuple(_number(counts)), notes=notes)


def _refuse_late_names(table: Table, names: frozenset[str]) -> None:
    """Raise if a column to be read is a key of JSON objects only after those that were looked at."""
    late = names - table.known_names if table.missed_names is None else names & table.missed_names - table.known_names
    if late:
        raise DataError(
            f"{table.files.where}: {sorted(late)} are keys only after the first {SCANNED_FOR_COLUMNS:,} objects of each file, "
            "which tell the columns; write them there too, with null where they have no value"
        )


def _check_shape(table: Table, found: FoundColumns) -> None:
    """Raise unless the columns of `explode` and `where` exist."""
    where = f"input.{table.files.table}"
    settings = {"explode": table.shape.explode, "where": table.shape.where.columns if table.shape.where else ()}
    for key, paths in settings.items():
        for path, part in found.path_to_part.items():
            missing = [name for name in paths if not part.has(name)]
            if missing:
                raise DataError(f"{where}.{key} names the columns {missing}, which {path} lacks")
        lacking = [path for path in paths if not found.has(path)]
        if lacking:
            raise DataError(
                f"{where}.{key} names the columns {lacking}, which {table.files.path} lacks; it has {sorted(found.names)}"
            )


def _index_notes(table: str, found: FoundColumns, columns: Mapping[str, str], *, reads_all: bool) -> Iterator[str]:
    for name in sorted(found.index_names - set(columns.values())) if reads_all else ():
        named = f"the column {name}" if name else "a column without a name"
        yield f"{table}: {named} is an index, not a feature, and is left out; to use it, name it in input.user_features"


def _row_notes(table: Table, total: RowCount) -> Iterator[str]:
    name = table.files.table
    if table.shape.where is not None:
        yield f"{name}: {total.num_left_out:,} of {total.num_rows:,} rows are left out, since not {table.shape.where.text}"
    if total.num_empty_lists:
        names = ", ".join(table.shape.explode)
        yield f"{name}: {total.num_empty_lists:,} records have an empty list in {names} and give no row"


def _describe_all_left_out(table: Table, total: RowCount) -> str:
    if total.num_left_out == 0:
        return ""
    return f" for which input.{table.files.table}.where, {table.shape.where and table.shape.where.text}, holds; it has {total.num_rows} others"


def _row_groups(files: TableFiles) -> list[tuple[Part, int]]:
    filesystem = files.open_filesystem()

    def row_group_sizes(path: str) -> list[int]:
        with filesystem.open_input_file(path) as source:
            metadata = pq.ParquetFile(source).metadata
            return [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]

    with ThreadPoolExecutor(FOOTER_THREADS) as pool:
        sizes = list(pool.map(row_group_sizes, files.paths))
    return [
        ((path, group), size)
        for path, per_file in zip(files.paths, sizes, strict=True)
        for group, size in enumerate(per_file)
    ]


def _whole_files(files: TableFiles) -> list[Part]:
    """Return the text files; each is read twice in all."""
    return [(path, None) for path in files.paths]


def _number(counts: Sequence[tuple[Part, RowCount]]) -> Iterator[Chunk]:
    """Give every part the number of its first row."""
    firsts = itertools.accumulate((count.num_rows for _, count in counts), initial=0)
    for ((path, group), count), first in zip(counts, firsts, strict=False):
        if count.num_rows > 0:
            yield Chunk(
                path=path,
                row_group=group,
                first_row=first,
                num_rows=count.num_rows,
                num_left_out=count.num_left_out,
            )
