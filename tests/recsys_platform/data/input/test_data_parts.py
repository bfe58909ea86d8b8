"""A table in several files whose types or columns differ."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_model.errors import ConfigError, DataError
from recsys_platform.config.input import InputConfig, TableConfig
from recsys_platform.data.input.contract import check_users
from recsys_platform.data.input.open import open_interactions, open_users
from recsys_platform.data.input.sources import read_whole
from recsys_platform.data.input.tables import open_table
from recsys_platform.data.input.times import to_times


def write(folder: Path, name: str, columns: dict) -> None:
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), folder / f"{name}.parquet")


def users_in(folder: Path) -> dict[str, dict[str, str]]:
    """Every user's features."""
    config = InputConfig(
        interactions=TableConfig(path="none"), items=TableConfig(path="none"), users=TableConfig(path=str(folder))
    )
    table, features = open_users(config)
    assert table is not None
    users = check_users(read_whole(table), features)
    return dict(zip(users.user_ids, users.features, strict=True))


PARTS = {
    "int": {"user_id": pa.array([1, 2]), "age": pa.array([25, None])},
    "text": {"user_id": pa.array(["3", "x"]), "city": pa.array(["Ulm", None])},
    "float": {"age": pa.array([25.0, 26.5]), "user_id": pa.array([4.0, 5.0], pa.float32())},
    "others": {
        "user_id": pa.array([b"6"], pa.binary()),
        "age": pa.array([True]),
        "city": pa.array(["Bonn"]).dictionary_encode(),
    },
}
EXPECTED = {
    "1": {"age": "25"},
    "2": {},
    "3": {"city": "Ulm"},
    "x": {},
    "4": {"age": "25"},
    "5": {"age": "26.5"},
    "6": {"age": "true", "city": "Bonn"},
}


@pytest.mark.parametrize("order", [["int", "text", "float", "others"], ["others", "float", "text", "int"]])
def test_parts_of_other_types_and_columns_give_the_same_rows_in_any_order(tmp_path, order):
    for place, name in enumerate(order):
        write(tmp_path / "users", f"part-{place}", PARTS[name])
    users = users_in(tmp_path / "users")
    assert users == EXPECTED
    assert [list(features) for features in users.values() if len(features) == 2] == [["age", "city"]]


def test_an_optional_column_that_a_part_lacks_is_null_there_with_a_note(tmp_path):
    write(tmp_path / "t", "a", {"user_id": ["u"], "item_id": ["i"], "timestamp": [1]})
    write(tmp_path / "t", "b", {"user_id": ["v"], "item_id": ["i"], "timestamp": ["2"], "rating": [4.5]})
    table = open_table(
        "interactions", TableConfig(path=str(tmp_path / "t")), ["user_id", "item_id", "timestamp"], ["rating"]
    )
    assert read_whole(table)["rating"].to_pylist() == [None, 4.5]
    assert read_whole(table)["timestamp"].to_pylist() == ["1", "2"]
    assert table.notes == (
        f"interactions: 1 of 2 files lack the column rating, such as {tmp_path / 't' / 'a.parquet'}",
    )


def test_a_csv_part_without_a_column_that_rows_need_is_named(tmp_path):
    (tmp_path / "a.csv").write_text("user_id,item_id,timestamp\nu,i,1\n")
    (tmp_path / "b.csv").write_text("user_id,item_id,when\nu,i,1\n")
    with pytest.raises(DataError, match=r"b.csv \(input.interactions\) lacks the column timestamp"):
        open_table("interactions", TableConfig(path=str(tmp_path)), ["user_id", "item_id", "timestamp"], [])


def test_keys_that_only_a_later_json_file_has_are_columns(tmp_path):
    (tmp_path / "users").mkdir()
    for name, row in (("a", {"user_id": 1}), ("b", {"user_id": 2, "age": 25.0})):
        (tmp_path / "users" / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    assert users_in(tmp_path / "users") == {"1": {}, "2": {"age": "25"}}


def test_a_feature_whose_key_comes_late_is_an_error_and_not_lost(tmp_path):
    rows = [{"user_id": number} for number in range(1001)] + [{"user_id": 1001, "age": 25}]
    (tmp_path / "users.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DataError, match=r"users.jsonl: \['age'\] are keys only after the first 1,000 objects"):
        users_in(tmp_path / "users.jsonl")


@pytest.mark.parametrize(("name", "is_lost"), [("rating", True), ("colour", False)])
def test_a_late_key_of_an_event_is_an_error_only_if_it_would_be_read(tmp_path, name, is_lost):
    event = {"user_id": "u", "item_id": "i", "timestamp": 1570407501}
    rows = [*[event] * 1001, {**event, name: 5}]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if is_lost:
        with pytest.raises(DataError, match=r"\['rating'\] are keys only after"):
            interactions_in(tmp_path / "events.jsonl")
    else:
        assert interactions_in(tmp_path / "events.jsonl").num_rows == 1002


def interactions_in(folder: Path):
    config = InputConfig(interactions=TableConfig(path=str(folder)), items=TableConfig(path="none"))
    return open_interactions(config)


def test_files_whose_times_count_different_units_are_named(tmp_path):
    event = {"user_id": ["u"] * 3, "item_id": ["i"] * 3}
    write(tmp_path / "t", "a", event | {"timestamp": [1570407501, 1570407502, 1570407503]})
    write(tmp_path / "t", "b", event | {"timestamp": [1570407501123, 1570407502123, 1570407503123]})
    with pytest.raises(DataError, match=r"b.parquet in ms and .*a.parquet in s; write them alike"):
        interactions_in(tmp_path / "t")


def test_times_are_recognised_when_the_table_is_opened(tmp_path):
    write(tmp_path / "t", "a", {"user_id": ["u"], "item_id": ["i"], "timestamp": [20240501]})
    assert interactions_in(tmp_path / "t").reading.times.numbers == "calendar"


@pytest.mark.parametrize(
    ("value", "settings", "seconds"),
    [
        (2019, {"time_unit": "s"}, 2019.0),
        (43745.5, {"time_unit": "days"}, 1570449600.0),
        (1570407501123, {"time_unit": "ms"}, 1570407501.123),
        ("10/07/2019", {"time_format": "%m/%d/%Y"}, 1570406400.0),
        (2019, {"time_format": "%Y"}, 1546300800.0),
    ],
)
def test_the_setting_that_an_unclear_time_needs_reads_it(tmp_path, value, settings, seconds):
    write(tmp_path / "t", "a", {"user_id": ["u"], "item_id": ["i"], "timestamp": [value]})
    config = InputConfig(interactions=TableConfig(path=str(tmp_path / "t"), **settings), items=TableConfig(path="none"))
    table = open_interactions(config)
    assert to_times(read_whole(table)["timestamp"], table.reading.times).values.tolist() == [seconds]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"time_unit": "ms", "time_format": "%Y"}, "time_unit ms is for numbers and .* '%Y' for texts; set one"),
        ({"id_width": {"item_id": 0}}, "id_width must give user_id or item_id at least 1 digit, got {'item_id': 0}"),
        ({"id_width": {"sku": 9}}, "id_width must give user_id or item_id at least 1 digit, got {'sku': 9}"),
    ],
)
def test_settings_of_values_are_checked(settings, message):
    with pytest.raises(ConfigError, match=message):
        TableConfig(path="t", **settings)


def test_only_the_interactions_have_times():
    with pytest.raises(
        ConfigError, match=r"input.items has no times; set time_unit and time_format in input.interactions"
    ):
        InputConfig(interactions=TableConfig(path="a"), items=TableConfig(path="b", time_unit="ms"))


def test_a_column_without_a_plain_form_is_named_with_its_file(tmp_path):
    write(tmp_path / "t", "a", {"user_id": ["u"], "item_id": ["i"], "timestamp": pa.array([5], pa.duration("s"))})
    message = r"a.parquet \(input.interactions\): column timestamp has the type duration\[s\], which is neither text"
    with pytest.raises(DataError, match=message):
        interactions_in(tmp_path / "t")
