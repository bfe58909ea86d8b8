"""RecBole's atomic files: NAME.inter, and NAME.item and NAME.user where they exist.

The header gives each field a type: `token` (an id or one value), `token_seq` (several values), `float`, `float_seq`. Field
names are free: those of RecBole's conversion tools are known (`recbole_fields.py`), others are named in `input.*.columns`.
Rows with `label` 0 are impressions that were not clicked. NAME.train.inter, NAME.valid.inter and NAME.test.inter are one
table; with `item_id_list` their rows repeat the history of a user.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from recsys_model.errors import DataError
from recsys_platform.data.input.importers.folder import SourceFolder
from recsys_platform.data.input.importers.formats import Format
from recsys_platform.data.input.importers.layout import (
    NO_TIMES,
    Column,
    Layout,
    Record,
    Rows,
    build_table,
    read_records,
)
from recsys_platform.data.input.importers.prefixes import Step, iter_events
from recsys_platform.data.input.importers.recbole_fields import INTERACTION_FIELDS, choose_columns
from recsys_platform.data.input.importers.recbole_tables import (
    TAB,
    atomic_dialect,
    describe_unread,
    describe_unread_items,
    read_header,
    read_items,
    read_users,
    require_columns,
    unquoted,
)
from recsys_platform.data.input.importers.source import LeftOut, RowTable, Source, Value
from recsys_platform.data.input.importers.values import seconds_from, to_text
from recsys_platform.data.input.records import MalformedLine

SPLITS = (".train", ".valid", ".test")
HISTORY = "item_id_list"
LABEL = "label"
NOT_CLICKED = LeftOut("impressions that were not clicked (label 0)")
REMOVED = LeftOut("removals from a cart")
UNIT_TO_MIN = {1000: 1e11, 1_000_000: 1e14}
"""Units of a second, and the smallest time that is taken for one: seconds of the year 5138."""
SAMPLED_ROWS = 100


def find_recbole(folder: SourceFolder) -> Source | None:
    """Return the source if the folder has a `.inter` file.

    Raises:
        DataError: it has several that are not one table, or one without user or item.
    """
    names = [name for name in folder.names if name.endswith(".inter")]
    if not names:
        return None
    stem = _stem_of(folder, names)
    if f"{stem}.inter.json" in folder.names:
        # LC-Rec's splits repeat the sequences of that file
        return None
    names.sort(key=lambda name: [split in name for split in SPLITS], reverse=True)
    header = read_header(folder, names[0])
    item_name, user_name = (_find_beside(folder, stem, ending) for ending in (".item", ".user"))
    columns = _interaction_columns(folder, names[0], header)
    has_times = "timestamp" in columns and HISTORY not in header
    item_field = columns["item_id"].fields[0]
    return Source(
        why=f"{names[0]} is an atomic file whose first field is {next(folder.read_lines(names[0])).split(TAB)[0]}",
        files=(*names, *(name for name in (item_name, user_name) if name is not None)),
        interactions=_interactions(folder, names, header, columns),
        items=None if item_name is None else read_items(folder, item_name, item_field),
        users=None if user_name is None else read_users(folder, user_name, columns["user_id"].fields[0]),
        keeps_unused_items=True,
        notes=(
            *(() if has_times else (NO_TIMES,)),
            *describe_unread(names[0], header, columns, (LABEL, HISTORY)),
            *(describe_unread_items(folder, item_name, item_field) if item_name is not None else ()),
        ),
        counts_seconds=not has_times,
        takes_columns=True,
    )


def _stem_of(folder: SourceFolder, names: list[str]) -> str:
    """Return the name of the data set: of its only `.inter` file, or of the three splits of one."""
    stems = {name.removesuffix(".inter") for name in names}
    if len(stems) == 1:
        stem = stems.pop()
        return next((stem.removesuffix(split) for split in SPLITS if stem.endswith(split)), stem)
    roots = {stem.removesuffix(split) for stem in stems for split in SPLITS if stem.endswith(split)}
    if len(roots) > 1 or not all(stem.endswith(SPLITS) for stem in stems):
        raise DataError(f"input.folder {folder.path} must have one .inter file, got {names}; move the others away")
    return roots.pop()


def _find_beside(folder: SourceFolder, stem: str, ending: str) -> str | None:
    """Return the file of items or users that belongs to interactions: of the same name, or of its first words."""
    names = [name for name in folder.names if name.endswith(ending)]
    fitting = [name for name in names if re.fullmatch(f"{re.escape(name.removesuffix(ending))}([-_.].*)?", stem)]
    return max(fitting, key=len, default=None)


def _interaction_columns(folder: SourceFolder, name: str, header: Mapping[str, str]) -> dict[str, Column]:
    names = INTERACTION_FIELDS | {ours: (theirs,) for ours, theirs in folder.columns.get("interactions", {}).items()}
    columns = choose_columns(names, header, {})
    required = {ours: names[ours] for ours in ("user_id", "item_id")}
    require_columns(folder, "interactions", name, header, columns, required)
    times = columns.get("timestamp")
    if times is not None:
        columns["timestamp"] = replace(times, read=_time_reader(folder, name, header, times.fields[0]))
    return columns


def _time_reader(folder: SourceFolder, name: str, header: Mapping[str, str], field: str) -> Callable[[Any], Value]:
    """Return the reader of times in the unit that the first rows show."""
    times: list[float] = []
    for record, _ in zip(read_records(folder, name, atomic_dialect(header)), range(SAMPLED_ROWS), strict=False):
        value = None if isinstance(record, MalformedLine) else record.get(field)
        if value is not None and value.replace(".", "").isdigit():
            times.append(float(value))
    units = [unit for unit, least in UNIT_TO_MIN.items() if times and min(times) >= least]
    return seconds_from(max(units)) if units else to_text


def _interactions(
    folder: SourceFolder, names: list[str], header: dict[str, str], columns: dict[str, Column]
) -> RowTable:
    for name in names[1:]:
        if list(read_header(folder, name)) != list(header):
            raise DataError(
                f"{name} in input.folder {folder.path} must have the fields of {names[0]}, {list(header)}, got "
                f"{list(read_header(folder, name))}; make them equal or move it away"
            )
    if HISTORY in header:
        steps = partial(_read_steps, folder, names, header, columns)
        return RowTable(columns=("user_id", "item_id", "timestamp", "position"), read=lambda: iter_events(steps()))
    return build_table(
        folder, "interactions", names, Layout(columns=columns, rows=_counted_rows, dialect=atomic_dialect(header))
    )


def _counted_rows(record: Record) -> Rows:
    """Return the row of a record unless it is an impression without a click or a removal."""
    label = record.get(LABEL)
    if label is not None and label.replace(".", "").strip("0") == "":
        return (NOT_CLICKED,)
    return (REMOVED if record.get("event") == "remove_from_cart" else unquoted(record),)


def _read_steps(
    folder: SourceFolder, names: list[str], header: Mapping[str, str], columns: Mapping[str, Column]
) -> Iterator[Step | MalformedLine]:
    user, item = columns["user_id"].fields[0], columns["item_id"].fields[0]
    for name in names:
        for record in read_records(folder, name, atomic_dialect(header)):
            if isinstance(record, MalformedLine) or record[user] is None or record[item] is None:
                yield record if isinstance(record, MalformedLine) else MalformedLine(str(record))
            else:
                yield record[user], str(record[HISTORY] or "").split(), record[item]


FORMAT = Format(
    name="recbole",
    title="RecBole atomic files",
    marks="NAME.inter with a header such as user_id:token, tabs between fields",
    reads="interactions, items and users by the field names of RecBole's converters, others by input.*.columns; NAME.train.inter, NAME.valid.inter and NAME.test.inter are one table",
    leaves_out="rows with label 0; removals from a cart; further rows of an item; fields without a column of ours",
    find=find_recbole,
)
