"""Hold out new items (`data.new_items`): draw items and remove all their events.

Their events are read together with all others, so that order and duplicates are handled alike, and removed from the
sequences before any counting or training. Known items have the first catalogue indices, new items the rest.
`new_item_requests.py` writes the new items.

Shape suffixes: U = users of a bucket, N = their events.
"""

from functools import partial

import numpy as np
import pyarrow as pa
import ray

from recsys_model.errors import DataError
from recsys_platform.data.input.arrow import flatten, pc
from recsys_platform.data.input.contract import Items
from recsys_platform.data.sequences import iter_buckets
from recsys_platform.data.user_sequences import rank_of

MAX_TITLE = 2_000
"""Characters of a title that an endpoint accepts."""


def hold_out(items: Items, share: float, seed: int) -> tuple[Items, Items]:
    """Return the known items, in their order, and the new ones; a share of 0 draws none.

    The draw is by a hash of (seed, item id), independent of the order of the table. Items without a title are not
    drawn, since the text is all that a new item has.

    Raises:
        DataError: too few items have a title, or none would stay.

    Example:
        >>> shop = Items(item_ids=["a", "b", "c"], titles=["Tent", "", "Lamp"], brands=[None] * 3, categories=[()] * 3,
        ...              prices=[None] * 3, descriptions=[None] * 3)
        >>> known_items, new_items = hold_out(shop, 0.5, seed=0)
        >>> sorted([*known_items.item_ids, *new_items.item_ids]), len(new_items.item_ids)
        (['a', 'b', 'c'], 2)
    """
    if share == 0.0:
        return items, Items()
    number = max(1, round(share * len(items.item_ids)))
    eligible = [place for place, title in enumerate(items.titles) if 0 < len(title) <= MAX_TITLE]
    if number > len(eligible) or number >= len(items.item_ids):
        raise DataError(
            f"data.new_items {share:g} asks for {number} of {len(items.item_ids)} items, but {len(eligible)} have a title "
            "and at least one must stay known; lower data.new_items"
        )
    drawn = set(sorted(eligible, key=lambda place: rank_of(seed, items.item_ids[place]))[:number])
    known_items = items.at([place for place in range(len(items.item_ids)) if place not in drawn])
    known_items.rejects = items.rejects
    return known_items, items.at(sorted(drawn))


def drop_new_events(sequences: ray.data.Dataset, num_known: int) -> ray.data.Dataset:
    """Return the sequences, in the layout they have, without events of new items and users who have no other."""
    drop = partial(without_new_events, num_known=num_known)
    return sequences.map_batches(drop, batch_size=None, batch_format="pyarrow", zero_copy_batch=True)


def count_new_events(sequences: ray.data.Dataset, num_known: int) -> int:
    """Return how many events of new items the sequences have, those of catalogue indices from `num_known` on."""
    count = partial(_count_new_events, num_known=num_known)
    rows = sequences.map_batches(count, batch_size=None, batch_format="pyarrow", zero_copy_batch=True).take_all()
    return sum(row["num_events"] for row in rows)


def _count_new_events(block: pa.Table, num_known: int) -> pa.Table:
    items = [flatten(users["items"]).flatten().to_numpy() for _, users, _ in iter_buckets(block)]
    return pa.table({"num_events": [sum(int(np.count_nonzero(items_N >= num_known)) for items_N in items)]})


def without_new_events(block: pa.Table, num_known: int) -> pa.Table:
    """Return a block of buckets with only the events of catalogue indices below `num_known`; rejects stay."""
    if block.num_rows == 0:
        return block
    kept = [_known_events(users, num_known) for _, users, _ in iter_buckets(block)]
    table = pa.concat_tables(kept)
    field = block.schema.field("users")
    struct = list(field.type.value_type)
    values = pa.StructArray.from_arrays([flatten(table[each.name]) for each in struct], fields=struct)
    offsets = np.append(0, np.cumsum([users.num_rows for users in kept]))
    lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values).cast(field.type)
    return block.set_column(block.schema.get_field_index("users"), field, lists)


def _known_events(users: pa.Table, num_known: int) -> pa.Table:
    """Return the users with their events of known items; users without one are dropped."""
    lists = flatten(users["items"])
    lengths_U = pc.list_value_length(lists).to_numpy().astype(np.int64)
    is_known_N = lists.flatten().to_numpy() < num_known
    user_N = np.repeat(np.arange(users.num_rows), lengths_U)
    num_kept_U = np.bincount(user_N[is_known_N], minlength=users.num_rows)
    offsets = pa.array(np.append(0, np.cumsum(num_kept_U)), pa.int32())
    columns = {"user_id": flatten(users["user_id"])}
    for name in users.column_names[1:]:
        columns[name] = pa.ListArray.from_arrays(offsets, flatten(users[name]).flatten().filter(pa.array(is_known_N)))
    return pa.table(columns).cast(users.schema).filter(pa.array(num_kept_U > 0))
