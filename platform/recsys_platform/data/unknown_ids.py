"""Find out why ids of the interactions are in no row of the items or users table."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import ray

from recsys_model.errors import DataError
from recsys_platform.data.input.arrow import pc
from recsys_platform.data.input.columns import to_ids
from recsys_platform.data.input.datasets import build_dataset
from recsys_platform.data.input.id_hints import Side, describe_differences
from recsys_platform.data.input.table import Table

logger = logging.getLogger(__name__)

ITEMS_HERE = Side(setting="input.interactions", column="item_id")
ITEMS_THERE = Side(setting="input.items", column="item_id")
USERS_HERE = Side(setting="input.interactions", column="user_id")
USERS_THERE = Side(setting="input.users", column="user_id")


def describe_unknown_items(interactions: Table, item_ids: Sequence[str]) -> list[str]:
    """Read the item ids of the interactions again, and say how those differ that the items table lacks."""
    count = partial(
        _count_unknown,
        item_ids_ref=ray.put(pa.array(item_ids, pa.string())),
        width=interactions.reading.id_width.get("item_id"),
    )
    rows = build_dataset(interactions).map_batches(count, batch_size=None, batch_format="pyarrow", zero_copy_batch=True)
    unknown: Counter[str] = Counter()
    for row in rows.iter_rows():
        unknown[row["item_id"]] += row["count"]
    return describe_differences(unknown, item_ids, ITEMS_HERE, ITEMS_THERE)


def warn_of_added_items(added: Iterable[str], item_ids: Iterable[str]) -> None:
    """Log how items of the interactions that the items table lacks differ from those that it has."""
    for sentence in describe_differences(dict.fromkeys(added, 1), item_ids, ITEMS_HERE, ITEMS_THERE):
        logger.warning("items of the interactions without a row in input.items: %s", sentence)


def check_described(num_users: int, num_described: int, undescribed: Sequence[str], user_ids: Sequence[str]) -> None:
    """Raise if no user of the interactions has a row in the users table; warn if most have none.

    Args:
        num_users: Users of the interactions.
        num_described: Those of them with a row in the users table.
        undescribed: Some of the others.
        user_ids: Ids of the users table.

    Raises:
        DataError: with three ids of each table, and how they differ.
    """
    if not user_ids or num_described > num_users / 2:
        return
    hints = describe_differences(dict.fromkeys(undescribed, 1), user_ids, USERS_HERE, USERS_THERE)
    message = (
        f"{num_users - num_described} of {num_users} users of the interactions have no row in input.users: the former "
        f"have ids such as {list(undescribed[:3])}, the latter {list(user_ids[:3])}. {' '.join(hints)}"
    ).rstrip()
    if num_described == 0:
        raise DataError(f"{message}\nCorrect the ids, or take input.users out")
    logger.warning("%s", message)


def count_described(
    user_ids: Sequence[str], features: Mapping[str, Mapping[str, str]], max_undescribed: int
) -> tuple[int, list[str]]:
    """Return how many users have features, and some of those that have none."""
    undescribed = [user_id for user_id in user_ids if user_id not in features]
    return len(user_ids) - len(undescribed), undescribed[:max_undescribed]


def _count_unknown(block: pa.Table, item_ids_ref: ray.ObjectRef, width: int | None) -> pa.Table:
    """Return the ids of a block that are not in the catalogue, with the rows that have them."""
    schema = pa.schema([("item_id", pa.string()), ("count", pa.int64())])
    if block.num_rows == 0:
        return schema.empty_table()
    usable = to_ids(block["item_id"], width).values.drop_null()
    unknown = usable.filter(pc.is_null(pc.index_in(usable, value_set=ray.get(item_ids_ref))))
    counted = unknown.value_counts()
    counts = np.asarray(counted.field("counts"))
    return pa.table({"item_id": counted.field("values"), "count": counts}, schema=schema)
