"""Facts go through the whole data stage on a real Ray: from literal tables with reviews to the rows of a split."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_model.errors import DataError
from recsys_platform.artifacts import open_artifact
from recsys_platform.cli.summaries import of_data
from recsys_platform.config.run import RunConfig, build_config
from recsys_platform.data import sequences
from recsys_platform.data.stage import run_data
from recsys_platform.task_columns import load_task_source

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("ray_cluster")]

TASKS = {
    "template_share": 0.5,
    "rating_weight": 1.0,
    "explanation_weight": 1.0,
    "review_weight": 1.0,
    "candidate_weight": 1.0,
    "num_candidates": 3,
}
NUM_USERS = 12
TRAINED = "The sound is great for the price."
HELD_OUT = "The colour is great for the price."


def interactions() -> list[dict[str, Any]]:
    """12 users with 5 events; the last two reviews of each tell of another thing than the first three."""
    return [
        {
            "user_id": f"u{user:02d}",
            "item_id": f"i{(user * 5 + event * 3) % 8}",
            "timestamp": 100 * event + user,
            "rating": 1.0 + (user + event) % 5,
            "review_text": None if (user, event) == (0, 2) else HELD_OUT if event > 2 else TRAINED,
            "summary": f"event {event}",
        }
        for event in range(5)
        for user in range(NUM_USERS)
    ]


def items() -> list[dict[str, Any]]:
    return [
        {"item_id": f"i{item}", "title": f"Thing {item}", "brand": "Acme", "categories": "All|Odd", "price": 1.5}
        for item in range(8)
    ]


def make_config(folder: Path, name: str = "asked", **sections: Any) -> RunConfig:
    """Write the interactions as two files and return a run on both."""
    rows = interactions()
    for part, table in (("early", rows[:35]), ("late", rows[35:]), ("items", items())):
        pq.write_table(pa.Table.from_pylist(table), folder / f"{part}.parquet")
    document: dict[str, Any] = {
        "name": name,
        "storage": str(folder / "runs"),
        "input": {
            "interactions": {"path": str(folder / "early.parquet"), "further_paths": [str(folder / "late.parquet")]},
            "items": {"path": str(folder / "items.parquet")},
        },
        "tokenizer": {"vocab_size": 500},
        "tasks": TASKS,
    }
    document["input"] |= sections.pop("input", {})
    return build_config(document | sections)


def rows_of(config: RunConfig, split: str) -> dict[str, dict[str, Any]]:
    folder = config.dataset_folder / "examples" / split
    return {row["user_id"]: row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()}


def checksums(config: RunConfig) -> dict[str, str]:
    return {name: entry["sha256"] for name, entry in open_artifact(config.dataset_folder, "dataset").files.items()}


def test_every_split_knows_what_was_written_of_its_events_and_training_no_held_out_word(tmp_path):
    config = make_config(tmp_path)
    result = run_data(config)
    source = load_task_source(config.dataset_folder)
    for split, event in (("train", 2), ("valid", 3), ("test", 4)):
        row = rows_of(config, split)["u01"]
        facts = source.facts(row)
        assert (facts.rating, facts.summary) == (1.0 + (1 + event) % 5, f"event {event}")
        assert [past.item for past in facts.history] == [(5 + past * 3) % 8 for past in range(event)]
        assert [past.rating for past in facts.history] == [1.0 + (1 + past) % 5 for past in range(event)]
        known = 3 if split == "train" else 5
        assert row["own_items"] == sorted((5 + past * 3) % 8 for past in range(known))
    assert (rows_of(config, "train")["u01"]["feature"], rows_of(config, "test")["u01"]["feature"]) == ("sound", "price")
    assert rows_of(config, "train")["u01"]["explanation"] == TRAINED
    assert rows_of(config, "train")["u00"]["review"] == ""
    assert source.items.attributes[3] == {"brand": "Acme", "category": "Odd", "price": "1.5"}
    tasks = result["counts"]["tasks"]
    assert tasks["train"] == {
        "rating": NUM_USERS,
        "sequential": NUM_USERS,
        "explanation": NUM_USERS - 1,
        "explanation_hint": NUM_USERS - 1,
        "review_summary": NUM_USERS - 1,
        "review_rating": NUM_USERS - 1,
        "candidate": NUM_USERS,
    }
    assert tasks["test"]["explanation"] == NUM_USERS
    assert tasks["explanations"]["training_reviews"] == 3 * NUM_USERS - 1
    assert "train examples per task: rating 12, sequential 12, explanation 11" in of_data(result)
    assert tasks["explanations"]["statement"] in of_data(result)


def test_without_tasks_no_byte_changes_whatever_their_weights(tmp_path):
    silent = make_config(tmp_path, "silent", tasks=TASKS | {"template_share": 0.0})
    default = make_config(tmp_path, "default", tasks={})
    for config in (silent, default):
        assert "tasks" not in run_data(config)["counts"]
    assert checksums(silent) == checksums(default)
    assert "items.parquet" not in checksums(default)
    assert "review" not in rows_of(default, "train")["u01"]


def test_the_number_of_blocks_changes_no_byte_of_what_is_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(sequences, "ROWS_PER_BUCKET", 20)
    one, many = (make_config(tmp_path, f"blocks-{number}", data={"num_blocks": number}) for number in (1, 8))
    assert run_data(one)["counts"] == run_data(many)["counts"]
    assert checksums(one) == checksums(many)
    assert len([name for name in checksums(one) if name.startswith("examples/train/")]) == 3


def test_a_family_that_lacks_its_column_stops_the_stage(tmp_path):
    config = make_config(tmp_path)
    for part in ("early", "late"):
        path = tmp_path / f"{part}.parquet"
        pq.write_table(pq.read_table(path).drop_columns(["review_text"]), path)
    with pytest.raises(DataError, match=r"tasks\.explanation_weight is 1, but .* has no column review_text; map it"):
        run_data(config)


def test_ratings_beyond_five_stars_stop_the_stage(tmp_path):
    config = make_config(tmp_path)
    path = tmp_path / "late.parquet"
    rows = [row | {"rating": 10.0} for row in pq.read_table(path).to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows), path)
    with pytest.raises(DataError, match=r"ratings must be from 1 to 5 to be answers, got 1 to 10; rescale them"):
        run_data(config)


def test_a_family_whose_column_is_empty_everywhere_stops_the_stage(tmp_path):
    config = make_config(tmp_path)
    for part in ("early", "late"):
        rows = [row | {"review_text": ""} for row in pq.read_table(tmp_path / f"{part}.parquet").to_pylist()]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"{part}.parquet")
    with pytest.raises(
        DataError, match=r"tasks\.explanation_weight is 1, but no training example has the facts of expl"
    ):
        run_data(config)


def test_the_catalogue_can_be_what_occurs_in_the_interactions(tmp_path):
    config = make_config(tmp_path, input={"catalog": "interactions"}, tasks={})
    # two of the eight items have no row any more, and one more row is of an item that nobody took
    pq.write_table(
        pa.Table.from_pylist([*items()[2:], {"item_id": "new", "title": "New", "categories": "All"}]),
        tmp_path / "items.parquet",
    )
    counts = run_data(config)["counts"]
    assert (counts["items"], counts["items_left_out"], counts["items_without_row"]) == (8, 1, 2)
    assert counts["interactions"] == 5 * NUM_USERS
    lines = (config.dataset_folder / "catalog.jsonl").read_text().splitlines()
    assert [line.split('"')[3] for line in lines] == ["i2", "i3", "i4", "i5", "i6", "i7", "i0", "i1"]


def test_a_further_path_that_does_not_exist_is_named(tmp_path):
    config = make_config(tmp_path)
    (tmp_path / "late.parquet").unlink()
    with pytest.raises(DataError, match=r"input\.interactions\.further_paths .*late\.parquet does not exist"):
        run_data(config)
