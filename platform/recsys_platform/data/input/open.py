"""Open the tables of a shop, and read those of items and users as a whole.

Items and users are held in memory by the driver; interactions never are.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recsys_model.errors import DataError
from recsys_platform.config.input import InputConfig, TableConfig
from recsys_platform.data.input import contract
from recsys_platform.data.input.contract import Items, Users
from recsys_platform.data.input.labels import refuse_silent_labels
from recsys_platform.data.input.reasons import is_kept
from recsys_platform.data.input.rejects import Reject, summarize
from recsys_platform.data.input.sources import read_whole
from recsys_platform.data.input.table import Table
from recsys_platform.data.input.tables import CountParts, count_in_turn, count_table, find_table
from recsys_platform.data.input.time_sample import with_times

FROM_INTERACTIONS = "from_interactions"
ITEM_COLUMNS = ("title", *contract.ITEM_OPTIONAL)
"""Columns of items next to their id."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tables:
    """The input tables, opened and their columns checked."""

    interactions: Table
    """User, item, time and optional columns."""
    items: Table
    """Id, title and optional columns; those of the interactions if `items_from_interactions`."""
    users: Table | None
    """Id and features, if there is such a table."""
    features: tuple[str, ...]
    """The feature columns of `users` in the texts of the model."""
    item_columns: tuple[str, ...] = ()
    """Columns of `items` for rules, next to those of the contract."""
    items_from_interactions: bool = False
    """Whether there is no table of items."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out of the tables, for the user."""
        tables = [self.interactions, *([] if self.items_from_interactions else [self.items])]
        return tuple(note for table in (*tables, self.users) if table is not None for note in table.notes)


def open_interactions(settings: InputConfig, count_parts: CountParts = count_in_turn) -> Table:
    """Open the interactions.

    Raises:
        DataError: the table or one of its required columns is missing, its times may mean several things, or it tells
            clicks from impressions and `where` does not say which count.
    """
    table = find_interactions(settings)
    refuse_silent_labels(table)
    return with_times(count_table(table, count_parts), settings.interactions)


def find_interactions(settings: InputConfig) -> Table:
    """Check the columns of the interactions without counting rows.

    Raises:
        DataError: the table or one of its required columns is missing.
    """
    config = settings.interactions
    required, optional = columns_by_order(config)
    if settings.items == FROM_INTERACTIONS:
        optional = (*optional, *ITEM_COLUMNS)
    table, _ = find_table("interactions", config, required, optional)
    columns = {ours: theirs for ours, theirs in table.columns.items() if ours not in ITEM_COLUMNS}
    return dataclasses.replace(table, columns=columns)


def open_items(settings: InputConfig, count_parts: CountParts = count_in_turn) -> Table:
    """Open the items; without such a table, the interactions with their columns of items, not yet counted.

    Raises:
        DataError: the table or one of its required columns is missing.
    """
    table = find_items(settings)
    return table if settings.items == FROM_INTERACTIONS else count_table(table, count_parts)


def find_items(settings: InputConfig) -> Table:
    """Check the columns of the items without counting rows.

    Raises:
        DataError: the table or one of its required columns is missing.
    """
    if isinstance(settings.items, TableConfig):
        return _with_item_columns(settings, settings.items)
    config = settings.interactions
    mapped = {ours: theirs for ours, theirs in config.columns.items() if ours in ("item_id", *ITEM_COLUMNS)}
    of_items = dataclasses.replace(config, columns=mapped, order="time")
    return find_table("interactions", of_items, ("item_id",), ITEM_COLUMNS)[0]


def _with_item_columns(settings: InputConfig, config: TableConfig) -> Table:
    """Return the items table with the columns of `input.item_columns`."""
    further = further_item_columns(settings)
    table, found = find_table("items", config, contract.ITEM_REQUIRED, (*contract.ITEM_OPTIONAL, *further))
    lacking = [name for name in further if name not in table.columns]
    if lacking:
        raise DataError(
            f"input.item_columns names {lacking}, but {table.files.where} has no such column; it has {sorted(found.names)}"
        )
    return table


def further_item_columns(settings: InputConfig) -> tuple[str, ...]:
    """Return the columns of `input.item_columns` that are none of the contract, each once."""
    known = (*contract.ITEM_REQUIRED, *contract.ITEM_OPTIONAL)
    return tuple(dict.fromkeys(name for name in settings.item_columns if name not in known))


def open_users(settings: InputConfig, count_parts: CountParts = count_in_turn) -> tuple[Table | None, tuple[str, ...]]:
    """Open the users table with the configured features, or with all its columns; return it and the features.

    Raises:
        DataError: it or one of the features is missing.
    """
    table, features = find_users(settings)
    return (None if table is None else count_table(table, count_parts)), features


def find_users(settings: InputConfig) -> tuple[Table | None, tuple[str, ...]]:
    """Check the columns of the users without counting rows; return the table and the features.

    Raises:
        DataError: it or one of the features is missing.
    """
    wanted = settings.user_features
    if settings.users is None:
        if wanted:
            raise DataError(f"input.user_features names {list(wanted)}, but there is no input.users table")
        return None, ()
    table, _ = find_table("users", settings.users, (*contract.USER_REQUIRED, *(wanted or ())), None)
    features = tuple(name for name in table.columns if name not in contract.USER_REQUIRED) if wanted is None else wanted
    columns = {name: table.columns[name] for name in (*contract.USER_REQUIRED, *features)}
    missed = None if wanted is None else frozenset()
    return dataclasses.replace(table, columns=columns, missed_names=missed), features


def columns_by_order(config: TableConfig) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the required and the optional columns of the interactions, which depend on what orders the events.

    Raises:
        DataError: a column is named that this order does not read.
    """
    unused = {"time": (), "position": ("timestamp",), "rows": ("timestamp", "position")}[config.order]
    named = [name for name in unused if name in config.columns]
    if named:
        raise DataError(
            f"input.interactions.columns names {named}, which input.interactions.order: {config.order} does not read; "
            "take it out, or set order: time"
        )
    required = tuple(name for name in contract.INTERACTION_REQUIRED if name not in unused)
    optional = tuple(name for name in contract.INTERACTION_OPTIONAL if name not in unused)
    return (*required, *(("position",) if config.order == "position" else ())), optional


def read_items(tables: Tables, max_reject_share: float) -> Items:
    """Read and check the items.

    Raises:
        DataError: too many rejects, or no accepted row.
    """
    items = contract.check_items(read_whole(tables.items), tables.items.reading, tables.item_columns)
    _check_rejects("items", items.rejects, tables.items, max_reject_share)
    check_all_rows(tables.items, len(items.item_ids), summarize(items.rejects).counts)
    if not items.item_ids:
        raise DataError(f"input.items.path {tables.items.files.path} has no accepted row")
    return items


def read_users(tables: Tables, max_reject_share: float) -> Users:
    """Read and check the users; empty without a users table.

    Raises:
        DataError: too many rejects.
    """
    if tables.users is None:
        return Users()
    users = contract.check_users(read_whole(tables.users), tables.features, tables.users.reading)
    _check_rejects("users", users.rejects, tables.users, max_reject_share)
    check_all_rows(tables.users, len(users.user_ids), summarize(users.rejects).counts)
    return users


def check_all_rows(table: Table, num_accepted: int, rejects: Mapping[str, int]) -> None:
    """Raise unless every row of a table was accepted or rejected.

    Args:
        table: The table, whose rows were counted when it was opened.
        num_accepted: Rows that were accepted.
        rejects: Reason -> rows; those that only lose a value are accepted too.

    Raises:
        DataError: the numbers differ.
    """
    num_rejected = sum(number for reason, number in rejects.items() if not is_kept(reason))
    if num_accepted + num_rejected != table.num_rows:
        raise DataError(
            f"{table.files.where} has {table.num_rows} rows, but {num_accepted} were accepted and {num_rejected} rejected. "
            "Rows were lost or read twice, which is a fault of this program or of a file that changed; nothing was written"
        )


def _check_rejects(name: str, rejects: Sequence[Reject], table: Table, max_share: float) -> None:
    summarize(rejects).check_share(name, table.num_rows, max_share)
