"""Lists that become rows, fields inside columns and rows that count, the same in text and in Parquet."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_model.errors import DataError
from recsys_platform.config.input import TableConfig
from recsys_platform.data.input.conditions import parse_condition
from recsys_platform.data.input.sources import MALFORMED, ROW, read_head, read_whole
from recsys_platform.data.input.table import Table
from recsys_platform.data.input.tables import find_table, open_table

REQUIRED = ("user_id", "item_id", "timestamp")


def write(folder: Path, records: list[dict[str, Any]], ending: str) -> Path:
    path = folder / f"t.{ending}"
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist(records), path, row_group_size=2)
    else:
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def open_at(path: Path, **settings) -> Table:
    return open_table("interactions", TableConfig(path=str(path), **settings), REQUIRED, ("action",))


def rows(table: Table) -> list[tuple[str | None, ...]]:
    block = read_whole(table)
    columns = [block[name].cast(pa.string()).to_pylist() for name in (*REQUIRED, ROW)]
    return list(zip(*columns, strict=True))


SESSIONS = [
    {"session": 5, "events": [{"aid": 1, "ts": 10, "type": "view"}, {"aid": 2, "ts": 11, "type": "buy"}]},
    {"session": 6, "events": []},
    {"session": 7, "events": [{"aid": 3, "ts": 12, "type": "buy"}]},
]
NESTED = {"user_id": "session", "item_id": "events.aid", "timestamp": "events.ts"}


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_nested_events_become_rows(tmp_path, ending):
    table = open_at(write(tmp_path, SESSIONS, ending), explode="events", columns=NESTED)
    assert rows(table) == [("5", "1", "10", "0"), ("5", "2", "11", "1"), ("7", "3", "12", "2")]
    assert table.num_rows == 3
    assert table.notes == ("interactions: 1 records have an empty list in events and give no row",)


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_rows_that_do_not_count_are_left_out_and_counted_and_keep_the_numbers_of_others(tmp_path, ending):
    path = write(tmp_path, SESSIONS, ending)
    table = open_at(path, explode=("events",), columns=NESTED, where="events.type == buy")
    assert rows(table) == [("5", "2", "11", "1"), ("7", "3", "12", "2")]
    assert (table.num_rows, table.num_left_out) == (2, 1)
    assert "interactions: 1 of 3 rows are left out, since not events.type == buy" in table.notes


LISTS = [
    {"user_id": "ann", "item_id": [5, 7], "timestamp": [1.0, 2.0], "action": "view"},
    {"user_id": "bob", "item_id": [8], "timestamp": [3.0, 4.0], "action": "buy"},
    {"user_id": "cat", "item_id": [9], "timestamp": [5.0], "action": None},
]


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_lists_of_unequal_length_cost_one_row(tmp_path, ending):
    table = open_at(write(tmp_path, LISTS, ending), explode=("item_id", "timestamp"))
    block = read_whole(table)
    assert block["user_id"].to_pylist()[:2] == ["ann", "ann"]
    assert block["item_id"].cast(pa.string()).to_pylist()[:2] == ["5", "7"]
    assert [text is None for text in block[MALFORMED].to_pylist()] == [True, True, False, True]
    assert block[MALFORMED][2].as_py().startswith("explode: lists of unequal length, item_id has 1, timestamp has 2: {")


@pytest.mark.parametrize(
    "cells", [("N1 N2", "1 2"), ("N1|N2", "1|2"), ("['N1', 'N2']", "[1, 2]"), ('["N1", "N2"]', "1;2")]
)
def test_a_list_in_a_cell_becomes_rows(tmp_path, cells):
    path = tmp_path / "t.tsv"
    path.write_text("user_id\titem_id\ttimestamp\n" + "\t".join(("ann", *cells)) + "\n")
    assert rows(open_at(path, explode=("item_id", "timestamp"))) == [("ann", "N1", "1", "0"), ("ann", "N2", "2", "1")]


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_a_value_that_is_no_list_cannot_become_rows(tmp_path, ending):
    records = [{"user_id": "ann", "item_id": "[5", "timestamp": 1}]
    block = read_whole(open_at(write(tmp_path, records, ending), explode="item_id"))
    assert block[MALFORMED][0].as_py().startswith("explode: item_id holds no list: ")


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_a_path_names_a_field_inside_a_column(tmp_path, ending):
    records = [
        {"who": {"id": "ann"}, "event": {"item": {"id": "i1"}, "at": 5}},
        {"who": {"id": "bob"}, "event": None},
    ]
    columns = {"user_id": "who.id", "item_id": "event.item.id", "timestamp": "event.at"}
    assert rows(open_at(write(tmp_path, records, ending), columns=columns)) == [
        ("ann", "i1", "5", "0"),
        ("bob", None, None, "1"),
    ]


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_paths_that_lead_nowhere_are_named(tmp_path, ending):
    path = write(tmp_path, SESSIONS, ending)
    with pytest.raises(DataError, match=r"lacks the columns \['events.id \(our item_id\)'\]; it has \['events'"):
        open_at(path, columns=NESTED | {"item_id": "events.id"}, explode="events")
    with pytest.raises(DataError, match=r"input.interactions.where names the columns \['kind'\], which .* lacks"):
        open_at(path, columns=NESTED, explode="events", where="kind == buy")
    with pytest.raises(DataError, match=r"input.interactions.explode names the columns \['event'\]"):
        open_at(path, columns=NESTED, explode="event")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("label == 1", ["a", "c", "d", "e"]),
        ("label != 1", ["b", "f"]),
        ("label > 0.5 and kind in (view, 'add to cart')", ["a", "d"]),
        ("kind == view", ["a", "b"]),
        ("`the day` >= 2019-10-02", ["b", "c"]),
        ("label == true", ["a", "c", "d", "e"]),
        ("label == '1'", ["a"]),
    ],
)
def test_a_condition_compares_numbers_and_texts(text, expected):
    table = {
        "a": {"label": "1", "kind": "view", "the day": "2019-10-01"},
        "b": {"label": "0", "kind": "view", "the day": "2019-10-02"},
        "c": {"label": "1.0", "kind": None, "the day": "2019-11-01"},
        "d": {"label": True, "kind": "add to cart"},
        "e": {"label": 1.0000, "kind": "buy"},
        "f": {"label": "no", "kind": ""},
        "g": {"label": None, "kind": "buy"},
    }
    if text == "label == '1'":
        table["e"]["label"] = 2.0
    condition = parse_condition(text, "input.interactions.where")
    assert [name for name, row in table.items() if condition.holds(row.get)] == expected


@pytest.mark.parametrize(
    "text",
    ["", "label", "label = 1", "label == 1 and", "label in 1", "== 1", "label == 1 or a == 2", "a in (1", "a in ()"],
)
def test_what_is_no_condition_is_refused_with_an_example(text):
    with pytest.raises(DataError, match=r"input.items.where must be comparisons .* such as `label == 1`"):
        parse_condition(text, "input.items.where")


def test_a_condition_that_no_row_fulfils_is_an_error(tmp_path):
    with pytest.raises(
        DataError, match=r"has no rows for which input.interactions.where, action == x, holds; it has 3"
    ):
        open_at(write(tmp_path, LISTS, "parquet"), where="action == x")


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_an_order_without_times_gives_all_events_one_time_and_positions(tmp_path, ending):
    records = [{"user_id": "ann", "item_id": "i1", "position": 7}, {"user_id": "ann", "item_id": "i2", "position": 3}]
    path = write(tmp_path, records, ending)
    config = TableConfig(path=str(path), order="rows")
    block = read_whole(open_table("interactions", config, ("user_id", "item_id"), ()))
    assert block["timestamp"].to_pylist() == [0.0, 0.0]
    assert block["position"].to_pylist() == [0, 1]


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_the_head_of_a_table_needs_no_count(tmp_path, ending):
    config = TableConfig(path=str(write(tmp_path, LISTS, ending)), where="action != buy")
    table, _ = find_table("interactions", config, REQUIRED, ())
    assert read_head(table, 1)[ROW].to_pylist() == [0]
    assert read_head(table, 9)["user_id"].to_pylist() == ["ann"]
