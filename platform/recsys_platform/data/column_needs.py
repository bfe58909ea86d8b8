"""Open all tables of a run, and check that they have the columns that its settings need."""

import dataclasses
import logging

from recsys_model.errors import DataError
from recsys_platform.config.run import RunConfig
from recsys_platform.data.input import contract
from recsys_platform.data.input.open import (
    FROM_INTERACTIONS,
    Tables,
    further_item_columns,
    open_interactions,
    open_items,
    open_users,
)
from recsys_platform.data.input.tables import CountParts, count_in_turn
from recsys_platform.data.task_needs import check_columns

logger = logging.getLogger(__name__)

USED_ITEM_COLUMNS = (*contract.ITEM_REQUIRED, "brand", "categories", "price")


def open_tables(config: RunConfig, count_parts: CountParts = count_in_turn) -> Tables:
    """Open all tables before any work starts, their rows counted by `count_parts`.

    Raises:
        DataError: a table or one of its columns is missing, or a column that a setting needs.
    """
    interactions = open_interactions(config.input, count_parts)
    items = open_items(config.input, count_parts)
    check_columns(config.tasks, interactions)
    check_times(config)
    needed = {"action": interactions, "rating": interactions, "categories": items}
    for name in config.text.behaviour_fields:
        table = needed.get(name)
        if table is not None and name not in table.columns:
            raise DataError(
                f"text.behaviour_fields names {name}, but input.{table.files.table}.path {table.files.path} has no "
                f"such column; map it in input.{table.files.table}.columns or take {name} out"
            )
    item_columns = further_item_columns(config.input)
    wanted = {*USED_ITEM_COLUMNS, *item_fields(config), *item_columns}
    for name in item_fields(config):
        if name not in items.columns:
            logger.warning(
                "entity.fields names %s, but input.items.path %s has no such column; item vectors are built without it",
                name,
                items.files.path,
            )
    used = {ours: theirs for ours, theirs in items.columns.items() if ours in wanted}
    if config.input.items == FROM_INTERACTIONS:
        items = dataclasses.replace(items, files=interactions.files, chunks=interactions.chunks)
    users, features = open_users(config.input, count_parts)
    return Tables(
        interactions=interactions,
        items=dataclasses.replace(items, columns=used),
        users=users,
        features=features,
        item_columns=item_columns,
        items_from_interactions=config.input.items == FROM_INTERACTIONS,
    )


def check_times(config: RunConfig) -> None:
    """Raise if a setting needs times and the interactions have none.

    Raises:
        DataError: it names both settings.
    """
    order = config.input.interactions.order
    needing = [
        *(["data.split: temporal"] if config.data.split == "temporal" else []),
        *(["text.behaviour_fields: time"] if "time" in config.text.behaviour_fields else []),
    ]
    if order != "time" and needing:
        raise DataError(f"{needing[0]} needs times, but input.interactions.order is {order}; change one of them")


def item_fields(config: RunConfig) -> tuple[str, ...]:
    """Return the texts that make the item vectors of the entity head; empty without such a head."""
    return config.entity.fields if config.entity.enabled and config.entity.words else ()
