"""Find out from some rows of a table, before any work starts, how its times are written."""

import dataclasses
import itertools
from collections.abc import Iterator

import pyarrow as pa

from recsys_model.errors import DataError
from recsys_platform.config.input import TableConfig
from recsys_platform.data.input.reading import Reading
from recsys_platform.data.input.sources import read_first_rows
from recsys_platform.data.input.table import Chunk, Table
from recsys_platform.data.input.written import as_written
from recsys_platform.values.time_recognition import recognise_times
from recsys_platform.values.times import TimeReading

MAX_CHUNKS = 16
"""Chunks that are looked into, spread over the table."""
ROWS_PER_CHUNK = 200


def with_times(table: Table, config: TableConfig) -> Table:
    """Return the table with the reading of its times: as configured, else recognised.

    Raises:
        DataError: the times may mean several things, or differ between files; it names the settings that say which.
    """
    if "timestamp" not in table.columns:
        return table
    times = _configured(config) or _recognise(table)
    return dataclasses.replace(table, reading=Reading(times=times, id_width=table.reading.id_width))


def _configured(config: TableConfig) -> TimeReading | None:
    if config.time_format is not None:
        return TimeReading(text_format=config.time_format, is_format_of_all=True)
    return None if config.time_unit == "auto" else TimeReading(numbers=config.time_unit)


def _recognise(table: Table) -> TimeReading:
    """Recognise the times of all files together; files that write them in different units are named."""
    setting = f"input.{table.files.table}"
    path_to_values: dict[str, list[str]] = {}
    for chunk in _spread(table.chunks):
        path_to_values.setdefault(chunk.path, []).extend(_first_times(table, chunk))
    values = list(itertools.chain.from_iterable(path_to_values.values()))
    _refuse_different(path_to_values, setting)
    return recognise_times(values, setting)


def _spread(chunks: tuple[Chunk, ...]) -> list[Chunk]:
    """Return at most `MAX_CHUNKS`, the first and the last among them."""
    count = min(MAX_CHUNKS, len(chunks))
    return [chunks[place * (len(chunks) - 1) // max(count - 1, 1)] for place in range(count)]


def _first_times(table: Table, chunk: Chunk) -> Iterator[str]:
    """Yield the first times of a chunk as written; those of a type for times need no reading."""
    block = read_first_rows(table, chunk, ROWS_PER_CHUNK)
    if block is None:
        return
    kind = block["timestamp"].type
    if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        yield from as_written(block["timestamp"]).drop_null().to_pylist()


def _refuse_different(path_to_values: dict[str, list[str]], setting: str) -> None:
    """Raise if two files have times in different units."""
    kind_to_path: dict[str, str] = {}
    for path, values in path_to_values.items():
        try:
            reading = recognise_times(values, setting)
        except DataError:
            continue
        if values and (reading.is_checked or reading.numbers == "calendar"):
            kind_to_path.setdefault(reading.numbers, path)
    if len(kind_to_path) > 1:
        described = " and ".join(f"{path} in {kind}" for kind, path in sorted(kind_to_path.items()))
        raise DataError(f"{setting}: the files differ in what their times count: {described}; write them alike")
