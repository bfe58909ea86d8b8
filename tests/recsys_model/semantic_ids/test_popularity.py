"""Training popularity is counted from the training files of the projects."""

import json
from pathlib import Path

import pytest

from recsys_model.errors import DataError
from recsys_model.semantic_ids.index import SemanticIndex
from recsys_model.semantic_ids.popularity import read_popularity, with_popularity


def index_of(*item_ids: str) -> SemanticIndex:
    return SemanticIndex(
        source="X.index.json",
        layout="lcrec",
        why="",
        keys=tuple(map(str, range(len(item_ids)))),
        item_ids=item_ids,
        semantic_ids=(("<a_1>", "<b_1>"),) * len(item_ids),
        titles=(None,) * len(item_ids),
    )


def write(file: Path, text: str) -> Path:
    file.write_text(text, encoding="utf-8")
    return file


def test_the_last_two_events_of_a_sequence_of_lcrec_are_held_out(tmp_path: Path) -> None:
    file = write(tmp_path / "X.inter.json", json.dumps({"0": [2, 1, 2, 0, 0], "1": [1, 2], "2": [1, 0, 0]}))
    assert read_popularity(file) == {"2": 2, "1": 2}
    index = with_popularity(index_of("B0", "B1", "B2"), file)
    assert index.counts == (0, 2, 2)
    assert index.distinct.members == ((1, 2, 0),)
    assert index.distinct.order == "training popularity"
    assert index.notes == ("popularity is the number of training examples in X.inter.json",)


def test_each_row_of_a_table_is_one_training_example(tmp_path: Path) -> None:
    history = "\"['Pen, blue', 'Ink']\""
    rows = f'user_id,history_item_title,item_id\nA1,{history},2\nA2,{history},2\nA3,"two\nlines",0\n'
    assert read_popularity(write(tmp_path / "train.csv", rows)) == {"2": 2, "0": 1}
    recbole = 'user_id:token\titem_id_list:token_seq\titem_id:token\n1\t0 "2\t1\n2\t0\t1\n'
    assert read_popularity(write(tmp_path / "X.train.inter", recbole)) == {"1": 2}


def test_a_column_of_counts_is_added_up(tmp_path: Path) -> None:
    file = write(tmp_path / "counts.csv", "item_id,count\nB1,4\nB0,1\nB1,2\n")
    assert with_popularity(index_of("B0", "B1"), file).counts == (1, 6)


def test_events_of_items_without_a_semantic_id_are_told(tmp_path: Path) -> None:
    file = write(tmp_path / "counts.csv", "item_id,count\nB1,4\nB7,5\n")
    assert with_popularity(index_of("B0", "B1"), file).notes[-1] == "5 of them are of items without a semantic id: B7"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "item,count\nB0,1\n", "must have a column item_id, its header is item, count"),
        ("a.csv", "item_id,count\nB0\n", "line 2 must have 2 columns, got 1"),
        ("a.csv", "item_id,count\nB0,few\n", "line 2: count must be an integer of at least 0, got 'few'"),
        ("a.csv", "item_id\n", "must have at least 1 row below its header"),
        ("a.csv", "", "its header is empty"),
        ("a.csv", "item_id\nZ9\n", r"must count items of X\.index\.json, it has Z9"),
        ("a.json", '{"0": 5}', "user '0' must have a list of item numbers, got 5"),
        ("a.json", '{"0": [1, 2]}', "has no training event: the last 2 of each user are held out"),
    ],
)
def test_a_file_that_counts_nothing_is_refused(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        with_popularity(index_of("B0", "B1"), write(tmp_path / name, content))
