"""Columns of the items table on disk: what was written comes back."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from recsys_model.entities.item_columns import build_columns
from recsys_model.entities.rules import Contains, NumberRange, OneOf, Rules
from recsys_model.errors import CheckpointError
from recsys_platform.item_columns_file import COLUMNS_NAME, load_columns, write_columns

CELLS = {"price": [5, None, 20.5], "tags": [["sale", "名前"], [], "sale"], "empty": [None, None, None]}


def test_numbers_texts_and_missing_values_come_back(tmp_path: Path):
    write_columns(tmp_path, build_columns(CELLS, 3))
    table = pq.read_table(tmp_path / COLUMNS_NAME)
    assert table.to_pydict() == {
        "price": [5.0, None, 20.5],
        "tags": [["sale", "名前"], [], ["sale"]],
        "empty": [[], [], []],
    }
    loaded = load_columns(tmp_path, 3)
    assert loaded is not None
    assert loaded.kinds == {"price": "number", "tags": "text", "empty": "text"}
    rules = Rules(where=(NumberRange(column="price", at_most=10), OneOf(column="tags", values=("sale",))))
    assert loaded.mask(rules).tolist() == [True, False, False]


def test_a_folder_without_the_file_has_no_columns(tmp_path: Path):
    assert load_columns(tmp_path, 3) is None


def test_no_columns_at_all_are_written_and_read(tmp_path: Path):
    write_columns(tmp_path, build_columns({}, 4))
    loaded = load_columns(tmp_path, 4)
    assert loaded is not None
    assert loaded.kinds == {}


def test_a_file_of_another_catalogue_or_a_damaged_one_is_named(tmp_path: Path):
    write_columns(tmp_path, build_columns(CELLS, 3))
    with pytest.raises(
        CheckpointError, match=r"item_columns.parquet does not hold the columns of 4 items: column 'price'"
    ):
        load_columns(tmp_path, 4)
    (tmp_path / COLUMNS_NAME).write_bytes(b"PAR1 no")
    with pytest.raises(CheckpointError, match=r"item_columns.parquet does not hold"):
        load_columns(tmp_path, 3)


def test_values_of_edited_items_change_and_those_of_others_stay():
    columns = build_columns(CELLS, 3).edited({0: {"price": None, "tags": ["new"]}, 4: {"price": 7, "empty": 1}}, 5)

    def met(*conditions) -> list[int]:
        return columns.mask(Rules(where=conditions)).nonzero()[0].tolist()

    assert met(NumberRange(column="price", at_least=0)) == [2, 4]
    assert met(OneOf(column="tags", values=("new",))) == [0]
    assert met(Contains(column="tags", text="SALE")) == [2]
    # a column without values takes the kind of the first one
    assert met(OneOf(column="empty", values=(1,))) == [4]
    # a text that an item once had is no mistake of a request
    assert met(OneOf(column="tags", values=("名前",))) == []
