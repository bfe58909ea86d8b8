"""The items that occur in the interactions.

With `input.items: from_interactions` there are no others and the interactions describe them; with `input.catalog:
interactions` they are those of the items table that belong to the catalogue.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import ray

from recsys_platform.data.input import columns, contract
from recsys_platform.data.input.arrow import Mask, flatten, pc, to_mask
from recsys_platform.data.input.contract import Items
from recsys_platform.data.input.datasets import build_dataset
from recsys_platform.data.input.sources import MALFORMED, ROW
from recsys_platform.data.input.table import Table
from recsys_platform.data.input.written import join_parts

ITEM_TEXTS = ("title", "brand", "categories", "price", "description")


def find_item_ids(interactions: Table) -> set[str]:
    """Return the item ids of all interactions; the driver holds distinct ids, as it does those of the items."""
    distinct = partial(_distinct_ids, width=interactions.reading.id_width.get("item_id"))
    ids = build_dataset(interactions).map_batches(
        distinct, batch_size=None, batch_format="pyarrow", zero_copy_batch=True
    )
    return {row["item_id"] for row in ids.iter_rows()}


def read_occurring_items(interactions: Table) -> tuple[Items, int]:
    """Return the items of the interactions, in the order of their ids, and how many have more than one title.

    The driver holds one row an item, a task those of its block.
    """
    describe = partial(describe_items, width=interactions.reading.id_width.get("item_id"))
    blocks = build_dataset(interactions).map_batches(
        describe, batch_size=None, batch_format="pyarrow", zero_copy_batch=True
    )
    return join_descriptions(ray.get(blocks.to_arrow_refs()))


def join_descriptions(blocks: Sequence[pa.Table]) -> tuple[Items, int]:
    """Return the items of all blocks of `describe_items`, by id, and how many have more than one title.

    The first row with an item's title describes the item, the first row with its id where none has a title.
    """
    tables = [block for block in blocks if block.num_rows]
    if not tables:
        return Items(), 0
    rows = _first_rows(join_parts(tables))
    for name in {"title", MALFORMED} - set(rows.column_names):
        rows = rows.append_column(name, pa.nulls(rows.num_rows, pa.string()))
    items = contract.check_items(rows)
    items.rejects = []
    return items, int(pc.sum(rows["#is_ambiguous"]).as_py())


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
        columns={name: [values[index] for index in kept] + [()] * len(added) for name, values in items.columns.items()},
        rejects=items.rejects,
    )
    return restricted, len(items.item_ids) - len(kept), len(added)


def describe_items(block: pa.Table, width: int | None = None) -> pa.Table:
    """Return one row for each item of a block of interactions: its id, its first texts, their row number."""
    texts = [name for name in ITEM_TEXTS if name in block.column_names]
    if block.num_rows == 0:
        return pa.table({"item_id": pa.array([], pa.string())})
    ids = columns.to_ids(block["item_id"], width).values
    has_title = (
        pa.array([title is not None for title in columns.to_prose(block["title"])])
        if "title" in texts
        else pa.array([False] * block.num_rows)
    )
    named = pa.table(
        {"item_id": ids, **{name: block[name] for name in texts}, ROW: block[ROW], "#has_title": has_title}
    )
    named = named.append_column("#is_ambiguous", pa.array([False] * block.num_rows))
    return _first_rows(named.filter(pc.is_valid(named["item_id"])))


def _first_rows(rows: pa.Table) -> pa.Table:
    """Return the row of each item that describes it: the first one with a title, else the first one."""
    rows = rows.sort_by([("item_id", "ascending"), ("#has_title", "descending"), (ROW, "ascending")])
    ids = flatten(rows["item_id"])
    is_first = np.append(True, to_mask(pc.not_equal(ids[1:], ids[:-1]))) if len(ids) else np.zeros(0, dtype=bool)
    ambiguous = _find_ambiguous(rows, np.cumsum(is_first) - 1)
    place = rows.column_names.index("#is_ambiguous")
    return rows.filter(pa.array(is_first)).set_column(place, "#is_ambiguous", pa.array(ambiguous))


def _find_ambiguous(rows: pa.Table, item_N: npt.NDArray[np.int64]) -> Mask:
    """Return which items have titles that differ; a title that is missing does not."""
    ambiguous = np.zeros(item_N[-1] + 1 if len(item_N) else 0, dtype=bool)
    np.logical_or.at(ambiguous, item_N, to_mask(rows["#is_ambiguous"]))
    if "title" in rows.column_names:
        titles = columns.to_prose(rows["title"])
        firsts: dict[int, str] = {}
        for item, title in zip(item_N.tolist(), titles, strict=True):
            if title is not None and firsts.setdefault(item, title) != title:
                ambiguous[item] = True
    return ambiguous


def _distinct_ids(block: pa.Table, width: int | None) -> pa.Table:
    """Return the ids that the contract accepts, once each."""
    ids = columns.to_ids(block["item_id"], width).values if block.num_rows else pa.array([], pa.string())
    return pa.table({"item_id": pc.unique(pc.drop_null(ids))})
