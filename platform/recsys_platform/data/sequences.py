"""Group checked interactions into one sequence per user.

Rows are shuffled by `bucket`, a hash of the user. Its range depends on the number of rows alone, so the output files do
not depend on the number of blocks. The output has one row per bucket, with the bucket's users and rejects as lists of
structs: a row is never split, whatever Ray Data does to blocks.

`tie_order` defines the order of a user's events.
"""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import ray

from recsys_platform.data.input.arrow import flatten, pc, to_mask
from recsys_platform.data.input.contract import CHECKED_REVIEWS_SCHEMA, CHECKED_SCHEMA, check_interactions
from recsys_platform.data.input.datasets import build_dataset
from recsys_platform.data.input.reading import Reading
from recsys_platform.data.input.rejects import to_json
from recsys_platform.data.input.table import Table
from recsys_platform.data.tie_order import order_events

ROWS_PER_BUCKET = 25_000
MAX_BUCKETS = 1024
ROWS_PER_PARTITION = 500_000
PARTITIONS_PER_CPU = 2
DUPLICATE_KEYS = ("user_id", "item", "timestamp", "position", "details")

USER = pa.struct(
    [
        ("user_id", pa.string()),
        ("items", pa.list_(pa.int32())),
        ("timestamps", pa.list_(pa.float64())),
        ("ratings", pa.list_(pa.float64())),
        ("actions", pa.list_(pa.string())),
    ]
)
"""One user's accepted interactions in order."""
REVIEWED_USER = pa.struct([*USER, ("reviews", pa.list_(pa.large_string())), ("summaries", pa.list_(pa.large_string()))])
"""The same with reviews and summaries, null if the user wrote none."""
REJECT = pa.struct([("row", pa.int64()), ("reason", pa.string()), ("values", pa.string())])
BUCKET_SCHEMA = pa.schema([("bucket", pa.int32()), ("users", pa.list_(USER)), ("rejects", pa.list_(REJECT))])
"""Users are sorted by id, rejects by row."""
REVIEWED_BUCKET_SCHEMA = pa.schema(
    [("bucket", pa.int32()), ("users", pa.list_(REVIEWED_USER)), ("rejects", pa.list_(REJECT))]
)
FIELD_TO_COLUMN = {
    "items": "item",
    "timestamps": "timestamp",
    "ratings": "rating",
    "actions": "action",
    "reviews": "review_text",
    "summaries": "summary",
}
"""Field of a user -> the column of a checked interaction that it lists."""


def count_buckets(num_rows: int) -> int:
    """Return the number of buckets, and so of output files per split, for a table of so many rows.

    Example:
        >>> count_buckets(10), count_buckets(198_502), count_buckets(1_000_000_000)
        (1, 8, 1024)
    """
    return min(MAX_BUCKETS, -(-num_rows // ROWS_PER_BUCKET))


def count_partitions(num_rows: int, num_cpus: int) -> int:
    """Return the number of partitions of the shuffle: work for all CPUs, and none that grows with the table.

    Example:
        >>> count_partitions(198_502, num_cpus=2), count_partitions(9_925_100, num_cpus=2)
        (4, 20)
    """
    return max(PARTITIONS_PER_CPU * num_cpus, -(-num_rows // ROWS_PER_PARTITION))


def partition_boundaries(num_buckets: int, num_blocks: int) -> list[int | float]:
    """Return the first bucket of every partition but the first.

    Example:
        >>> partition_boundaries(8, 4), partition_boundaries(3, 16), partition_boundaries(8, 1)
        ([2, 4, 6], [1, 2], [8])
    """
    num_partitions = min(num_blocks, num_buckets)
    # without a boundary Ray Data would sample its own; for one partition the boundary creates an empty second one
    return [num_buckets * index // num_partitions for index in range(1, num_partitions)] or [num_buckets]


def build_sequences(
    table: Table,
    item_ids: Sequence[str],
    num_blocks: int,
    *,
    uses_rating: bool,
    keeps_reviews: bool = False,
    tie_seed: int | None = None,
) -> ray.data.Dataset:
    """Return the dataset of buckets, which reads, checks and shuffles when it is consumed.

    Args:
        table: The interactions.
        item_ids: Ids of the catalogue; the only whole table that every worker holds.
        num_blocks: Partitions of the shuffle.
        uses_rating: Whether a rating that is not a number rejects its row.
        keeps_reviews: Whether review texts are kept.
        tie_seed: Seed of the order of events with equal times; None keeps the table's order.
    """
    num_buckets = count_buckets(table.num_rows)
    item_ids_ref = ray.put(pa.array(item_ids, pa.string()))
    check = partial(
        _check_block,
        item_ids_ref=item_ids_ref,
        num_buckets=num_buckets,
        uses_rating=uses_rating,
        keeps_reviews=keeps_reviews,
        reading=table.reading,
    )
    group = partial(
        _group_partition,
        item_ids_ref=item_ids_ref,
        keeps_reviews=keeps_reviews,
        tie_seed=tie_seed,
        has_times=table.order == "time",
    )
    checked = build_dataset(table).map_batches(check, batch_size=None, batch_format="pyarrow", zero_copy_batch=True)
    # explicit boundaries: no sampling pass, every bucket in one block, blocks of equal numbers of buckets
    shuffled = checked.sort("bucket", boundaries=partition_boundaries(num_buckets, num_blocks))
    return shuffled.map_batches(group, batch_size=None, batch_format="pyarrow", zero_copy_batch=True)


def iter_buckets(block: pa.Table) -> Iterator[tuple[int, pa.Table, pa.Table]]:
    """Yield (bucket, users, rejects) of a block of `BUCKET_SCHEMA`, the latter two as tables."""
    for row in range(block.num_rows):
        users, rejects = (
            pa.Table.from_struct_array(block[name].slice(row, 1).combine_chunks().flatten())
            for name in ("users", "rejects")
        )
        yield block["bucket"][row].as_py(), users, rejects


def group_by_user(
    checked: pa.Table, item_ids: pa.Array, tie_seed: int | None = None, *, has_times: bool = True
) -> pa.Table:
    """Turn all checked rows of some buckets into one row per bucket.

    Args:
        checked: Rows in the layout of `CHECKED_SCHEMA`, or with reviews, in any order; buckets are complete.
        item_ids: Ids of the catalogue.
        tie_seed: Seed of the order of events with equal times; None keeps the table's order.
        has_times: Whether there are times; without, an event's place in its sequence stands for seconds.

    Returns:
        A table in the layout of `BUCKET_SCHEMA`, or `REVIEWED_BUCKET_SCHEMA` where there are reviews.
    """
    has_reviews = "review_text" in checked.column_names
    user, schema = (REVIEWED_USER, REVIEWED_BUCKET_SCHEMA) if has_reviews else (USER, BUCKET_SCHEMA)
    is_accepted = checked["reason"].is_null()
    is_repeated = _find_repeated(checked.filter(is_accepted))
    accepted = checked.filter(is_accepted)
    rejects = pa.concat_tables(
        [
            checked.filter(pc.invert(is_accepted)).select(["bucket", "row", "reason", "values"]),
            _describe_repeated(accepted.filter(is_repeated), item_ids),
        ]
    )
    ordered = order_events(accepted.filter(pc.invert(is_repeated)), item_ids, tie_seed if has_times else None)
    users = _build_sequences(ordered if has_times else _with_places(ordered))
    buckets = pc.unique(checked["bucket"]).sort()
    return pa.table(
        {
            "bucket": buckets,
            "users": _nest(users, buckets, user, "user_id"),
            "rejects": _nest(rejects, buckets, REJECT, "row"),
        },
        schema=schema,
    )


def _check_block(
    block: pa.Table,
    item_ids_ref: ray.ObjectRef,
    num_buckets: int,
    *,
    uses_rating: bool,
    keeps_reviews: bool,
    reading: Reading,
) -> pa.Table:
    if block.num_rows == 0:
        return (CHECKED_REVIEWS_SCHEMA if keeps_reviews else CHECKED_SCHEMA).empty_table()
    return check_interactions(
        block,
        ray.get(item_ids_ref),
        num_buckets,
        uses_rating=uses_rating,
        keeps_reviews=keeps_reviews,
        reading=reading,
    )


def _group_partition(
    checked: pa.Table, item_ids_ref: ray.ObjectRef, *, keeps_reviews: bool, tie_seed: int | None, has_times: bool
) -> pa.Table:
    """Group one partition of the shuffle; a partition without buckets has no columns."""
    if checked.num_rows == 0:
        return (REVIEWED_BUCKET_SCHEMA if keeps_reviews else BUCKET_SCHEMA).empty_table()
    return group_by_user(checked, ray.get(item_ids_ref), tie_seed, has_times=has_times)


def _find_repeated(accepted: pa.Table) -> pa.Array:
    """Mark every exact duplicate but the one with the smallest row number."""
    order = pc.sort_indices(accepted, sort_keys=[(name, "ascending") for name in (*DUPLICATE_KEYS, "row")])
    is_same = np.ones(max(accepted.num_rows - 1, 0), dtype=bool)
    for name in DUPLICATE_KEYS:
        column = accepted[name].take(order).combine_chunks()
        is_same &= to_mask(pc.equal(column[1:], column[:-1]))
    is_repeated = np.zeros(accepted.num_rows, dtype=bool)
    is_repeated[order.to_numpy()[1:][is_same]] = True
    return pa.array(is_repeated)


def _describe_repeated(repeated: pa.Table, item_ids: pa.Array) -> pa.Table:
    """Return duplicates as rejects, with the columns that still exist."""
    described = repeated.select(["user_id", "timestamp"]).append_column("item_id", item_ids.take(repeated["item"]))
    values = [to_json(row) for row in described.to_pylist()]
    return pa.table(
        {
            "bucket": repeated["bucket"],
            "row": repeated["row"],
            "reason": pa.array(["duplicate"] * len(values), pa.string()),
            "values": pa.array(values, pa.string()),
        }
    )


def _with_places(ordered: pa.Table) -> pa.Table:
    """Replace times by the places of events in the sequences of their users."""
    starts = _run_starts(ordered["user_id"])
    lengths = np.diff(np.append(starts, ordered.num_rows))
    places = np.arange(ordered.num_rows, dtype=np.float64) - np.repeat(starts, lengths)
    return ordered.set_column(ordered.column_names.index("timestamp"), "timestamp", pa.array(places))


def _build_sequences(ordered: pa.Table) -> pa.Table:
    """Return one row per user: bucket, user id and the lists of `USER`, of ordered events."""
    starts = _run_starts(ordered["user_id"])
    offsets = pa.array(np.append(starts, ordered.num_rows), pa.int32())
    firsts = pa.array(starts, pa.int64())
    columns = {"bucket": ordered["bucket"].take(firsts), "user_id": ordered["user_id"].take(firsts)}
    for field, name in FIELD_TO_COLUMN.items():
        if name in ordered.column_names:
            columns[field] = pa.ListArray.from_arrays(offsets, flatten(ordered[name]))
    return pa.table(columns)


def _nest(rows: pa.Table, buckets: pa.Array, struct: pa.StructType, order: str) -> pa.Array:
    """Gather rows into one list of structs per bucket."""
    rows = rows.sort_by([("bucket", "ascending"), (order, "ascending")]).combine_chunks()
    values = pa.StructArray.from_arrays(
        [flatten(rows[field.name]).cast(field.type) for field in struct], fields=list(struct)
    )
    bounds = np.searchsorted(rows["bucket"].to_numpy(), buckets.to_numpy())
    return pa.ListArray.from_arrays(pa.array(np.append(bounds, rows.num_rows), pa.int32()), values)


def _run_starts(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Return where each run of equal values starts."""
    values = flatten(column)
    if len(values) == 0:
        return np.zeros(0, dtype=np.int64)
    changes = pc.not_equal(values[1:], values[:-1]).to_numpy(zero_copy_only=False)
    return np.append(0, np.flatnonzero(changes) + 1)
