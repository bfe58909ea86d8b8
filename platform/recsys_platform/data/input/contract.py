"""The input contract: checks rows, and gives each rejected row its reason.

Interactions are checked block by block on the cluster, items and users as whole tables. No row is dropped silently:
every rejected row is listed with its number and the first reason that applies. Exact duplicates of interactions are
found later, where the rows of one user meet.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from recsys_model.entities.unique_texts import fold_whitespace
from recsys_platform.data.input import columns
from recsys_platform.data.input.arrow import pc, to_mask
from recsys_platform.data.input.rejects import Reject, Verdict
from recsys_platform.data.input.sources import MALFORMED, ROW

INTERACTION_REQUIRED = ("user_id", "item_id", "timestamp")
INTERACTION_OPTIONAL = ("position", "rating", "action", "review_text", "summary")
ITEM_REQUIRED = ("item_id", "title")
ITEM_OPTIONAL = ("brand", "categories", "price", "description")
USER_REQUIRED = ("user_id",)
EMPTY_TITLE = "empty_title"
"""Reason of an item that is reported and kept."""
MAX_POSITION = 2.0**53
"""Larger positions are no longer exact as floats."""

CHECKED_SCHEMA = pa.schema(
    [
        ("bucket", pa.int32()),
        ("user_id", pa.string()),
        ("item", pa.int32()),
        ("timestamp", pa.float64()),
        ("position", pa.float64()),
        ("rating", pa.float64()),
        ("action", pa.string()),
        ("details", pa.int64()),
        ("row", pa.int64()),
        ("reason", pa.string()),
        ("values", pa.string()),
    ]
)
"""A checked interaction. `bucket` is a hash of the user, `details` one of the columns that only
duplicates need. Rejected rows have a reason and their values, and share the bucket of their user."""
REVIEW_FIELDS = (pa.field("review_text", pa.large_string()), pa.field("summary", pa.large_string()))
"""Further columns of a checked interaction, if tasks need review texts."""
CHECKED_REVIEWS_SCHEMA = pa.schema([*CHECKED_SCHEMA, *REVIEW_FIELDS])


@dataclass(slots=True)
class Items:
    """The accepted items, in the order of the table."""

    item_ids: list[str] = field(default_factory=list)
    """Unique ids."""
    titles: list[str] = field(default_factory=list)
    """Titles; empty where the table has none."""
    brands: list[str | None] = field(default_factory=list)
    """Brands, where known."""
    categories: list[tuple[str, ...]] = field(default_factory=list)
    """Categories, coarse to fine."""
    prices: list[str | None] = field(default_factory=list)
    """Prices as text, where known."""
    descriptions: list[str | None] = field(default_factory=list)
    """Descriptions, if known and requested."""
    rejects: list[Reject] = field(default_factory=list)
    """Rows that were left out, and those without a title, which stay."""

    def at(self, places: Sequence[int]) -> "Items":
        """Return the items at these places, in this order, without the rejects."""
        return Items(
            item_ids=[self.item_ids[place] for place in places],
            titles=[self.titles[place] for place in places],
            brands=[self.brands[place] for place in places],
            categories=[self.categories[place] for place in places],
            prices=[self.prices[place] for place in places],
            descriptions=[self.descriptions[place] for place in places],
        )


@dataclass(slots=True)
class Users:
    """The accepted users, in the order of the table."""

    user_ids: list[str] = field(default_factory=list)
    """Unique ids."""
    features: list[dict[str, str]] = field(default_factory=list)
    """Known features of each user, in the order of the columns."""
    rejects: list[Reject] = field(default_factory=list)
    """Rows that were left out."""


def check_interactions(
    block: pa.Table, item_ids: pa.Array, num_buckets: int, *, uses_rating: bool, keeps_reviews: bool = False
) -> pa.Table:
    """Check one block of interactions.

    Args:
        block: Rows as `sources` reads them.
        item_ids: Ids of the catalogue, in its order.
        num_buckets: Range of the hash of the user.
        uses_rating: Whether a rating that is not a number rejects the row.
        keeps_reviews: Whether review texts are kept.

    Returns:
        All rows, in the layout of `CHECKED_SCHEMA`, or `CHECKED_REVIEWS_SCHEMA` with reviews.
    """
    verdict = Verdict(block.num_rows)
    user_ids = columns.to_ids(block["user_id"], "user_id")
    block_item_ids = columns.to_ids(block["item_id"], "item_id")
    times = columns.to_seconds(block["timestamp"])
    items = pc.index_in(block_item_ids, value_set=item_ids)
    verdict.reject(to_mask(block[MALFORMED].is_valid()), "malformed_line")
    verdict.reject(to_mask(user_ids.is_null()), "null_user")
    verdict.reject(to_mask(block_item_ids.is_null()), "null_item")
    verdict.reject(times.is_null, "null_timestamp")
    verdict.reject(times.is_unparsable, "unparsable_timestamp")
    verdict.reject(np.abs(times.values) >= columns.MAX_SECONDS, "timestamp_not_in_seconds")
    positions = _check_positions(block, verdict)
    ratings = _check_ratings(block, verdict, uses_rating=uses_rating)
    verdict.reject(to_mask(items.is_null()), "unknown_item")
    rejected = np.flatnonzero(~verdict.is_accepted)
    values = np.full(block.num_rows, None, dtype=object)
    values[rejected] = [reject.values for reject in verdict.list_rejects(block)]
    checked = pa.table(
        {
            "bucket": _buckets(user_ids, num_buckets),
            "user_id": user_ids,
            "item": items.cast(pa.int32()),
            "timestamp": times.values,
            "position": positions,
            "rating": pa.array(ratings, pa.float64(), from_pandas=True),
            "action": pa.array(_texts(block, "action"), pa.string()),
            "details": _hash_details(block),
            "row": block[ROW],
            "reason": pa.array(verdict.reasons, pa.string()),
            "values": pa.array(values, pa.string()),
        },
        schema=CHECKED_SCHEMA,
    )
    for review_field in REVIEW_FIELDS if keeps_reviews else ():
        checked = checked.append_column(review_field, pa.array(_texts(block, review_field.name), review_field.type))
    return checked


def check_items(table: pa.Table) -> Items:
    """Check the items; an item without a title is reported and kept, since it gets a substitute text."""
    verdict = Verdict(table.num_rows)
    item_ids = columns.to_ids(table["item_id"], "item_id")
    titles = columns.to_texts(table["title"])
    _check_ids(table, item_ids, verdict)
    is_kept = verdict.is_accepted
    verdict.reject(np.array([title is None for title in titles], dtype=bool), EMPTY_TITLE)
    brands, prices, descriptions = (_texts(table, name) for name in ("brand", "price", "description"))
    categories = table["categories"].to_pylist() if "categories" in table.column_names else [None] * table.num_rows
    items = Items(rejects=verdict.list_rejects(table))
    ids = item_ids.to_pylist()
    for index in np.flatnonzero(is_kept):
        items.item_ids.append(ids[index])
        items.titles.append(titles[index] or "")
        items.brands.append(brands[index])
        items.categories.append(columns.to_categories(categories[index]))
        items.prices.append(prices[index])
        items.descriptions.append(descriptions[index])
    return items


def check_users(table: pa.Table, features: tuple[str, ...]) -> Users:
    """Check the users; null features are left out."""
    verdict = Verdict(table.num_rows)
    user_ids = columns.to_ids(table["user_id"], "user_id")
    _check_ids(table, user_ids, verdict)
    texts = [columns.to_texts(table[name]) for name in features]
    users = Users(rejects=verdict.list_rejects(table))
    ids = user_ids.to_pylist()
    for index in np.flatnonzero(verdict.is_accepted):
        values = zip(features, (column[index] for column in texts), strict=True)
        users.user_ids.append(ids[index])
        users.features.append({name: fold_whitespace(value) for name, value in values if value is not None})
    return users


def bucket_of(user_id: str | None, num_buckets: int) -> int:
    """Return the user's bucket, the same in every process; rows without a user share one."""
    key = b"" if user_id is None else user_id.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big") % num_buckets


def _texts(table: pa.Table, name: str) -> list[str | None]:
    """Return a column as text; all None if the table lacks it."""
    return columns.to_texts(table[name]) if name in table.column_names else [None] * table.num_rows


def _check_ids(table: pa.Table, ids: pa.Array, verdict: Verdict) -> None:
    """Reject malformed lines, null ids, and all but the first row of an id."""
    verdict.reject(to_mask(table[MALFORMED].is_valid()), "malformed_line")
    verdict.reject(to_mask(ids.is_null()), "null_id")
    firsts: dict[str, int] = {}
    is_repeated = [firsts.setdefault(key, row) != row for row, key in enumerate(ids.to_pylist())]
    verdict.reject(np.array(is_repeated, dtype=bool), "duplicate_id")


def _check_positions(block: pa.Table, verdict: Verdict) -> np.ndarray:
    """Return the positions; all 0 if the table has none."""
    if "position" not in block.column_names:
        return np.zeros(block.num_rows)
    positions = columns.to_numbers(block["position"])
    verdict.reject(positions.is_null, "null_position")
    verdict.reject(positions.is_unparsable | (np.abs(positions.values) > MAX_POSITION), "unparsable_position")
    return positions.values


def _check_ratings(block: pa.Table, verdict: Verdict, *, uses_rating: bool) -> np.ndarray:
    if not uses_rating or "rating" not in block.column_names:
        return np.full(block.num_rows, np.nan)
    ratings = columns.to_numbers(block["rating"])
    verdict.reject(ratings.is_unparsable, "unparsable_rating")
    return ratings.values


def _buckets(user_ids: pa.Array, num_buckets: int) -> pa.Array:
    encoded = user_ids.dictionary_encode()
    buckets = [bucket_of(user_id, num_buckets) for user_id in encoded.dictionary.to_pylist()]
    table = np.array([*buckets, bucket_of(None, num_buckets)], dtype=np.int32)
    return pa.array(table[encoded.indices.fill_null(len(buckets)).to_numpy(zero_copy_only=False)])


def _hash_details(block: pa.Table) -> np.ndarray:
    """Hash the columns other than user, item, time and position, so that only equal rows are duplicates; 0 if all are null."""
    names = [name for name in INTERACTION_OPTIONAL if name != "position" and name in block.column_names]
    hashes = np.zeros(block.num_rows, dtype=np.int64)
    if all(block[name].null_count == block.num_rows for name in names):
        return hashes
    for index, row in enumerate(block.select(names).to_pylist()):
        present = {name: value for name, value in row.items() if value is not None}
        if present:
            digest = hashlib.blake2b(repr(present).encode("utf-8", "surrogatepass"), digest_size=8).digest()
            hashes[index] = int.from_bytes(digest, "big", signed=True)
    return hashes
