"""A customer of the demo shop comes back: the request that the shop would send for him."""

from collections import Counter
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from recsys_model.errors import DataError
from recsys_platform.config.run import RunConfig

PAUSE_S = 3600
"""The visit is so many seconds after the customer's last event."""
NUM_ITEMS = 10
"""Recommendations asked for."""


def visitor_payload(config: RunConfig, user_id: str = "U00001") -> dict[str, Any]:
    """Return the JSON body of a request: one customer's features and whole history, an hour after its last event.

    Items are named by their titles, and by their ids where two items share a title.

    Raises:
        DataError: the run reads no demo shop, or it has no such customer.
    """
    if config.input.users is None or isinstance(config.input.items, str):
        raise DataError("input.users and input.items must name the demo shop's tables, one is missing")
    user = pc.field("user_id") == user_id
    features = pq.read_table(config.input.users.path, filters=user).to_pylist()
    events = pq.read_table(config.input.interactions.path, filters=user).sort_by("timestamp").to_pylist()
    if not features or not events:
        raise DataError(f"the demo shop in {config.input.users.path} has no customer {user_id!r}; write it anew")
    item_to_name = _names_of_items(config.input.items.path)
    wanted = config.input.user_features or tuple(name for name in features[0] if name != "user_id")
    return {
        "user_features": {name: features[0][name] for name in wanted},
        "history": [{"item": item_to_name[event["item_id"]], "time": event["timestamp"]} for event in events],
        "time": events[-1]["timestamp"] + PAUSE_S,
        "k": NUM_ITEMS,
    }


def _names_of_items(path: str) -> dict[str, str]:
    """Map each item id to the title, or to itself where the title is not unique."""
    items = pq.read_table(path, columns=["item_id", "title"]).to_pylist()
    counts = Counter(item["title"] for item in items)
    return {item["item_id"]: item["title"] if counts[item["title"]] == 1 else item["item_id"] for item in items}
