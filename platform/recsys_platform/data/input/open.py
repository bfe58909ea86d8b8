"""Open the tables of a shop, and read those of items and users as a whole.

Items and users are held in memory by the driver; interactions never are.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from recsys_model.errors import DataError
from recsys_platform.config.input import InputConfig
from recsys_platform.data.input import contract
from recsys_platform.data.input.contract import Items, Users
from recsys_platform.data.input.rejects import Reject, summarize
from recsys_platform.data.input.sources import read_whole
from recsys_platform.data.input.tables import Table, open_table
from recsys_platform.data.input.time_sample import with_times


@dataclass(frozen=True, kw_only=True, slots=True)
class Tables:
    """The input tables, opened and their columns checked."""

    interactions: Table
    """User, item, time and optional columns."""
    items: Table
    """Id, title and optional columns."""
    users: Table | None
    """Id and features, if there is such a table."""
    features: tuple[str, ...]
    """The feature columns of `users` in the texts of the model."""


def open_interactions(settings: InputConfig) -> Table:
    """Open the interactions, and recognise how their times are written.

    Raises:
        DataError: the table or one of its required columns is missing, or its times may mean several things.
    """
    table = open_table(
        "interactions", settings.interactions, contract.INTERACTION_REQUIRED, contract.INTERACTION_OPTIONAL
    )
    return with_times(table, settings.interactions)


def open_items(settings: InputConfig) -> Table:
    """Open the items.

    Raises:
        DataError: the table or one of its required columns is missing.
    """
    return open_table("items", settings.items, contract.ITEM_REQUIRED, contract.ITEM_OPTIONAL)


def open_users(settings: InputConfig) -> tuple[Table | None, tuple[str, ...]]:
    """Open the users table with the configured features, or with all its columns; return it and the features.

    Raises:
        DataError: it or one of the features is missing.
    """
    wanted = settings.user_features
    if settings.users is None:
        if wanted:
            raise DataError(f"input.user_features names {list(wanted)}, but there is no input.users table")
        return None, ()
    table = open_table("users", settings.users, (*contract.USER_REQUIRED, *(wanted or ())), None)
    features = tuple(name for name in table.columns if name not in contract.USER_REQUIRED) if wanted is None else wanted
    columns = {name: table.columns[name] for name in (*contract.USER_REQUIRED, *features)}
    return dataclasses.replace(table, columns=columns), features


def read_items(tables: Tables, max_reject_share: float) -> Items:
    """Read and check the items.

    Raises:
        DataError: too many rejects, or no accepted row.
    """
    items = contract.check_items(read_whole(tables.items), tables.items.reading)
    _check_rejects("items", items.rejects, tables.items, max_reject_share)
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
    return users


def _check_rejects(name: str, rejects: Sequence[Reject], table: Table, max_share: float) -> None:
    summarize(rejects).check_share(name, table.num_rows, max_share)
