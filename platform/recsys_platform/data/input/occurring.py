"""Restrict the catalogue to the items of the interactions (`input.catalog: interactions`)."""

from functools import partial

import pyarrow as pa

from recsys_platform.data.input import columns
from recsys_platform.data.input.arrow import pc
from recsys_platform.data.input.contract import Items
from recsys_platform.data.input.sources import build_dataset
from recsys_platform.data.input.tables import Table


def find_item_ids(interactions: Table) -> set[str]:
    """Return the item ids of all interactions; the driver holds distinct ids, as it does those of the items."""
    width = interactions.reading.id_width.get("item_id")
    ids = build_dataset(interactions).map_batches(
        partial(_distinct_ids, width=width), batch_size=None, batch_format="pyarrow", zero_copy_batch=True
    )
    return {row["item_id"] for row in ids.iter_rows()}


def restrict_items(items: Items, item_ids: set[str]) -> tuple[Items, int, int]:
    """Return exactly the given items: those of the table in its order, then the others by id, without a title.

    Returns:
        The items, how many were left out, and how many were added.
    """
    kept = [index for index, item_id in enumerate(items.item_ids) if item_id in item_ids]
    added = sorted(item_ids - set(items.item_ids))
    restricted = Items(
        item_ids=[items.item_ids[index] for index in kept] + added,
        titles=[items.titles[index] for index in kept] + [""] * len(added),
        brands=[items.brands[index] for index in kept] + [None] * len(added),
        categories=[items.categories[index] for index in kept] + [()] * len(added),
        prices=[items.prices[index] for index in kept] + [None] * len(added),
        descriptions=[items.descriptions[index] for index in kept] + [None] * len(added),
        rejects=items.rejects,
    )
    return restricted, len(items.item_ids) - len(kept), len(added)


def _distinct_ids(block: pa.Table, width: int | None) -> pa.Table:
    """Return the ids that the contract accepts, once each."""
    if block.num_rows == 0:
        return pa.table({"item_id": pa.array([], pa.string())})
    ids = columns.to_ids(block["item_id"], width)
    usable = ids.values.filter(pa.array(~(ids.is_inexact | ids.is_nested)))
    return pa.table({"item_id": pc.unique(pc.drop_null(usable))})
