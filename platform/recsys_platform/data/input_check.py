"""Look at a sample of a run's tables: what each column is taken for, examples, and every doubt (`recsys data --check`).

Nothing is written and no Ray is started. The first rows of up to 16 files of each table are read and judged by the
contract that also judges all rows; a row that it would reject is a doubt.
"""

import dataclasses
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from recsys_model.errors import DataError
from recsys_platform.config.input import InputConfig, TableConfig
from recsys_platform.config.run import RunConfig
from recsys_platform.data.input import contract
from recsys_platform.data.input.csv_records import describe_layout
from recsys_platform.data.input.found_columns import look_at_columns
from recsys_platform.data.input.importers.folder import open_folder
from recsys_platform.data.input.importers.importing import named_columns, use_tables
from recsys_platform.data.input.importers.recognition import recognise
from recsys_platform.data.input.importers.source import LeftOut, RowTable, Source
from recsys_platform.data.input.labels import find_silent_labels
from recsys_platform.data.input.open import find_interactions, find_items, find_users
from recsys_platform.data.input.plain import to_plain_table
from recsys_platform.data.input.reading import Reading
from recsys_platform.data.input.sampling import take_sample, with_sampled_times
from recsys_platform.data.input.sources import MALFORMED, ROW
from recsys_platform.data.input.table import Table
from recsys_platform.data.input.text_lines import MalformedLine
from recsys_platform.data.sample_doubts import (
    Place,
    find_id_doubts,
    judge_interactions,
    judge_items,
    judge_users,
    name_row,
)
from recsys_platform.values.time_recognition import recognise_times

SAMPLE_ROWS = 1000
NUM_EXAMPLES = 3
MAX_CHARACTERS = 40
NOT_READ = "not read"


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnLook:
    """What a column is taken for."""

    role: str
    """Our name of it, `feature` and its name, or `not read`."""
    name: str
    """Its name in the table."""
    examples: tuple[str, ...]
    """Its first different values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TableLook:
    """A table by its first rows."""

    table: str
    """`interactions`, `items` or `users`."""
    source: str
    """Where it is, and how it is read."""
    num_rows: int
    """Rows looked at."""
    columns: tuple[ColumnLook, ...]
    """Its columns."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InputLook:
    """The tables of a run by their first rows."""

    source: str
    """How the tables were named or recognised."""
    tables: tuple[TableLook, ...]
    """Those that could be read."""
    notes: tuple[str, ...]
    """What is left out."""
    doubts: tuple[str, ...]
    """What may not be meant so."""
    errors: tuple[str, ...]
    """What stops the data stage."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return dataclasses.asdict(self)


@dataclass(slots=True)
class _Findings:
    """What was found so far."""

    looks: list[TableLook] = dataclasses.field(default_factory=list)
    blocks: dict[str, pa.Table] = dataclasses.field(default_factory=dict)
    readings: dict[str, Reading] = dataclasses.field(default_factory=dict)
    places: dict[str, Place] = dataclasses.field(default_factory=dict)
    whole: set[str] = dataclasses.field(default_factory=set)
    features: tuple[str, ...] = ()
    notes: list[str] = dataclasses.field(default_factory=list)
    doubts: list[str] = dataclasses.field(default_factory=list)
    errors: list[str] = dataclasses.field(default_factory=list)


def check_input(config: RunConfig) -> InputLook:
    """Look at the tables of a run, or at those of its folder; what is wrong is listed, not raised.

    Raises:
        DataError: `input.folder` cannot be read or recognised.
    """
    found = _Findings()
    settings, why, source = config.input, "the tables that input.interactions, input.items and input.users name", None
    if settings.folder is not None:
        folder = open_folder(settings.folder, named_columns(settings))
        name, folder, source = recognise(folder, settings.format)
        why = f"{settings.folder} as {name}" + (f": {source.why}" if source is not None else "")
        settings = settings if source is not None else use_tables(settings, folder)[0]
    if source is not None:
        _look_at_source(source, found)
    else:
        _look_at_tables(settings, found)
    interactions = settings.interactions
    if source is not None and source.counts_seconds:
        interactions = dataclasses.replace(interactions, time_unit="s")
    _judge(found, interactions, settings.max_reject_share)
    return InputLook(
        source=why,
        tables=tuple(found.looks),
        notes=tuple(found.notes),
        doubts=tuple(found.doubts),
        errors=tuple(found.errors),
    )


def _judge(found: _Findings, interactions: TableConfig, max_share: float) -> None:
    """Add what the contract says about the rows."""
    blocks, readings, places = found.blocks, found.readings, defaultdict(lambda: name_row, found.places)
    if "interactions" in blocks:
        notes, doubts = judge_interactions(
            blocks["interactions"], readings["interactions"], interactions, max_share, places["interactions"]
        )
        found.notes += notes
        found.doubts += doubts
    if "items" in blocks and "title" in blocks["items"].column_names:
        found.doubts += judge_items(blocks["items"], readings["items"], max_share, places["items"])
    try:
        if "users" in blocks:
            users = blocks["users"]
            found.doubts += judge_users(users, found.features, readings["users"], max_share, places["users"])
    except DataError as error:
        found.errors.append(str(error))
    found.doubts += find_id_doubts(blocks, readings, found.whole)


def _look_at_tables(settings: InputConfig, found: _Findings) -> None:
    def users() -> Table | None:
        table, found.features = find_users(settings)
        return table

    finders: dict[str, Callable[[], Table | None]] = {
        "interactions": lambda: with_sampled_times(find_interactions(settings), settings.interactions),
        "items": lambda: find_items(settings),
        "users": users,
    }
    for name, find in finders.items():
        try:
            table = find()
            if table is not None:
                _look_at_table(name, table, found)
        except DataError as error:
            found.errors.append(str(error))


def _look_at_table(name: str, table: Table, found: _Findings) -> None:
    sample = take_sample(table, SAMPLE_ROWS)
    block = sample.block
    features = found.features if name == "users" else ()
    columns = [_look_at_column(ours, theirs, block, features) for ours, theirs in table.columns.items()]
    if name == table.files.table:
        read = {theirs.split(".")[0] for theirs in (*table.columns.values(), *table.shape.columns)}
        others = (other for other in look_at_columns(table.files).names if other and other not in read)
        columns += [ColumnLook(role=NOT_READ, name=other, examples=()) for other in others]
    if name == "interactions":
        found.errors += [_label_error(label) for label in find_silent_labels(table)]
    layout = f", {describe_layout(table.files.layout)}" if table.files.format == "csv" else ""
    source = ", ".join(filter(None, (table.files.path, f"{table.files.format}{layout}", sample.describe())))
    found.looks.append(TableLook(table=name, source=source, num_rows=block.num_rows, columns=tuple(columns)))
    found.notes += [note for note in table.notes if note not in found.notes]
    found.blocks[name], found.readings[name], found.places[name] = block, table.reading, sample.place
    found.whole |= {name} if sample.is_whole else set()


def _label_error(name: str) -> str:
    return (
        f"interactions: the column {name} has the values 0 and 1, as impressions that were clicked or not; "
        f"input.interactions.where says which rows count, `{name} == 1` or `{name} in (0, 1)`"
    )


def _look_at_source(source: Source, found: _Findings) -> None:
    tables = {"interactions": source.interactions, "items": source.items, "users": source.users}
    found.notes += source.notes
    for name, table in tables.items():
        if table is None:
            continue
        try:
            block, left_out = _read_rows(table)
            reading = _reading_of(name, block, source)
        except DataError as error:
            found.errors.append(str(error))
            continue
        total = block.num_rows + left_out.total()
        found.notes += [
            f"{number} of the first {total} records are no rows of the {name} table: {reason}"
            for reason, number in left_out.items()
        ]
        features = [column for column in table.columns if name == "users" and column not in contract.USER_REQUIRED]
        found.features = tuple(features) or found.features
        columns = tuple(_look_at_column(ours, ours, block, features) for ours in table.columns)
        look = TableLook(table=name, source=", ".join(source.files), num_rows=block.num_rows, columns=columns)
        found.looks.append(look)
        found.blocks[name], found.readings[name] = block, reading
        found.whole |= {name} if total < SAMPLE_ROWS else set()


def _reading_of(name: str, block: pa.Table, source: Source) -> Reading:
    """Return how the times of an imported table are read."""
    if name != "interactions" or source.counts_seconds:
        return Reading()
    return Reading(times=recognise_times(block["timestamp"].drop_null().to_pylist(), "input.interactions"))


def _read_rows(table: RowTable) -> tuple[pa.Table, Counter[str]]:
    """Return the rows among the first records of an importer as a block, and the reasons of the other records."""
    entries = list(itertools.islice(table.read(), SAMPLE_ROWS))
    left_out = Counter(entry.reason for entry in entries if isinstance(entry, LeftOut))
    rows = [entry for entry in entries if not isinstance(entry, LeftOut)]
    records: list[Mapping[str, Any]] = [{} if isinstance(row, MalformedLine) else row for row in rows]
    kinds = {"categories": pa.list_(pa.string())}
    columns = {
        name: pa.array([record.get(name) for record in records], kinds.get(name, pa.string())) for name in table.columns
    }
    malformed = [row.text if isinstance(row, MalformedLine) else None for row in rows]
    block = pa.table(
        columns | {MALFORMED: pa.array(malformed, pa.string()), ROW: pa.array(range(len(rows)), pa.int64())}
    )
    return to_plain_table(block, {}, "the imported rows"), left_out


def _look_at_column(ours: str, theirs: str, block: pa.Table, features: Sequence[str]) -> ColumnLook:
    role = f"feature {ours}" if ours in features else ours
    return ColumnLook(role=role, name=theirs, examples=tuple(itertools.islice(_examples(block, ours), NUM_EXAMPLES)))


def _examples(block: pa.Table, name: str) -> Iterator[str]:
    """Yield different values of a column as text."""
    told = set()
    for value in block[name].to_pylist():
        text = str(value) if value is not None else ""
        text = text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}..."
        if text and text not in told:
            told.add(text)
            yield text
