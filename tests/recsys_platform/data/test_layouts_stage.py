"""Files, rows and long titles through the whole data stage, on a real Ray."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from recsys_model.entities.catalog import load_catalog
from recsys_model.errors import DataError
from recsys_platform.artifacts import open_artifact
from recsys_platform.cli.summaries import of_data
from recsys_platform.config.run import RunConfig, build_config
from recsys_platform.data.stage import run_data

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("ray_cluster")]

LONG_TITLE = " ".join(f"word{number}" for number in range(300))


def make(folder: Path, files: dict[str, str], tables: dict[str, Any], **sections: Any) -> RunConfig:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    document = {"name": "run", "storage": str(folder / "runs"), "input": tables, "tokenizer": {"vocab_size": 400}}
    return build_config(document | sections)


def read_rows(folder: Path) -> list[dict[str, Any]]:
    return [row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def test_impressions_without_times_and_without_items_become_a_dataset(tmp_path):
    """Two parts without a header, titles beside the events, clicks alone count, the order is that of the rows."""
    parts: dict[str, str] = {}
    expected: dict[str, list[str]] = {}
    for part in range(2):
        lines = []
        for event in range(6):
            for user in range(part * 4, part * 4 + 4):
                item, label = (user * 5 + event * 3) % 11, int(event != 2)
                lines.append(f"u{user};N{item};Piece {item};{label}\n")
                if label:
                    expected.setdefault(f"u{user}", []).append(f"N{item}")
        parts[f"events/part-{part}.txt"] = "".join(lines)
    parts["events/README.md"] = "about"
    columns = {"user_id": 0, "item_id": 1, "title": 2}
    table = {"path": f"{tmp_path}/events", "header": False, "columns": columns, "where": "3 == 1", "order": "rows"}
    config = make(tmp_path, parts, {"interactions": table, "items": "from_interactions"})

    report = run_data(config)

    counts = open_artifact(config.dataset_folder, "dataset").counts
    assert (counts["users"], counts["interactions"], counts["items"]) == (8, 40, 11)
    assert counts["rejects"] == {"interactions": {}, "items": {}, "users": {}}
    assert counts["examples"] == {"train": 8, "valid": 8, "test": 8}
    assert counts["input"]["notes"] == [
        f"interactions: not read as a table in {tmp_path}/events: README.md",
        "interactions: 8 of 48 rows are left out, since not 3 == 1",
    ]
    assert "8 of 48 rows are left out" in of_data(report)
    catalog = load_catalog(config.dataset_folder)
    assert {item.title for item in catalog.items} == {f"Piece {number}" for number in range(11)}
    rows = read_rows(config.dataset_folder / "interactions")
    ids = {row["user_id"]: [catalog.items[index].item_id for index in row["items"]] for row in rows}
    assert ids == expected
    assert all(row["timestamps"] == [0.0, 1.0, 2.0, 3.0, 4.0] for row in rows)


def events_of(lengths: dict[str, int], num_items: int) -> str:
    lines = [
        f"{user},i{(index * 3 + place) % num_items},{1_500_000_000 + place * 1000 + index}\n"
        for index, (user, length) in enumerate(lengths.items())
        for place in range(length)
    ]
    return "user_id,item_id,timestamp\n" + "".join(lines)


def test_an_open_quote_and_long_titles_cost_no_row_and_no_past(tmp_path):
    """i3 nearly fills a text, i4 was bought by nobody and is longer than one, and the quote of i5 is not closed."""
    long_title = " ".join(LONG_TITLE.split()[:55])
    titles = {f"i{number}": f"Thing {number}" for number in range(12)}
    titles |= {"i3": long_title, "i20": LONG_TITLE}
    items = "item_id,title\n" + "".join(f"{item_id},{title}\n" for item_id, title in titles.items())
    items = items.replace("i5,Thing 5", 'i5,"Thing 5')
    events = "".join(
        line for line in events_of({f"u{n}": 12 for n in range(12)}, 12).splitlines(True) if ",i5," not in line
    )
    tables = {name: {"path": f"{tmp_path}/{name}.csv"} for name in ("interactions", "items")}
    sections = {"text": {"max_tokens": 128}, "data": {"targets_per_user": 0, "max_leak_share": 1.0}}
    config = make(tmp_path, {"items.csv": items, "interactions.csv": events}, tables, **sections)

    report = run_data(config)

    counts = report["counts"]
    assert counts["rejects"]["items"] == {"malformed_line": 1}
    assert counts["items"] == 12
    assert counts["titles_cut"] == 1
    assert counts["events_too_long"] > 0
    assert "1 titles were longer than a text (text.max_tokens) and are cut" in of_data(report)
    rejects = read_rows(config.dataset_folder / "rejects")
    assert [(row["row"], row["values"]) for row in rejects] == [
        (5, '{"line": "line 7, a quote is not closed: i5,\\"Thing 5"}')
    ]
    catalog = load_catalog(config.dataset_folder)
    places = {item.item_id: index for index, item in enumerate(catalog.items)}
    assert max(len(item.token_ids) for item in catalog.items) < 126
    assert LONG_TITLE.startswith(catalog.items[places["i20"]].title)
    told = {
        (row["user_id"], row["target_index"]): row["entity_items"]
        for row in read_rows(config.dataset_folder / "examples" / "test")
    }
    sequences = {row["user_id"]: row["items"] for row in read_rows(config.dataset_folder / "interactions")}
    for (user, target), entities in told.items():
        past = [item for item in sequences[user][:target] if item != places["i3"]]
        assert set(past) <= set(entities), "the events before the long title are told"


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        (
            {"u1": 1, "u2": 3, "u3": 3},
            "of 3 users with accepted interactions 1 have fewer than data.min_user_interactions 3, 2 have",
        ),
        ({"u1": 2, "u2": 2}, "of 2 users with accepted interactions 2 have fewer"),
    ],
)
def test_sequences_that_are_too_short_for_a_training_example_are_refused(tmp_path, lengths, message):
    items = "item_id,title\n" + "".join(f"i{number},Thing {number}\n" for number in range(5))
    tables = {name: {"path": f"{tmp_path}/{name}.csv"} for name in ("interactions", "items")}
    config = make(tmp_path, {"items.csv": items, "interactions.csv": events_of(lengths, 5)}, tables)
    with pytest.raises(DataError, match=message) as caught:
        run_data(config)
    assert "A user gives a training example from 4 events on: 2 held out, a target, and one before it." in str(
        caught.value
    )
    assert not config.dataset_folder.exists()
