"""Write the rows of an importer as Parquet, row by row: memory does not grow with the interactions.

A malformed line becomes a row with only its text, so it is counted among the rejects. Records that do not count by the
rules of their format are counted by their reason.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recsys_platform.data.input.importers.source import Entry, LeftOut, Row, Source
from recsys_platform.data.input.records import MALFORMED, MalformedLine

ROWS_PER_GROUP = 65536
"""What one task of the data stage reads."""


@dataclass(slots=True)
class ImportCounts:
    """What an import wrote and left out."""

    rows: dict[str, int] = field(default_factory=dict)
    """Table -> rows written."""
    left_out: dict[str, Counter[str]] = field(default_factory=dict)
    """Table -> reason -> records that do not count."""
    items_unused: int = 0
    """Items without an interaction, left out."""
    items_added: int = 0
    """Items of the interactions that the item table lacks."""


def write_source(source: Source, folder: Path) -> ImportCounts:
    """Write `interactions.parquet`, `items.parquet` and, where there are users, `users.parquet`.

    Items of the interactions that are missing in the item table are added without a title. Only the ids of items
    are held in memory.
    """
    counts = ImportCounts()
    used: set[str] = set()
    entries = _noting_items(source.interactions.read(), used)
    _write(folder, "interactions", source.interactions.columns, entries, counts)
    columns = source.items.columns if source.items is not None else ("item_id",)
    columns = columns if "title" in columns else (*columns, "title")
    _write(folder, "items", columns, _iter_catalog(source, used, counts), counts)
    if source.users is not None:
        _write(folder, "users", source.users.columns, source.users.read(), counts)
    return counts


def _iter_catalog(source: Source, used: set[str], counts: ImportCounts) -> Iterator[Entry]:
    """Yield the wanted items of the table, then those of the interactions that it lacks."""
    missing = set(used)
    for entry in source.items.read() if source.items is not None else ():
        item_id = _item_of(entry)
        missing.discard(item_id or "")
        if item_id is not None and not source.keeps_unused_items and item_id not in used:
            counts.items_unused += 1
            continue
        yield entry
    counts.items_added = len(missing)
    for item_id in sorted(missing):
        yield {"item_id": item_id}


def _noting_items(entries: Iterable[Entry], used: set[str]) -> Iterator[Entry]:
    for entry in entries:
        item_id = _item_of(entry)
        if item_id is not None:
            used.add(item_id)
        yield entry


def _item_of(entry: Entry) -> str | None:
    item_id = None if isinstance(entry, (MalformedLine, LeftOut)) else entry.get("item_id")
    return item_id if isinstance(item_id, str) else None


def _write(folder: Path, name: str, columns: tuple[str, ...], entries: Iterable[Entry], counts: ImportCounts) -> None:
    left_out: Counter[str] = Counter()
    rows = _without_left_out(entries, left_out)
    counts.rows[name] = _write_rows(folder / f"{name}.parquet", columns, rows)
    if left_out:
        counts.left_out[name] = left_out


def _without_left_out(entries: Iterable[Entry], left_out: Counter[str]) -> Iterator[Row | MalformedLine]:
    for entry in entries:
        if isinstance(entry, LeftOut):
            left_out[entry.reason] += 1
        else:
            yield entry


def _write_rows(path: Path, columns: tuple[str, ...], rows: Iterator[Row | MalformedLine]) -> int:
    """Write rows as they come, holding one row group in memory; return their number."""
    kinds = {"categories": pa.list_(pa.string())}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in (*columns, MALFORMED)])
    num_rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while group := list(itertools.islice(rows, ROWS_PER_GROUP)):
            complete = [{MALFORMED: row.text} if isinstance(row, MalformedLine) else row for row in group]
            writer.write_table(pa.Table.from_pylist(complete, schema=schema))
            num_rows += len(group)
    return num_rows
