"""The whole data stage on a real Ray, with tiny tables."""

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray

from recsys_model.entities.catalog import load_catalog
from recsys_model.errors import CheckpointError, DataError
from recsys_model.text.tokenizer import load_tokenizer
from recsys_platform.artifacts import open_artifact
from recsys_platform.cli.summaries import of_data
from recsys_platform.config.run import RunConfig, build_config
from recsys_platform.data import sequences
from recsys_platform.data.stage import run_data
from recsys_platform.data.tie_order import rank_event
from recsys_platform.data.writing import BucketWriter

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("ray_cluster")]

NUM_USERS = 40
NUM_ITEMS = 15


def shop() -> dict[str, list[dict[str, Any]]]:
    """40 users with 2 to 8 events that tie in time, 15 items of which two share a title and one has none."""
    interactions = [
        {
            "user_id": f"u{user}",
            "item_id": (user * 7 + event * 3) % NUM_ITEMS,
            # users that take the same items do so at other times, else they would be the same user twice
            "timestamp": 1000 * (event // 2) + user,
            "position": event,
        }
        for event in range(8)
        for user in range(NUM_USERS)
        if event < 2 + user % 7
    ]
    titles = ["Tent", "Tent", None, *(f"Thing [MASK] {number}" for number in range(3, NUM_ITEMS))]
    items = [
        {"item_id": str(item), "title": title, "categories": f"All|C{item % 2}"} for item, title in enumerate(titles)
    ]
    users = [
        {"user_id": f"u{user}", "age": 20 + user, "city": "Rome" if user % 2 else None} for user in range(NUM_USERS)
    ]
    return {"interactions": interactions, "items": items, "users": users}


def write_table(rows: list[dict[str, Any]], path: Path, ending: str) -> None:
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=50)
    elif ending == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


def make_config(
    folder: Path, tables: dict[str, list[dict[str, Any]]], ending: str = "parquet", **sections: Any
) -> RunConfig:
    for name, rows in tables.items():
        write_table(rows, folder / f"{name}.{ending}", ending)
    document: dict[str, Any] = {
        "name": f"run-{ending}",
        "storage": str(folder / "runs"),
        "input": {name: {"path": str(folder / f"{name}.{ending}")} for name in tables},
        "tokenizer": {"vocab_size": 400},
    }
    document["input"] |= sections.pop("input", {})
    return build_config(document | sections)


def read_rows(folder: Path) -> list[dict[str, Any]]:
    return [row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def checksums(config: RunConfig) -> dict[str, str]:
    files = open_artifact(config.dataset_folder, "dataset").files
    return {name: entry["sha256"] for name, entry in files.items()}


def test_the_number_of_blocks_and_the_format_change_no_byte(tmp_path, monkeypatch):
    # six buckets: a user's rows lie in several row groups, and several buckets share a block
    monkeypatch.setattr(sequences, "ROWS_PER_BUCKET", 33)
    results = {}
    for ending, num_blocks in (("parquet", 1), ("parquet", None), ("csv", 16), ("jsonl", 4)):
        config = make_config(tmp_path, shop(), ending, data={"num_blocks": num_blocks})
        report = run_data(config, overwrite=True)
        results[ending, num_blocks] = (checksums(config), report["counts"])
    expected = results["parquet", 1]
    assert len([name for name in expected[0] if name.startswith("examples/train/")]) == 6
    for run, result in results.items():
        assert result == expected, run


def test_a_dataset_holds_what_its_manifest_counts(tmp_path):
    config = make_config(tmp_path, shop(), data={"targets_per_user": 0, "max_eval_users": 5})
    report = run_data(config)
    folder = config.dataset_folder
    manifest = open_artifact(folder, "dataset")
    lengths = [2 + user % 7 for user in range(NUM_USERS)]
    long_enough = [length for length in lengths if length >= 3]
    assert report["dataset"] == str(folder)
    assert report["counts"] == manifest.counts
    leaks = manifest.counts.pop("leaks")
    assert {leak["check"] for leak in leaks if leak["num_cases"] == len(long_enough) and leak["share"] == 0.0} == {
        "target_in_feature age",
        "target_in_feature city",
        "target_in_history",
        "numbered_texts",
        "numbered_ids",
        "future_in_history",
        "test_example_in_train",
    }
    assert manifest.counts == {
        "users": NUM_USERS,
        "items": NUM_ITEMS,
        "interactions": sum(lengths),
        "users_too_short": NUM_USERS - len(long_enough),
        "users_with_features": NUM_USERS,
        "rejects": {"interactions": {}, "items": {"empty_title": 1}, "users": {}},
        "examples": {"train": sum(length - 3 for length in long_enough), "valid": 5, "test": len(long_enough)},
        "events_too_long": 0,
        "texts_made_unique": 2,
        "text_notes": [],
        "titles_cut": 0,
        "split": {"kind": "leave_one_out", "valid_from": None, "test_from": None},
        "ties": manifest.counts["ties"],
        "input": {
            "format": "tables",
            "why": "input.interactions and input.items name them",
            "files": [],
            "notes": [],
            "left_out": {},
            "rows": {},
        },
    }
    splits = {split: read_rows(folder / "examples" / split) for split in ("train", "valid", "test")}
    assert {split: len(rows) for split, rows in splits.items()} == manifest.counts["examples"]
    sequences_read = {row["user_id"]: row for row in read_rows(folder / "interactions")}
    expected = {
        f"u{user}": [(user * 7 + event * 3) % NUM_ITEMS for event in range(2 + user % 7)] for user in range(NUM_USERS)
    }
    assert {user: row["items"] for user, row in sequences_read.items()} == expected
    for split, rows in splits.items():
        for row in rows:
            past = expected[row["user_id"]][: row["target_index"]]
            assert row["target_item"] == expected[row["user_id"]][row["target_index"]]
            assert [item for item in row["entity_items"] if item >= 0] == [*past, row["target_item"]]
            assert row["seen_items"] == ([] if split == "train" else past)
    assert json.loads((folder / "settings.json").read_text()) == {"user_features": ["age", "city"]}


def test_the_manifest_and_the_screen_tell_which_targets_a_tie_decides(tmp_path):
    config = make_config(tmp_path, shop())
    report = run_data(config)
    # events 0 and 1 of a user share a time, as do 2 and 3, 4 and 5, 6 and 7
    lengths = [2 + user % 7 for user in range(NUM_USERS)]
    tied = sum(length // 2 for length in lengths)
    decided_test = sum(length % 2 == 0 for length in lengths if length >= 3)
    # the last event but one shares its time with the event after it or, where the number of events is odd, before it
    num_targets = sum(length >= 3 for length in lengths)

    ties = report["counts"]["ties"]

    assert ties["pairs"] == {"tied": tied, "apart": sum(lengths) - NUM_USERS - tied}
    assert ties["targets"] == {
        "valid": {"all": num_targets, "decided": num_targets},
        "test": {"all": num_targets, "decided": decided_test},
    }
    assert ties["finding"] is None
    assert f"\n  {ties['statements'][0]}\n" in of_data(report)


def test_a_table_in_the_order_of_ids_is_told_of_and_does_not_stop_the_stage(tmp_path):
    tables = shop()
    for row in tables["interactions"]:
        row["timestamp"] = 1000 * (row["position"] // 4) + int(row["user_id"][1:])
        del row["position"]
    tables["interactions"].sort(key=lambda row: int(row["item_id"]))
    config = make_config(tmp_path, tables)

    report = run_data(config)

    finding = report["counts"]["ties"]["finding"]
    assert finding.startswith("The order of events with equal times follows the numbers in item ids: 100.0% of ")
    assert f"\n  note: {finding}\n" in of_data(report)
    seeded = run_data(make_config(tmp_path, tables, data={"tie_order": "seeded"}), overwrite=True)["counts"]["ties"]
    assert seeded["finding"] is None
    assert seeded["order"] == "seeded"
    assert seeded["statements"][1].startswith("Events of a user with equal times are ordered by a hash of (seed 0,")


def test_the_seeded_order_of_ties_depends_on_neither_blocks_nor_the_order_of_the_table(tmp_path, monkeypatch):
    monkeypatch.setattr(sequences, "ROWS_PER_BUCKET", 33)
    tables = shop()
    for row in tables["interactions"]:
        del row["position"]
    results = []
    for num_blocks in (1, 16):
        config = make_config(tmp_path, tables, data={"num_blocks": num_blocks, "tie_order": "seeded"})
        report = run_data(config, overwrite=True)
        results.append((checksums(config), report["counts"]))
        tables["interactions"].reverse()
    assert results[0] == results[1]
    expected = {}
    for user in range(NUM_USERS):
        days: dict[int, list[int]] = {}
        for event in range(2 + user % 7):
            days.setdefault(event // 2, []).append((user * 7 + event * 3) % NUM_ITEMS)
        ranked = [
            sorted(day, key=lambda item, user=user: rank_event(0, f"u{user}", str(item))) for day in days.values()
        ]
        expected[f"u{user}"] = [item for day in ranked for item in day]
    found = {row["user_id"]: row["items"] for row in read_rows(config.dataset_folder / "interactions")}
    assert found == expected
    tests = read_rows(config.dataset_folder / "examples" / "test")
    assert {row["user_id"]: row["target_item"] for row in tests} == {
        user: items[-1] for user, items in expected.items() if len(items) >= 3
    }


def test_text_in_titles_is_data_and_features_are_attribute_entities(tmp_path):
    config = make_config(tmp_path, shop())
    run_data(config)
    tokenizer, catalog = load_tokenizer(config.dataset_folder / "tokenizer"), load_catalog(config.dataset_folder)
    row = next(row for row in read_rows(config.dataset_folder / "examples" / "test") if row["user_id"] == "u1")
    texts = [catalog.items[item].text for item in (7, 10, 13)]
    text = tokenizer.decode(row["token_ids"])
    assert text.startswith("User: age 21, city Rome.")
    assert text.endswith(f"History: {texts[0]}. {texts[1]}. {texts[2]}")
    assert not {tokenizer.special.mask, tokenizer.special.gmask} & set(row["token_ids"])
    assert row["entity_items"] == [-1, -1, 7, 10, 13]
    assert set(catalog.attributes) == {"Rome", *map(str, range(20, 20 + NUM_USERS))}


def bad_rows() -> list[dict[str, Any]]:
    good = {"user_id": "u1", "item_id": 1, "timestamp": "5"}
    return [
        good | {"user_id": None},
        good | {"item_id": None},
        good | {"timestamp": None},
        good | {"timestamp": "soon"},
        good | {"item_id": 99},
        good | {"timestamp": "77"},
        good | {"timestamp": "77"},
    ]


def test_every_bad_row_is_in_the_rejects_table_with_its_number(tmp_path):
    tables = shop()
    for row in tables["interactions"]:
        del row["position"]
    num_good = len(tables["interactions"])
    tables["interactions"] += bad_rows()
    tables["users"].append({"user_id": "u1"})
    config = make_config(tmp_path, tables, "jsonl")
    counts = run_data(config)["counts"]
    expected = ["null_user", "null_item", "null_timestamp", "unparsable_timestamp", "unknown_item", "duplicate"]
    rejects = sorted(read_rows(config.dataset_folder / "rejects"), key=lambda row: (row["table"], row["row"]))
    assert [(row["table"], row["row"], row["reason"]) for row in rejects] == [
        *(
            ("interactions", num_good + offset, reason)
            for offset, reason in zip((0, 1, 2, 3, 4, 6), expected, strict=True)
        ),
        ("items", 2, "empty_title"),
        ("users", NUM_USERS, "duplicate_id"),
    ]
    assert json.loads(rejects[4]["values"]) == {"user_id": "u1", "item_id": "99", "timestamp": "5"}
    assert counts["rejects"] == {
        "interactions": dict.fromkeys(sorted(expected), 1),
        "items": {"empty_title": 1},
        "users": {"duplicate_id": 1},
    }
    assert counts["interactions"] == num_good + 1


def test_too_many_bad_rows_stop_the_stage_and_leave_nothing(tmp_path):
    tables = shop()
    tables["interactions"] += bad_rows() * 5
    config = make_config(tmp_path, tables, "jsonl")
    with pytest.raises(DataError, match=r"rows of the interactions table .* are rejected, more than input.max_reject"):
        run_data(config)
    assert list(config.folder.iterdir()) == []


def test_a_feature_that_names_the_target_stops_the_stage_unless_that_is_allowed(tmp_path):
    tables = shop()
    last_items = {row["user_id"]: f"{row['item_id']}" for row in tables["interactions"]}
    for user in tables["users"]:
        user["latest"] = last_items[user["user_id"]]
    config = make_config(tmp_path, tables)
    with pytest.raises(DataError, match=r"gives test targets away.*\n  leak target_in_feature latest: "):
        run_data(config)
    assert list(config.folder.iterdir()) == []
    allowed = make_config(tmp_path, tables, data={"max_leak_share": 1.0})
    (leak,) = (leak for leak in run_data(allowed)["counts"]["leaks"] if leak["check"] == "target_in_feature latest")
    assert leak["is_shown"]


def test_an_existing_dataset_is_not_replaced_unasked(tmp_path):
    config = make_config(tmp_path, shop())
    config.dataset_folder.mkdir(parents=True)
    with pytest.raises(CheckpointError, match="exists already"):
        run_data(config)


def test_an_error_inside_a_worker_arrives_as_itself(tmp_path):
    tables = shop()
    config = make_config(tmp_path, tables)
    rows = [row | {"user_id": str(row["user_id"]).encode()} for row in tables["interactions"] * 10]
    rows[75]["user_id"] = b"\xff"  # in a row group that is not looked into before
    write_table(rows, tmp_path / "interactions.parquet", "parquet")
    expected = (
        r"interactions.parquet \(input.interactions\): column user_id has the type binary, which is no UTF-8 text"
    )
    with pytest.raises(DataError, match=expected):
        run_data(config)
    assert list(config.folder.iterdir()) == []


def test_a_behaviour_field_needs_its_column(tmp_path):
    config = make_config(tmp_path, shop(), text={"behaviour_fields": ["rating"]})
    with pytest.raises(DataError, match=r"text.behaviour_fields names rating, but input.interactions.path"):
        run_data(config)


def test_a_worker_that_comes_up_when_the_folder_has_its_final_name_already_reads_nothing(tmp_path):
    config = make_config(tmp_path, shop())
    missing = str(tmp_path / "gone.partial")
    actor = ray.remote(num_cpus=0)(BucketWriter).remote(config, missing, ray.put(None), {}, None)
    assert ray.get(actor.__ray_ready__.remote())
    ray.kill(actor)
