"""Write the new items of a dataset (`data.new_items`) and the requests that have them as targets.

Both are in `new_items/`, separate from the training data:

items.jsonl        the items, in the format of `recsys items add` and POST /v1/items
requests/*.parquet requests of users to an endpoint, and the item that each user took next
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray

from recsys_platform.data.input.contract import Items
from recsys_platform.data.sequences import iter_buckets
from recsys_platform.data.writing import write_table
from recsys_platform.splits import DatasetSplit
from recsys_platform.task_columns import FEATURE

NEW_ITEMS_FOLDER = "new_items"
ITEMS_FILE = "items.jsonl"
REQUESTS_FOLDER = "requests"

REQUEST_EVENT = pa.struct(
    [
        ("item", pa.string()),
        ("time", pa.float64()),
        ("action", pa.string()),
        ("rating", pa.float64()),
        ("category", pa.string()),
    ]
)
REQUESTS_SCHEMA = pa.schema(
    [
        ("user_id", pa.string()),
        ("is_new", pa.bool_()),
        ("target_item", pa.string()),
        ("time", pa.float64()),
        ("history", pa.list_(REQUEST_EVENT)),
        ("features", pa.list_(FEATURE)),
    ]
)
"""`target_item` is the id of the item that the user took at `time`, a new one where `is_new`; `history` are all events
of known items before it, in order."""
WRITTEN_SCHEMA = pa.schema(
    [("events", pa.int64()), ("users", pa.int64()), ("asked", pa.int64()), ("others", pa.int64())]
)


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestSettings:
    """Settings that select the users and their targets."""

    item_ids: tuple[str, ...]
    """Ids of the known items, then of the new ones."""
    num_known: int
    """How many of them are known."""
    categories: tuple[str | None, ...]
    """The finest category of each known item."""
    dataset_split: DatasetSplit
    """Which events train."""
    min_interactions: int
    """Smallest number of events of a user, the target included."""


def write_new_items(
    folder: Path,
    new: Items,
    sequences: ray.data.Dataset,
    settings: RequestSettings,
    bucket_to_features_ref: Mapping[int, ray.ObjectRef],
) -> dict[str, int]:
    """Write the new items and their requests into a dataset folder; `sequences` still hold their events.

    Returns:
        `items`, their `events`, the `users` with such events, those `asked` for a new item, and the `others`,
        asked for a known item.
    """
    (folder / NEW_ITEMS_FOLDER / REQUESTS_FOLDER).mkdir(parents=True)
    lines = [json.dumps(_as_posted(new, place), ensure_ascii=False) + "\n" for place in range(len(new.item_ids))]
    (folder / NEW_ITEMS_FOLDER / ITEMS_FILE).write_text("".join(lines), encoding="utf-8")
    write = partial(
        _write_block,
        folder=str(folder),
        settings_ref=ray.put(settings),
        bucket_to_features_ref=dict(bucket_to_features_ref),
    )
    rows = sequences.map_batches(write, batch_size=None, batch_format="pyarrow", zero_copy_batch=True).take_all()
    return {"items": len(new.item_ids), **{name: sum(row[name] for row in rows) for name in WRITTEN_SCHEMA.names}}


def build_requests(
    users: pa.Table, settings: RequestSettings, user_to_features: Mapping[str, Mapping[str, str]]
) -> list[dict[str, Any]]:
    """Return the rows of `REQUESTS_SCHEMA` for the users of a bucket, at most one each.

    The target is the user's last event of a new item, unless the model was trained on a later event of the user.
    Without such an event the target is the test event, as in every evaluation.
    """
    rows = []
    for user in users.to_pylist():
        places = [place for place, item in enumerate(user["items"]) if item < settings.num_known]
        target = _new_target(user, places, settings)
        is_new = target is not None
        if target is None:
            target = _known_target(user, places, settings)
        if target is not None:
            features = user_to_features.get(user["user_id"], {})
            rows.append(
                {
                    "user_id": user["user_id"],
                    "is_new": is_new,
                    "target_item": settings.item_ids[user["items"][target]],
                    "time": user["timestamps"][target],
                    "history": [_event(user, place, settings) for place in places if place < target],
                    "features": [{"name": name, "value": value} for name, value in features.items()],
                }
            )
    return rows


def _new_target(user: Mapping[str, Any], known_places: Sequence[int], settings: RequestSettings) -> int | None:
    """Return the index of the user's target among events of new items, None without one."""
    last = max((place for place, item in enumerate(user["items"]) if item >= settings.num_known), default=None)
    if last is None:
        return None
    split = settings.dataset_split
    num_before = sum(place < last for place in known_places)
    num_training = split.num_training([user["timestamps"][place] for place in known_places])
    is_in_period = split.valid_from is None or user["timestamps"][last] >= split.valid_from
    is_asked = max(1, num_training) <= num_before and num_before + 1 >= settings.min_interactions and is_in_period
    return last if is_asked else None


def _known_target(user: Mapping[str, Any], known_places: Sequence[int], settings: RequestSettings) -> int | None:
    """Return the index of the user's test event, None without one."""
    if len(known_places) < settings.min_interactions:
        return None
    target = settings.dataset_split.target([user["timestamps"][place] for place in known_places], "test")
    return None if target is None else known_places[target]


def _event(user: Mapping[str, Any], place: int, settings: RequestSettings) -> dict[str, Any]:
    item = user["items"][place]
    return {
        "item": settings.item_ids[item],
        "time": user["timestamps"][place],
        "action": user["actions"][place],
        "rating": user["ratings"][place],
        "category": settings.categories[item],
    }


def _as_posted(new: Items, place: int) -> dict[str, Any]:
    further = {"brand": new.brands[place], "categories": list(new.categories[place])}
    return {"id": new.item_ids[place], "title": new.titles[place]} | {
        key: value for key, value in further.items() if value
    }


def _write_block(
    block: pa.Table, folder: str, settings_ref: ray.ObjectRef, bucket_to_features_ref: Mapping[int, ray.ObjectRef]
) -> pa.Table:
    """Write the requests of the block's buckets; the result has one row a bucket, in the layout of `WRITTEN_SCHEMA`."""
    settings: RequestSettings = ray.get(settings_ref)
    counts = []
    for bucket, users, _ in iter_buckets(block):
        features_ref = bucket_to_features_ref.get(bucket)
        rows = build_requests(users, settings, {} if features_ref is None else ray.get(features_ref))
        path = Path(folder) / NEW_ITEMS_FOLDER / REQUESTS_FOLDER / f"part-{bucket:05d}.parquet"
        write_table(path, pa.Table.from_pylist(rows, schema=REQUESTS_SCHEMA))
        num_new = [sum(item >= settings.num_known for item in items) for items in users["items"].to_pylist()]
        num_asked = sum(row["is_new"] for row in rows)
        counts.append(
            {
                "events": sum(num_new),
                "users": sum(map(bool, num_new)),
                "asked": num_asked,
                "others": len(rows) - num_asked,
            }
        )
    return pa.Table.from_pylist(counts, schema=WRITTEN_SCHEMA)
