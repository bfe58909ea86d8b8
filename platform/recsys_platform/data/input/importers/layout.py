"""How the records of a format become rows: declared as data, read by one function.

A `Layout` names the columns of one table and the fields that they come from. A `Part` tells which files of a folder have
these records. `find_parts` builds the source of a format that consists of such parts.
"""

import fnmatch
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from recsys_model.errors import DataError
from recsys_platform.data.input.importers.folder import DELIMITED_ENDINGS, SourceFolder, base_name
from recsys_platform.data.input.importers.lines import Dialect, iter_delimited, iter_objects
from recsys_platform.data.input.importers.source import Entry, LeftOut, Row, RowTable, Source, Value
from recsys_platform.data.input.importers.values import to_labels, to_text
from recsys_platform.data.input.listing import ending_of
from recsys_platform.data.input.records import MalformedLine

Record: TypeAlias = dict[str, Any]
Rows: TypeAlias = Iterable[Record | LeftOut]
NO_TIMES = (
    "the files have no times: an event's place in its sequence stands for seconds, so all are short-term behaviour"
)
ROWS_PER_BATCH = 65536
KEYS = ("user_id", "item_id", "timestamp")
"""Columns by which a line shows that it is a row."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """Where the values of a column come from."""

    fields: tuple[str, ...]
    """Fields of a record; the first one with a value is taken."""
    read: Callable[[Any], Value] = to_text
    """Makes a value of our tables of the field's value."""


def column(*fields: str, read: Callable[[Any], Value] = to_text) -> Column:
    """Return a column that takes the first of these fields that has a value."""
    return Column(fields=fields, read=read)


def default_reader(ours: str) -> Callable[[Any], Value]:
    """Return the reader of a column that a format does not have itself."""
    return to_labels if ours == "categories" else to_text


def one_row(record: Record) -> Rows:
    """Return a record as the only row of itself."""
    return (record,)


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """How records become rows of one table."""

    columns: Mapping[str, Column]
    """Our name -> where its values come from. Interactions without `timestamp` are ordered as the files have them."""
    rows: Callable[[Record], Rows] = one_row
    """Returns the rows of a record, under the names of its fields, and what does not count."""
    added: frozenset[str] = frozenset()
    """Fields that `rows` adds to those of the file."""
    dialect: Dialect | None = None
    """Of a delimited file without a header; None goes by the file's header."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """The files of a folder that hold one table."""

    layout: Layout
    """How their records become rows."""
    marks: frozenset[str] = frozenset()
    """Fields that a file must have."""
    pattern: str = "*"
    """Its name, as a shell pattern; compression endings are not part of it."""
    takes_many: bool = False
    """Whether several files are one table; else several are an error."""

    def find(self, folder: SourceFolder) -> list[str]:
        """Return the names of the files that have the marks."""
        names = [name for name in folder.names if fnmatch.fnmatch(_plain_name(name), self.pattern)]
        return [name for name in names if self.marks <= set(folder.fields(name))] if self.marks else names


def find_parts(
    folder: SourceFolder,
    interactions: Part,
    items: Part | None = None,
    users: Part | None = None,
    *,
    keeps_unused_items: bool = False,
    notes: Sequence[str] = (),
    counts_seconds: bool = False,
) -> Source | None:
    """Return the source of a folder whose files have the marks of these parts, None without interactions.

    `counts_seconds` says that the times of the format are seconds from a start of their own.

    Raises:
        DataError: a part has several files where the format has one, or `input.*.columns` names a field that they lack.
    """
    parts = {"interactions": interactions, "items": items, "users": users}
    names = {table: part.find(folder) if part is not None else [] for table, part in parts.items()}
    if not names["interactions"]:
        return None
    for table, part in parts.items():
        if part is not None and not part.takes_many:
            require_one(folder, table, names[table])
    tables = {
        table: build_table(folder, table, names[table], part.layout)
        for table, part in parts.items()
        if part is not None and names[table]
    }
    has_named_times = "timestamp" in folder.columns.get("interactions", {})
    has_times = "timestamp" in interactions.layout.columns or has_named_times
    marks = ", ".join(sorted(interactions.marks)) or interactions.pattern
    return Source(
        why=f"{names['interactions'][0]} has {marks}",
        files=tuple(name for group in names.values() for name in group),
        interactions=tables["interactions"],
        items=tables.get("items"),
        users=tables.get("users"),
        keeps_unused_items=keeps_unused_items,
        notes=(*notes, *(() if has_times else (NO_TIMES,))),
        counts_seconds=not has_times or (counts_seconds and not has_named_times),
        takes_columns=True,
    )


def require_one(folder: SourceFolder, table: str, names: Sequence[str]) -> None:
    """Raise if there are several files of a table.

    Raises:
        DataError: the files, and what to do.
    """
    if len(names) > 1:
        raise DataError(
            f"input.folder {folder.path} must have one file of {table}, got {list(names)}; move the others away"
        )


def build_table(folder: SourceFolder, table: str, names: Sequence[str], layout: Layout) -> RowTable:
    """Return the table of these files, read one after the other.

    Raises:
        DataError: `input.*.columns` names a field that the files lack.
    """
    columns = dict(layout.columns) | _named_columns(folder, table, names, layout)
    is_ordered = table == "interactions" and "timestamp" not in columns

    def read() -> Iterator[Entry]:
        entries = _read_entries(folder, names, layout, columns)
        return with_places(entries) if is_ordered else entries

    return RowTable(columns=(*columns, *(("timestamp", "position") if is_ordered else ())), read=read)


def with_places(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Give each row its place among those of its user, as time and as position."""
    places: dict[Value, int] = defaultdict(int)
    for entry in entries:
        if not isinstance(entry, (MalformedLine, LeftOut)):
            user = str(entry.get("user_id"))
            entry = {**entry, "timestamp": str(places[user]), "position": str(places[user])}
            places[user] += 1
        yield entry


def read_records(
    folder: SourceFolder, name: str, dialect: Dialect | None = None, keys: Sequence[str] = ()
) -> Iterator[Record | MalformedLine]:
    """Yield the records of a file: delimited, Parquet, or lines of objects, by its ending or by the given dialect.

    `keys` are the fields of ids and times of a delimited file.
    """
    ending = ending_of(name)
    if dialect is not None or ending in DELIMITED_ENDINGS:
        return iter_delimited(folder.read_raw_lines(name), dialect or folder.dialect(name), keys)
    return _read_parquet(folder, name) if ending == ".parquet" else iter_objects(folder.read_lines(name))


def _read_parquet(folder: SourceFolder, name: str) -> Iterator[Record]:
    with folder.open_parquet(name) as file:
        for batch in file.iter_batches(ROWS_PER_BATCH):
            yield from batch.to_pylist()


def _read_entries(
    folder: SourceFolder, names: Sequence[str], layout: Layout, columns: Mapping[str, Column]
) -> Iterator[Entry]:
    sources = [(ours, source.fields[0], source.fields[1:], source.read) for ours, source in columns.items()]
    keys = [field for ours in KEYS if ours in columns for field in columns[ours].fields]
    for name in names:
        for record in read_records(folder, name, layout.dialect, keys):
            if isinstance(record, MalformedLine):
                yield record
            else:
                for row in layout.rows(record):
                    yield row if isinstance(row, LeftOut) else _to_row(row, sources)


def _to_row(record: Record, sources: Sequence[tuple[str, str, tuple[str, ...], Callable[[Any], Value]]]) -> Row:
    """Return the row of (our name, first field, further fields, reader) of each column."""
    row: Row = {}
    for ours, first, further, read in sources:
        value = record.get(first)
        row[ours] = read(_first_value(record, further) if further and _is_missing(value) else value)
    return row


def _first_value(record: Record, fields: Sequence[str]) -> Any:
    return next((record[name] for name in fields if not _is_missing(record.get(name))), None)


def _is_missing(value: Any) -> bool:
    return value is None or value == "" or value == []


def _named_columns(folder: SourceFolder, table: str, names: Sequence[str], layout: Layout) -> dict[str, Column]:
    """Return the columns that `input.*.columns` takes from other fields; they keep their readers."""
    fields = set(layout.dialect.names) if layout.dialect else {field for name in names for field in folder.fields(name)}
    named = folder.columns.get(table, {})
    lacking = sorted(set(named.values()) - fields - layout.added)
    if lacking:
        raise DataError(
            f"input.{table}.columns names {lacking}, but {list(names)} in input.folder {folder.path} have {sorted(fields)}"
        )
    return {
        ours: Column(
            fields=(theirs,), read=layout.columns[ours].read if ours in layout.columns else default_reader(ours)
        )
        for ours, theirs in named.items()
    }


def _plain_name(name: str) -> str:
    return base_name(name).removesuffix(".gz")


def read_map(folder: SourceFolder, marks: frozenset[str], key: str, value: str) -> dict[str, str]:
    """Return key -> value of the first file whose records have these fields, empty without one; for small files."""
    name = next((name for name in folder.names if marks <= set(folder.fields(name))), None)
    records = read_records(folder, name) if name is not None else ()
    return {
        str(record[key]): str(record[value])
        for record in records
        if not isinstance(record, MalformedLine) and record.get(key) is not None and record.get(value) is not None
    }
