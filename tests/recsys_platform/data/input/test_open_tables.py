"""What the tables of a shop are opened with: features, indices, labels, orders, items of the interactions."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_model.errors import DataError
from recsys_platform.config.input import InputConfig, TableConfig
from recsys_platform.data.input.contract import check_items
from recsys_platform.data.input.open import find_users, open_interactions, open_items, open_users
from recsys_platform.data.input.sources import read_whole


def settings(folder: Path, **changes: Any) -> InputConfig:
    tables = {"interactions": TableConfig(path=str(folder / "events.csv")), "items": TableConfig(path="unread")}
    return InputConfig(**(tables | changes))


def write(path: Path, text: str) -> TableConfig:
    path.write_text(text)
    return TableConfig(path=str(path))


@pytest.mark.parametrize(
    ("header", "left_out"),
    [
        (",user_id,age", "a column without a name"),
        ("Unnamed: 0,user_id,age", "the column Unnamed: 0"),
        ("user_id,age,", "a column without a name"),
    ],
)
def test_a_column_without_a_name_is_no_feature(tmp_path, header, left_out):
    values = "ann,25," if header.endswith(",") else "17,ann,25"
    users = write(tmp_path / "users.csv", f"{header}\n{values}\n")
    table, features = open_users(settings(tmp_path, users=users))
    assert features == ("age",)
    assert table is not None
    assert table.notes == (
        f"users: {left_out} is an index, not a feature, and is left out; to use it, name it in input.user_features",
    )


def test_two_columns_without_names_are_no_columns_of_equal_names(tmp_path):
    users = write(tmp_path / "users.csv", ",,user_id,age\n0,1,ann,25\n")
    assert find_users(settings(tmp_path, users=users))[1] == ("age",)


@pytest.mark.parametrize("name", [None, "row"])
def test_the_index_of_a_pandas_table_is_no_feature_unless_it_is_asked_for(tmp_path, name):
    frame = pd.DataFrame({"user_id": ["ann", "bob"], "age": [25, 30]}, index=pd.Index([17, 19], name=name))
    frame.to_parquet(tmp_path / "users.parquet")
    written = name or "__index_level_0__"
    assert written in pq.read_schema(tmp_path / "users.parquet").names
    users = TableConfig(path=str(tmp_path / "users.parquet"))
    table, features = find_users(settings(tmp_path, users=users))
    assert features == ("age",)
    assert table is not None
    assert f"the column {written} is an index" in table.notes[0]
    table, features = open_users(settings(tmp_path, users=users, user_features=(written,)))
    assert features == (written,)


def test_the_index_of_a_pandas_table_may_be_the_users(tmp_path):
    frame = pd.DataFrame({"age": [25]}, index=pd.Index(["ann"], name="user_id"))
    frame.to_parquet(tmp_path / "users.parquet")
    table, features = open_users(settings(tmp_path, users=TableConfig(path=str(tmp_path / "users.parquet"))))
    assert (features, table and table.notes) == (("age",), ())


@pytest.mark.parametrize("values", [("0", "1"), ("0.0", "1.0"), ("False", "True")])
def test_a_label_of_0_and_1_must_be_mentioned(tmp_path, values):
    lines = "".join(f"u,i,{number},{values[number % 2]}\n" for number in range(4))
    events = write(tmp_path / "events.csv", f"user_id,item_id,timestamp,label\n{lines}")
    with pytest.raises(
        DataError, match=r"has a column label with the values 0 and 1.* `label == 1` .* `label in \(0, 1\)`"
    ):
        open_interactions(settings(tmp_path))
    for where, number in (("label == 1", 2), ("label in (0, 1)", 4)):
        config = TableConfig(path=events.path, where=where)
        assert open_interactions(settings(tmp_path, interactions=config)).num_rows == number


@pytest.mark.parametrize(("name", "values"), [("label", "13"), ("label", "11"), ("kind", "01")])
def test_other_columns_are_no_labels(tmp_path, name, values):
    write(tmp_path / "events.csv", f"user_id,item_id,timestamp,{name}\nu,i,1,{values[0]}\nu,j,2,{values[1]}\n")
    assert open_interactions(settings(tmp_path)).num_rows == 2


def test_a_label_is_found_in_parquet(tmp_path):
    columns = {"user_id": ["u"] * 2, "item_id": [1, 2], "timestamp": [1, 2], "is_click": [True, False]}
    pq.write_table(pa.table(columns), tmp_path / "e.parquet")
    with pytest.raises(DataError, match="has a column is_click"):
        open_interactions(settings(tmp_path, interactions=TableConfig(path=str(tmp_path / "e.parquet"))))


def test_an_order_without_times_needs_no_timestamp(tmp_path):
    events = write(tmp_path / "events.csv", "user_id,item_id,position\nu,i,4\nu,j,2\n")
    for order, positions in (("rows", [0, 1]), ("position", ["4", "2"])):
        config = TableConfig(path=events.path, order=order)
        block = read_whole(open_interactions(settings(tmp_path, interactions=config)))
        assert block["position"].to_pylist() == positions
        assert block["timestamp"].to_pylist() == [0.0, 0.0]
    with pytest.raises(DataError, match=r"lacks the columns \['timestamp'\]"):
        open_interactions(settings(tmp_path))
    config = TableConfig(path=events.path, order="rows", columns={"timestamp": "position"})
    with pytest.raises(DataError, match=r"names \['timestamp'\], which input.interactions.order: rows does not read"):
        open_interactions(settings(tmp_path, interactions=config))


def test_items_of_the_interactions_are_read_with_their_texts(tmp_path):
    write(tmp_path / "events.csv", "user_id,sku,timestamp,name\nu,7,1,Tent\n")
    config = TableConfig(path=str(tmp_path / "events.csv"), columns={"item_id": "sku", "title": "name"})
    both = settings(tmp_path, interactions=config, items="from_interactions")
    assert dict(open_interactions(both).columns) == {"user_id": "user_id", "item_id": "sku", "timestamp": "timestamp"}
    assert dict(open_items(both).columns) == {"item_id": "sku", "title": "name"}
    with pytest.raises(DataError, match=r"columns: \['title'\] are not columns of the contract"):
        open_interactions(settings(tmp_path, interactions=config))


def test_columns_for_rules_are_those_that_are_named_and_must_exist(tmp_path):
    items = write(
        tmp_path / "items.csv", "item_id,title,price,stock,tags,other\na,Tent,5,1.0,\"['x', 'y|z']\",o\nb,Lamp,,,{},o\n"
    )
    table = open_items(settings(tmp_path, items=items, item_columns=("stock", "price", "tags")))
    assert sorted(table.columns) == ["item_id", "price", "stock", "tags", "title"]
    checked = check_items(read_whole(table), table.reading, ("stock", "tags"))
    assert checked.columns == {"stock": [("1",), ()], "tags": [("x", "y|z"), ()]}
    assert [(reject.row, reject.reason) for reject in checked.rejects] == [(1, "unreadable_column_tags")]
    with pytest.raises(DataError, match=r"input.item_columns names \['colour'\], but .*items.csv"):
        open_items(settings(tmp_path, items=items, item_columns=("colour",)))


def test_columns_for_rules_need_a_table_of_items(tmp_path):
    with pytest.raises(
        ValueError, match=r"input.item_columns names columns of input.items, which is from_interactions"
    ):
        settings(tmp_path, items="from_interactions", item_columns=("stock",))
