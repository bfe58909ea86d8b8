"""The input contract: checks rows, and gives each rejected row its reason.

Interactions are checked block by block on the cluster, items and users as whole tables. No row is dropped silently:
every rejected row is listed with its number and the first reason that applies, and a row that loses a value is listed
with each such reason. Exact duplicates of interactions are found later, where the rows of one user meet. Columns are
plain (`plain`).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from recsys_platform.data.input.arrow import pc, to_mask
from recsys_platform.data.input.checks import (
    categories_of,
    check_event_ids,
    check_positions,
    check_ratings,
    check_times,
    check_unique_ids,
    labels_of,
    list_notes,
    prices_of,
    prose_of,
    refuse_unreadable,
    values_of,
)
from recsys_platform.data.input.reading import Reading
from recsys_platform.data.input.reasons import EMPTY_TITLE, UNREADABLE
from recsys_platform.data.input.rejects import Reject, Verdict
from recsys_platform.data.input.sources import ROW

INTERACTION_REQUIRED = ("user_id", "item_id", "timestamp")
INTERACTION_OPTIONAL = ("position", "rating", "action", "review_text", "summary")
ITEM_REQUIRED = ("item_id", "title")
ITEM_OPTIONAL = ("brand", "categories", "price", "description")
USER_REQUIRED = ("user_id",)

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
    columns: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)
    """Column for rules -> the values of each item."""
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
            columns={name: [values[place] for place in places] for name, values in self.columns.items()},
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
    block: pa.Table,
    item_ids: pa.Array,
    num_buckets: int,
    *,
    uses_rating: bool,
    keeps_reviews: bool = False,
    reading: Reading | None = None,
) -> pa.Table:
    """Check one block of interactions.

    Args:
        block: Rows as `sources` reads them.
        item_ids: Ids of the catalogue, in its order.
        num_buckets: Range of the hash of the user.
        uses_rating: Whether a rating that is not a number rejects the row.
        keeps_reviews: Whether review texts are kept.
        reading: How its times and ids are read; None takes numbers for seconds.

    Returns:
        All rows, in the layout of `CHECKED_SCHEMA`, or `CHECKED_REVIEWS_SCHEMA` with reviews.
    """
    verdict = Verdict(block.num_rows)
    reading = reading or Reading()
    user_ids = check_event_ids(block, "user_id", "null_user", reading, verdict)
    block_item_ids = check_event_ids(block, "item_id", "null_item", reading, verdict)
    times = check_times(block, reading.times, verdict)
    items = pc.index_in(block_item_ids, value_set=item_ids)
    positions = check_positions(block, verdict)
    ratings = check_ratings(block, verdict, uses_rating=uses_rating)
    actions = labels_of(block, "action")
    verdict.reject(actions.is_unreadable, UNREADABLE["action"])
    verdict.reject(to_mask(items.is_null()), "unknown_item")
    rejected = np.flatnonzero(~verdict.is_accepted)
    values = np.full(block.num_rows, None, dtype=object)
    values[rejected] = [reject.values for reject in verdict.list_rejects(block)]
    checked = pa.table(
        {
            "bucket": _buckets(user_ids, num_buckets),
            "user_id": user_ids,
            "item": items.cast(pa.int32()),
            "timestamp": times,
            "position": positions,
            "rating": pa.array(ratings, pa.float64(), from_pandas=True),
            "action": pa.array(actions.texts, pa.string()),
            "details": _hash_details(block),
            "row": block[ROW],
            "reason": pa.array(verdict.reasons, pa.string()),
            "values": pa.array(values, pa.string()),
        },
        schema=CHECKED_SCHEMA,
    )
    for review_field in REVIEW_FIELDS if keeps_reviews else ():
        checked = checked.append_column(review_field, pa.array(prose_of(block, review_field.name), review_field.type))
    return checked


def check_items(table: pa.Table, reading: Reading | None = None, item_columns: Sequence[str] = ()) -> Items:
    """Check the items; one without a title is reported and kept, since it gets a substitute text.

    `item_columns` are further columns that rules may name.
    """
    verdict = Verdict(table.num_rows)
    item_ids = check_unique_ids(table, "item_id", reading or Reading(), verdict)
    titles, descriptions = prose_of(table, "title"), prose_of(table, "description")
    brands, prices, categories = labels_of(table, "brand"), prices_of(table), categories_of(table)
    notes = {
        EMPTY_TITLE: np.array([title is None for title in titles], dtype=bool),
        UNREADABLE["brand"]: brands.is_unreadable,
        UNREADABLE["price"]: prices.is_unreadable,
        UNREADABLE["categories"]: categories.is_unreadable,
    }
    name_to_values = {name: values_of(table, name) for name in item_columns}
    notes |= {f"{UNREADABLE['column']}_{name}": values.is_unreadable for name, values in name_to_values.items()}
    items = Items(rejects=sorted([*verdict.list_rejects(table), *list_notes(table, verdict, notes)]))
    for index in np.flatnonzero(verdict.is_accepted):
        items.item_ids.append(item_ids[index])
        items.titles.append(titles[index] or "")
        items.brands.append(brands.texts[index])
        items.categories.append(categories.names[index])
        items.prices.append(prices.texts[index])
        items.descriptions.append(descriptions[index])
    accepted = np.flatnonzero(verdict.is_accepted).tolist()
    items.columns = {name: [values.names[index] for index in accepted] for name, values in name_to_values.items()}
    return items


def check_users(table: pa.Table, features: tuple[str, ...], reading: Reading | None = None) -> Users:
    """Check the users; null features are left out.

    Raises:
        DataError: no value of a feature has a plain text.
    """
    verdict = Verdict(table.num_rows)
    user_ids = check_unique_ids(table, "user_id", reading or Reading(), verdict)
    name_to_labels = {name: labels_of(table, name) for name in features}
    notes = {f"{UNREADABLE['feature']}_{name}": labels.is_unreadable for name, labels in name_to_labels.items()}
    for name, labels in name_to_labels.items():
        refuse_unreadable(name, labels, table)
    users = Users(rejects=sorted([*verdict.list_rejects(table), *list_notes(table, verdict, notes)]))
    for index in np.flatnonzero(verdict.is_accepted):
        values = {name: labels.texts[index] for name, labels in name_to_labels.items()}
        users.user_ids.append(user_ids[index])
        users.features.append({name: value for name, value in values.items() if value is not None})
    return users


def bucket_of(user_id: str | None, num_buckets: int) -> int:
    """Return the user's bucket, the same in every process; rows without a user share one."""
    key = b"" if user_id is None else user_id.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big") % num_buckets


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
    prose = {field.name for field in REVIEW_FIELDS}
    texts = [prose_of(block, name) if name in prose else labels_of(block, name).texts for name in names]
    for index, row in enumerate(zip(*texts, strict=True)):
        present = {name: value for name, value in zip(names, row, strict=True) if value is not None}
        if present:
            digest = hashlib.blake2b(repr(present).encode("utf-8", "surrogatepass"), digest_size=8).digest()
            hashes[index] = int.from_bytes(digest, "big", signed=True)
    return hashes
