"""The users of the measurement and the new items, as a dataset keeps them and as an endpoint is asked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from recsys_platform.data.new_item_requests import ITEMS_FILE, NEW_ITEMS_FOLDER, REQUESTS_FOLDER
from recsys_platform.evaluate.ranking.cases import draw_users
from recsys_platform.serve.schemas import MAX_CATEGORIES, MAX_HISTORY

Payload = dict[str, Any]
"""JSON body of POST /v1/recommend."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """One user, and the item that the user took next."""

    user_id: str
    """As in the interactions table."""
    is_new: bool
    """Whether that item is a new one."""
    target_item: str
    """Its id."""
    num_seen: int
    """Different items of the history."""
    payload: Payload
    """What the endpoint is asked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Visits:
    """Users of both kinds, each in ascending order of user ids."""

    of_new: list[Visit]
    """Whose next item is a new one."""
    others: list[Visit]
    """Whose next item is known."""
    num_of_new: int
    """Users of the first kind that the dataset has, of whom `of_new` may be a sample."""
    num_others: int
    """The same of the second kind."""


def read_new_items(dataset_folder: Path) -> list[dict[str, Any]]:
    """Return the new items of a dataset as POST /v1/items takes them; the finest categories where they are too many."""
    text = (dataset_folder / NEW_ITEMS_FOLDER / ITEMS_FILE).read_text(encoding="utf-8")
    # not splitlines: a title may hold a separator that is none in JSON lines
    items = [json.loads(line) for line in text.split("\n") if line]
    return [
        item | {"categories": item["categories"][-MAX_CATEGORIES:]} if "categories" in item else item for item in items
    ]


def read_visits(
    dataset_folder: Path, *, k: int, exclude_seen: bool, fields: tuple[str, ...], num_users: int, seed: int
) -> Visits:
    """Return `num_users` of each kind of user, drawn by `seed`; 0 takes all.

    Args:
        dataset_folder: A dataset that holds items out.
        k: Items that are asked for.
        exclude_seen: Whether items of the history are taken out of the answers.
        fields: What the model is told of an event, as `text.behaviour_fields`.
        num_users: Users of each kind.
        seed: Of the draw.
    """
    files = sorted((dataset_folder / NEW_ITEMS_FOLDER / REQUESTS_FOLDER).glob("*.parquet"))
    kinds = {
        row["user_id"]: row["is_new"]
        for file in files
        for row in pq.read_table(file, columns=["user_id", "is_new"]).to_pylist()
    }
    ids = {is_new: sorted(user for user, kind in kinds.items() if kind == is_new) for is_new in (True, False)}
    drawn = {user for user_ids in ids.values() for user in draw_users(user_ids, num_users, seed)}
    visits = [
        _build_visit(row, k, fields, exclude_seen=exclude_seen)
        for file in files
        for row in pq.read_table(file).to_pylist()
        if row["user_id"] in drawn
    ]
    visits.sort(key=lambda visit: visit.user_id)
    return Visits(
        of_new=[visit for visit in visits if visit.is_new],
        others=[visit for visit in visits if not visit.is_new],
        num_of_new=len(ids[True]),
        num_others=len(ids[False]),
    )


def _build_visit(row: Mapping[str, Any], k: int, fields: tuple[str, ...], *, exclude_seen: bool) -> Visit:
    history = row["history"][-MAX_HISTORY:]
    payload = {
        "user_features": {feature["name"]: feature["value"] for feature in row["features"]},
        "history": [_build_event(event, fields) for event in history],
        "k": k,
        "exclude_seen": exclude_seen,
        "time": row["time"],
        "strict": True,
    }
    num_seen = len({event["item"] for event in history}) if exclude_seen else 0
    return Visit(
        user_id=row["user_id"],
        is_new=row["is_new"],
        target_item=row["target_item"],
        num_seen=num_seen,
        payload=payload,
    )


def _build_event(event: Mapping[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    details = {name: event[name] for name in ("action", "rating") if name in fields and event[name] is not None}
    if "categories" in fields and event["category"] is not None:
        details["categories"] = [event["category"]]
    return {"item": event["item"], "time": event["time"], **details}
