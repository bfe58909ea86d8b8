"""The data stage on tables whose types differ, on a real Ray."""

import csv
import datetime
import decimal
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_model.errors import DataError
from recsys_platform.artifacts import open_artifact
from recsys_platform.config.run import RunConfig, build_config
from recsys_platform.data.stage import run_data

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("ray_cluster")]

START = datetime.datetime(2019, 10, 7, tzinfo=datetime.UTC)
EVENTS = [(user, (user * 3 + event * 2) % 7, START + datetime.timedelta(days=event, hours=user)) for event in range(5) for user in range(6)]  # fmt: skip
TITLES = [f"Tent {number}" if number != 3 else "Rock & Roll" for number in range(7)]
LIKES = [["hiking", "maps"], ["tea"]]


def milliseconds(moment: datetime.datetime) -> int:
    return int(moment.timestamp()) * 1000


def write_parquet(folder: Path) -> None:
    """Types of a warehouse: floats for ids, zones, dictionaries, bytes, views and decimals."""
    users, items, times = zip(*EVENTS, strict=True)
    interactions = {
        "user_id": pa.array(users, pa.int64()),
        "item_id": pa.array([float(item) for item in items]),
        "timestamp": pa.array(times, pa.timestamp("ms", tz="Europe/Berlin")),
        "action": pa.array(["buy" if item % 2 else "view" for item in items]).dictionary_encode(),
    }
    catalog = {
        "item_id": pa.array([str(item) for item in range(7)], pa.string_view()),
        "title": pa.array([title.encode() for title in TITLES]),
        "categories": pa.array([["All", f"C{item % 2}"] for item in range(7)]),
        "price": pa.array([decimal.Decimal("12.50")] * 7, pa.decimal128(10, 2)),
    }
    described = {
        "user_id": pa.array(range(6), pa.int32()),
        "age": pa.array([25.0 + user if user else None for user in range(6)]),
        "vip": pa.array([bool(user % 2) for user in range(6)]),
        "joined": pa.array([datetime.date(2019, 1, 1 + user) for user in range(6)]),
        "likes": pa.array([LIKES[user % 2] for user in range(6)]),
    }
    for name, columns in (("interactions", interactions), ("items", catalog), ("users", described)):
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")


def write_csv(folder: Path) -> None:
    """As pandas writes it: floats with a point, `True`, reprs of lists."""
    rows: dict[str, list[dict[str, Any]]] = {
        "interactions": [
            {"user_id": user, "item_id": float(item), "timestamp": milliseconds(time), "action": "buy" if item % 2 else "view"}
            for user, item, time in EVENTS
        ],
        "items": [
            {"item_id": item, "title": title.replace("&", "&amp;"), "categories": ["All", f"C{item % 2}"], "price": "$12.50"}
            for item, title in enumerate(TITLES)
        ],
        "users": [
            {"user_id": user, "age": 25.0 + user if user else "", "vip": bool(user % 2), "joined": f"2019-01-0{1 + user} 00:00:00", "likes": LIKES[user % 2]}
            for user in range(6)
        ],
    }  # fmt: skip
    for name, table in rows.items():
        with (folder / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(table[0]))
            writer.writeheader()
            writer.writerows(table)


def write_jsonl(folder: Path) -> None:
    """As a web service writes it: ISO 8601, numbers as they come, nulls left out."""
    rows: dict[str, list[dict[str, Any]]] = {
        "interactions": [
            {"user_id": str(user), "item_id": item, "timestamp": time.isoformat(), "action": "buy" if item % 2 else "view"}
            for user, item, time in EVENTS
        ],
        "items": [
            {"item_id": item, "title": title, "categories": f"All|C{item % 2}", "price": 12.5}
            for item, title in enumerate(TITLES)
        ],
        "users": [
            {"user_id": user, **({"age": 25 + user} if user else {}), "vip": bool(user % 2), "joined": f"2019-01-0{1 + user}", "likes": LIKES[user % 2]}
            for user in range(6)
        ],
    }  # fmt: skip
    for name, table in rows.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table))


def make_config(folder: Path, ending: str, **settings: Any) -> RunConfig:
    tables = {name: {"path": str(folder / f"{name}.{ending}")} for name in ("interactions", "items", "users")}
    for name, value in settings.items():
        table, key = name.split("__")
        tables[table][key] = value
    return build_config(
        {
            "name": f"run-{ending}",
            "storage": str(folder / "runs"),
            "input": {**tables, "user_features": ["age", "vip", "joined", "likes"]},
            "tokenizer": {"vocab_size": 400},
            "text": {"behaviour_fields": ["action", "categories"]},
        }
    )


def files_of(config: RunConfig) -> dict[str, str]:
    run_data(config)
    files = open_artifact(config.dataset_folder, "dataset").files
    return {name: entry["sha256"] for name, entry in files.items()}


def test_tables_of_three_programs_give_byte_equal_datasets(tmp_path):
    for write in (write_parquet, write_csv, write_jsonl):
        write(tmp_path)
    expected = files_of(make_config(tmp_path, "parquet"))
    assert any(name.startswith("examples/train/") for name in expected)
    assert files_of(make_config(tmp_path, "csv")) == expected
    assert files_of(make_config(tmp_path, "jsonl")) == expected


def test_ids_that_lost_their_zeros_are_explained_and_id_width_gives_them_back(tmp_path):
    write_jsonl(tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "items.jsonl").read_text().splitlines()]
    lines = [json.dumps(row | {"item_id": f"00{row['item_id']}"}) + "\n" for row in rows]
    (tmp_path / "items.jsonl").write_text("".join(lines))
    with pytest.raises(DataError) as caught:
        run_data(make_config(tmp_path, "jsonl"))
    assert (
        "30 of 30 such rows differ from an id of input.items by zeros in front alone ('0' here, '000' there): set "
        in str(caught.value)
    )
    assert "set input.interactions.id_width to {item_id: 3}, or write ids as text in both tables" in str(caught.value)
    counts = run_data(make_config(tmp_path, "jsonl", interactions__id_width={"item_id": 3}))["counts"]
    assert counts["interactions"] == len(EVENTS)


def test_a_users_table_that_describes_nobody_is_an_error_with_ids_of_both(tmp_path):
    write_jsonl(tmp_path)
    text = (tmp_path / "users.jsonl").read_text().replace('"user_id": ', '"user_id": 10')
    (tmp_path / "users.jsonl").write_text(text)
    with pytest.raises(DataError, match=r"6 of 6 users of the interactions have no row in input.users: .* \['10[0-5]'"):
        run_data(make_config(tmp_path, "jsonl"))
