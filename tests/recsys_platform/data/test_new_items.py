"""Items that nobody has bought yet are held out with all their events, and users are kept to be asked about them."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_model.entities.catalog import load_catalog
from recsys_model.errors import DataError
from recsys_platform.artifacts import open_artifact
from recsys_platform.cli.summaries import of_data
from recsys_platform.config.run import build_config
from recsys_platform.data.input.contract import Items
from recsys_platform.data.new_item_requests import RequestSettings, build_requests
from recsys_platform.data.new_items import hold_out, without_new_events
from recsys_platform.data.sequences import BUCKET_SCHEMA, USER
from recsys_platform.data.stage import run_data
from recsys_platform.evaluate.ranking.cases import load_evaluation_data
from recsys_platform.splits import DatasetSplit

KNOWN = 4
"""Catalogue indices from here on are new items."""
IDS = ("a", "b", "c", "d", "new-1", "new-2")


def items_of(titles: list[str]) -> Items:
    count = len(titles)
    return Items(
        item_ids=[f"i{place}" for place in range(count)],
        titles=titles,
        brands=["Acme"] * count,
        categories=[("All",)] * count,
        prices=[None] * count,
        descriptions=[None] * count,
    )


def user(user_id: str, items: list[int], times: list[float] | None = None) -> dict[str, Any]:
    return {
        "user_id": user_id,
        "items": items,
        "timestamps": times or [float(place) for place in range(len(items))],
        "ratings": [5.0] * len(items),
        "actions": ["buy"] * len(items),
    }


def bucket(number: int, users: list[dict[str, Any]]) -> dict[str, Any]:
    return {"bucket": number, "users": users, "rejects": [{"row": 7, "reason": "null_user", "values": "{}"}]}


def requests(users: list[dict[str, Any]], split: DatasetSplit | None = None) -> list[dict[str, Any]]:
    asking = RequestSettings(
        item_ids=IDS,
        num_known=KNOWN,
        categories=("Tents", None, None, None),
        dataset_split=split or DatasetSplit(),
        min_interactions=3,
    )
    return build_requests(pa.Table.from_pylist(users, schema=pa.schema(list(USER))), asking, {"u": {"city": "Rome"}})


def asked(users: list[dict[str, Any]], split: DatasetSplit | None = None) -> list[tuple[bool, str, list[str]]]:
    rows = requests(users, split)
    return [(row["is_new"], row["target_item"], [event["item"] for event in row["history"]]) for row in rows]


def test_the_draw_depends_on_seed_and_ids_and_never_takes_an_item_without_a_title():
    shop = items_of(["Tent", "", "Lamp", "Stove", "Rope", "Tarp", "Cup", "Pan", "Mat", "Axe"])
    known, new = hold_out(shop, 0.3, seed=1)
    assert len(new.item_ids) == 3
    assert "i1" in known.item_ids
    assert sorted([*known.item_ids, *new.item_ids]) == sorted(shop.item_ids)
    backwards = shop.at(range(9, -1, -1))
    assert set(hold_out(backwards, 0.3, seed=1)[1].item_ids) == set(new.item_ids)
    assert {tuple(hold_out(shop, 0.3, seed)[1].item_ids) for seed in range(9)} != {tuple(new.item_ids)}


def test_a_share_of_zero_changes_nothing_and_one_that_cannot_be_drawn_is_refused():
    shop = items_of(["Tent", "", "", ""])
    assert hold_out(shop, 0.0, seed=0)[0] is shop
    with pytest.raises(DataError, match=r"data\.new_items 0\.5 asks for 2 of 4 items, but 1 have a title"):
        hold_out(shop, 0.5, seed=0)


def test_events_of_new_items_leave_the_sequences_and_so_do_users_without_others():
    users = [user("u", [0, 4, 1, 5, 2]), user("v", [5]), user("w", [3, 3])]
    block = pa.Table.from_pylist([bucket(0, users), bucket(1, []), bucket(2, [user("x", [4, 0])])], BUCKET_SCHEMA)
    kept = without_new_events(block, KNOWN)
    assert kept.schema == BUCKET_SCHEMA
    u, w = kept["users"].to_pylist()[0]
    assert (u["items"], u["timestamps"], u["ratings"]) == ([0, 1, 2], [0.0, 2.0, 4.0], [5.0] * 3)
    assert (w["user_id"], w["items"]) == ("w", [3, 3])
    assert [[each["items"] for each in users] for users in kept["users"].to_pylist()[1:]] == [[], [[0]]]
    assert kept["rejects"].to_pylist() == block["rejects"].to_pylist()


def test_a_user_is_asked_for_the_last_new_item_behind_all_training_events():
    # of three known events one trains, the other two validate and test
    assert asked([user("u", [0, 4, 1, 5, 2])]) == [(True, "new-2", ["a", "b"])]
    # two known events train, and the new item came between them: the user is asked for the test event as ever
    assert asked([user("u", [0, 4, 1, 2, 3])]) == [(False, "d", ["a", "b", "c"])]
    # nothing but new items, or too little before them
    assert asked([user("u", [4, 5]), user("v", [0, 5])]) == []


def test_with_a_temporal_split_the_new_item_lies_in_a_held_out_period():
    cut = DatasetSplit(kind="temporal", valid_from=3.0, test_from=5.0)
    assert asked([user("u", [0, 1, 4], [0.0, 1.0, 4.0])], cut) == [(True, "new-1", ["a", "b"])]
    assert asked([user("u", [0, 1, 4], [0.0, 1.0, 2.0])], cut) == []


def test_a_request_tells_features_times_actions_and_ratings():
    (row,) = requests([user("u", [0, 1, 4])])
    assert row["features"] == [{"name": "city", "value": "Rome"}]
    assert row["history"][1] == {"item": "b", "time": 1.0, "action": "buy", "rating": 5.0, "category": None}
    assert row["history"][0]["category"] == "Tents"
    assert row["time"] == 2.0


@pytest.mark.e2e
@pytest.mark.usefixtures("ray_cluster")
def test_a_dataset_knows_nothing_of_its_new_items_but_what_it_keeps_apart(tmp_path: Path):
    interactions = [
        {"user_id": f"u{number}", "item_id": f"i{(number * 7 + event * 3) % 20}", "timestamp": 100.0 * event + number}
        for number in range(30)
        for event in range(6)
    ]
    # words that no other title has, so that a tokenizer that read them would have learnt them
    items = [{"item_id": f"i{number}", "title": f"Zeppelin{number}", "brand": f"B{number}"} for number in range(20)]
    pq.write_table(pa.Table.from_pylist(interactions), tmp_path / "interactions.parquet")
    pq.write_table(pa.Table.from_pylist(items), tmp_path / "items.parquet")
    config = build_config(
        {
            "name": "shop",
            "storage": str(tmp_path),
            "input": {name: {"path": str(tmp_path / f"{name}.parquet")} for name in ("interactions", "items")},
            "tokenizer": {"vocab_size": 400},
            "data": {"new_items": 0.2, "max_leak_share": 1.0},
        }
    )
    result = run_data(config)
    folder = config.dataset_folder
    counts = open_artifact(folder, "dataset").counts["new_items"]
    lines = [json.loads(line) for line in (folder / "new_items" / "items.jsonl").read_text().splitlines()]
    new_ids = {line["id"] for line in lines}
    events = [event for event in interactions if event["item_id"] in new_ids]
    assert len(lines) == counts["items"] == 4
    assert lines[0] == {
        "id": lines[0]["id"],
        "title": f"Zeppelin{lines[0]['id'][1:]}",
        "brand": f"B{lines[0]['id'][1:]}",
    }
    assert (counts["events"], counts["users"]) == (len(events), len({event["user_id"] for event in events}))
    catalog = load_catalog(folder)
    assert {item.item_id for item in catalog.items} == {item["item_id"] for item in items} - new_ids
    assert result["counts"]["interactions"] == len(interactions) - len(events)
    assert result["counts"]["rejects"]["interactions"] == {}
    rows = pq.read_table(folder / "new_items" / "requests").to_pylist()
    assert sum(row["is_new"] for row in rows) == counts["asked"] > 0
    assert all((row["target_item"] in new_ids) == row["is_new"] for row in rows)
    assert not new_ids & {event["item"] for row in rows for event in row["history"]}
    (statement,) = load_evaluation_data(folder, "test", 0, 0).new_item_statements
    assert statement in of_data(result)
