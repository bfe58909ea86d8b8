"""Write the rows of an importer as Parquet, row by row: memory does not grow with the interactions.

A malformed line becomes a row with only its text, so it is counted among the rejects.
"""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recsys_platform.data.input.importers.source import Row, RowTable, Source
from recsys_platform.data.input.records import MALFORMED, MalformedLine

ROWS_PER_GROUP = 65536
"""What one task of the data stage reads."""


def write_source(source: Source, folder: Path) -> dict[str, int]:
    """Write `interactions.parquet`, `items.parquet` and, where there are users, `users.parquet`.

    Items of the interactions that are missing in the item table are added without a title. Only the ids of items
    are held in memory.

    Returns:
        `interactions`, `items` and `users`: rows written; `items_unused`: items without an
        interaction, left out; `items_added`: items of the interactions that the item table lacks.
    """
    used: set[str] = set()
    counts = {"interactions": _write(folder, "interactions", source.interactions, used)}
    catalog = _Catalog(source, used)
    columns = source.items.columns if source.items is not None else ("item_id",)
    columns = columns if "title" in columns else (*columns, "title")
    counts["items"] = _write_rows(folder / "items.parquet", columns, catalog.iter_rows())
    counts["users"] = 0 if source.users is None else _write(folder, "users", source.users, set())
    return counts | {"items_unused": catalog.num_unused, "items_added": catalog.num_added}


class _Catalog:
    """The written items: the wanted ones of the table, and those of the interactions that it lacks."""

    def __init__(self, source: Source, used: set[str]) -> None:
        self._source = source
        self._used = used
        self.num_unused = 0
        self.num_added = 0

    def iter_rows(self) -> Iterator[Row | MalformedLine]:
        missing = set(self._used)
        for row in self._source.items.read() if self._source.items is not None else ():
            item_id = None if isinstance(row, MalformedLine) else row.get("item_id")
            if isinstance(item_id, str):
                missing.discard(item_id)
                if not self._source.keeps_unused_items and item_id not in self._used:
                    self.num_unused += 1
                    continue
            yield row
        self.num_added = len(missing)
        for item_id in sorted(missing):
            yield {"item_id": item_id}


def _write(folder: Path, name: str, table: RowTable, used: set[str]) -> int:
    return _write_rows(folder / f"{name}.parquet", table.columns, _noting_items(table.read(), used))


def _noting_items(rows: Iterable[Row | MalformedLine], used: set[str]) -> Iterator[Row | MalformedLine]:
    for row in rows:
        item_id = None if isinstance(row, MalformedLine) else row.get("item_id")
        if isinstance(item_id, str):
            used.add(item_id)
        yield row


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
