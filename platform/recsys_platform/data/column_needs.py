"""Open all tables of a run, and check that they have the columns that its settings need."""

import dataclasses
import logging

from recsys_model.errors import DataError
from recsys_model.text.task_sampling import trained_families
from recsys_platform.config.run import RunConfig
from recsys_platform.data.input import contract
from recsys_platform.data.input.open import Tables, open_interactions, open_items, open_users
from recsys_platform.data.task_needs import check_columns

logger = logging.getLogger(__name__)

USED_ITEM_COLUMNS = (*contract.ITEM_REQUIRED, "brand", "categories")


def open_tables(config: RunConfig) -> Tables:
    """Open all tables before any work starts.

    Raises:
        DataError: a table or one of its columns is missing, or a column that a setting needs.
    """
    interactions, items = open_interactions(config.input), open_items(config.input)
    check_columns(config.tasks, interactions)
    needed = {"action": interactions, "rating": interactions, "categories": items}
    for name in config.text.behaviour_fields:
        table = needed.get(name)
        if table is not None and name not in table.columns:
            raise DataError(
                f"text.behaviour_fields names {name}, but input.{table.files.table}.path {table.files.path} has no "
                f"such column; map it in input.{table.files.table}.columns or take {name} out"
            )
    wanted = {*USED_ITEM_COLUMNS, *(("price",) if trained_families(config.tasks) else ()), *item_fields(config)}
    for name in item_fields(config):
        if name not in items.columns:
            logger.warning(
                "entity.fields names %s, but input.items.path %s has no such column; item vectors are built without it",
                name,
                items.files.path,
            )
    used = {ours: theirs for ours, theirs in items.columns.items() if ours in wanted}
    users, features = open_users(config.input)
    return Tables(
        interactions=interactions,
        items=dataclasses.replace(items, columns=used),
        users=users,
        features=features,
    )


def item_fields(config: RunConfig) -> tuple[str, ...]:
    """Return the texts that make the item vectors of the entity head; empty without such a head."""
    return config.entity.fields if config.entity.enabled and config.entity.words else ()
