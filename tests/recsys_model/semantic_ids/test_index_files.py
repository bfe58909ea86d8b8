"""Index files are recognised by their own marks; what is damaged or cannot be served is named."""

import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_model.errors import ConfigError, DataError
from recsys_model.semantic_ids.layouts import read_semantic_index

THREE = ["<a_1>", "<b_2>", "<c_3>"]
FOUR = [*THREE, "<d_4>"]


def write(file: Path, content: object) -> Path:
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return file


def parquet(file: Path, **columns: object) -> Path:
    pq.write_table(pa.table(columns), file)
    return file


def key(first: int, second: int, third: int) -> str:
    return str(first * 8192 * 8192 + second * 8192 + third)


def test_minionerec_has_three_levels_and_a_fourth_one_where_items_collide(tmp_path: Path) -> None:
    write(tmp_path / "X.item.json", {"0": {"title": "Pen &amp; Ink", "brand": "B"}, "1": {"title": ""}, "7": {}})
    index = read_semantic_index(write(tmp_path / "X.index.json", {"0": THREE, "1": FOUR}))
    assert (index.layout, index.lengths, index.item_ids) == ("minionerec", (3, 4), ("0", "1"))
    assert index.semantic_ids == (tuple(THREE), tuple(FOUR))
    assert index.titles == ("Pen & Ink", None)
    assert index.why == "X.index.json is a JSON object of token lists, 3 or 4 levels"
    assert index.notes == (
        "X.item.json has the titles of the items",
        "X.item.json has items without a semantic id, which are never recommended: 7",
    )
    assert index.counts is None


def test_lcrec_has_four_levels_and_raw_ids_beside_the_index(tmp_path: Path) -> None:
    write(tmp_path / "X.item2id", "B0 one\t0\nB1\t1\n\n")
    index = read_semantic_index(write(tmp_path / "X.index.json", {"0": FOUR, "1": FOUR, "2": FOUR}))
    assert (index.layout, index.keys, index.item_ids) == ("lcrec", ("0", "1", "2"), ("B0 one", "B1", "2"))
    assert index.distinct.members == ((0, 1, 2),)
    assert index.notes == (
        "X.item2id has the raw ids of the items",
        "X.item2id lacks 2; these items keep their numbers",
        "there is no NAME.item.json beside X.index.json, so items have no titles",
    )


def test_an_index_of_faiss_belongs_to_the_items_of_its_data_set(tmp_path: Path) -> None:
    write(tmp_path / "X.item.json", {"0": {"title": "Pen"}})
    assert read_semantic_index(write(tmp_path / "X.faiss-rq.index.json", {"0": THREE})).titles == ("Pen",)


def test_the_layout_can_be_named_where_the_levels_do_not_decide(tmp_path: Path) -> None:
    file = write(tmp_path / "X.index.json", {"0": ["<a_1>", "<b_2>"]})
    with pytest.raises(ConfigError, match=r"semantic ids of 2 levels; .* set the layout to minionerec or lcrec"):
        read_semantic_index(file)
    assert read_semantic_index(file, "lcrec").layout == "lcrec"
    four = write(tmp_path / "Y.index.json", {"0": FOUR})
    assert read_semantic_index(four, "minionerec").layout == "minionerec"
    with pytest.raises(ConfigError, match="its layout is one of minionerec, lcrec, not openonerec"):
        read_semantic_index(four, "openonerec")


def test_minionerecs_info_file_has_everything(tmp_path: Path) -> None:
    lines = "<a_1><b_2><c_3>\tPen &amp; Ink\tblue\t0\r\n<a_1><b_2><c_3><d_1>\t\t17\n\n"
    index = read_semantic_index(write(tmp_path / "X.txt", lines))
    assert (index.layout, index.item_ids, index.titles) == ("minionerec", ("0", "17"), ("Pen & Ink\tblue", None))
    assert index.semantic_ids == (tuple(THREE), (*THREE, "<d_1>"))
    with pytest.raises(ConfigError, match=r"the layout must be minionerec .*, got lcrec"):
        read_semantic_index(tmp_path / "X.txt", "lcrec")


@pytest.mark.parametrize("column", ["sid", "codes"])
def test_openonerecs_parquet_has_three_codes_an_item(tmp_path: Path, column: str) -> None:
    codes = [[340, 6566, 5603], [0, 0, 8191], [340, 6566, 5603]]
    index = read_semantic_index(parquet(tmp_path / "video_pid2sid.parquet", pid=[7, 9, 11], **{column: codes}))
    assert (index.layout, index.item_ids) == ("openonerec", ("7", "9", "11"))
    assert index.semantic_ids[1] == ("<s_a_0>", "<s_b_0>", "<s_c_8191>")
    assert index.text_of(2) == "<s_a_340><s_b_6566><s_c_5603>"
    assert index.distinct.members == ((0, 2), (1,))
    assert index.counts is None


def test_openonerecs_json_has_the_popularity_of_the_items_of_each_code(tmp_path: Path) -> None:
    document = {
        key(1, 2, 3): [
            {"pid": 7, "count": 9, "count_after_downsample": 1},
            {"pid": 8, "count": 4, "count_after_downsample": 2},
        ],
        key(8191, 0, 5): [{"iid": 9, "count": 1, "count_after_downsample": 0}],
    }
    index = read_semantic_index(write(tmp_path / "sid2pid.json", document))
    assert (index.layout, index.item_ids, index.counts) == ("openonerec", ("7", "8", "9"), (1, 2, 0))
    assert index.semantic_ids[2] == ("<s_a_8191>", "<s_b_0>", "<s_c_5>")
    assert index.distinct.members == ((1, 0), (2,))
    assert (index.distinct.order, index.notes) == ("training popularity", ("popularity is count_after_downsample",))
    del document[key(8191, 0, 5)][0]["count_after_downsample"]
    assert read_semantic_index(write(tmp_path / "sid2pid.json", document)).counts == (9, 4, 1)
    del document[key(8191, 0, 5)][0]["count"]
    assert read_semantic_index(write(tmp_path / "sid2pid.json", document)).distinct.order == "catalogue order"


DAMAGED = {
    '{"0": ["<a_1>"], "0": ["<a_2>"]}': "a key may occur once, '0' occurs 2 times",
    '{"0": ["<a_1>", "<b_1>", "<c_1>"], "1": []}': r"item '1' must have a list of tokens such as .*, got \[\]",
    '{"0": ["<a_1>", "<b_1>", "<c_1>"], "1": ["<a_1>", 3]}': r"item '1' must have a list of tokens",
    "{}": "must have at least 1 item, got 0",
    "[1]": "must hold a JSON object, got list",
    "{": "must be one JSON document",
    '{"0": "x"}': "in no known layout, its first entry is '0': x; known are MiniOneRec and LC-Rec",
    '{"549755813888": [{"pid": 1}]}': r"the key 549755813888 must be below 8192\^3",
    '{"5": [{"pid": "x"}]}': "an item of 5 must have an integer pid or iid",
    '{"5": [{"pid": 1, "count": -1}]}': "count must be an integer of at least 0",
    '{"5": [{"pid": 1}], "6": 7}': "'6' must be a number with a list of items",
    '{"5": [{"pid": 1}], "6": [{"pid": 1}]}': "an item may occur once, '1' occurs 2 times",
}


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_json_file_is_named_with_the_entry(tmp_path: Path, content: str) -> None:
    file = write(tmp_path / "X.index.json", content)
    with pytest.raises(DataError, match=f"{re.escape(str(file))}.*{DAMAGED[content]}"):
        read_semantic_index(file)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"pid": [1], "title": ["x"]}, "must have the columns pid and sid or codes, it has pid, title"),
        ({"pid": [1, None], "sid": [[1, 2, 3], [1, 2, 4]]}, "column pid is empty in row 1"),
        ({"pid": ["x"], "sid": [[1, 2, 3]]}, "column pid must hold integers, got the type string"),
        ({"pid": [1], "sid": ["1,2,3"]}, "column sid must hold lists of integers, got the type string"),
        ({"pid": [1, 2], "sid": [[1, 2, 3], [1, 2]]}, r"must have 3 codes, got \[1, 2\] in row 1"),
        ({"pid": [1, 2], "sid": [[1, 2, 3], None]}, "must have 3 codes, got None in row 1"),
        ({"pid": [1, 2], "sid": [[1, 2, 3], [1, None, 3]]}, r"must have 3 codes, got \[1, None, 3\] in row 1"),
        ({"pid": [1, 2], "sid": [[1, 2, 3], [1, 8192, 3]]}, r"from 0 to 8191, column sid has \[1, 8192, 3\] in row 1"),
        ({"pid": [1, 1], "sid": [[1, 2, 3], [1, 2, 4]]}, "an item may occur once, '1' occurs 2 times"),
    ],
)
def test_a_damaged_parquet_file_is_named_with_the_row(tmp_path: Path, columns: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_semantic_index(parquet(tmp_path / "pid2sid.parquet", **columns))


def test_other_files_beside_the_index_are_checked_too(tmp_path: Path) -> None:
    file = write(tmp_path / "X.index.json", {"0": THREE, "1": FOUR})
    write(tmp_path / "X.item2id", "B0\t0\nB0\t1\n")
    with pytest.raises(DataError, match="an item may occur once, 'B0' occurs 2 times"):
        read_semantic_index(file)
    write(tmp_path / "X.item2id", "B0\t0\nB1 1\n")
    with pytest.raises(DataError, match="item2id line 2 must be a raw id, a tab and a number, got 'B1 1'"):
        read_semantic_index(file)
    (tmp_path / "X.item2id").unlink()
    write(tmp_path / "X.item.json", {"0": {"title": ["x"]}})
    with pytest.raises(DataError, match="the title of item '0' must be a text"):
        read_semantic_index(file)
    info = write(tmp_path / "X.txt", "<a_1>\tPen\t0\n and ink\t1\n")
    with pytest.raises(DataError, match="line 2 must be a semantic id, a title and an item id"):
        read_semantic_index(info)


def test_files_of_projects_that_cannot_be_served_are_refused_by_name(tmp_path: Path) -> None:
    for name, project in (
        ("merged_predictions_tensor.pt", "GRID"),
        ("last.ckpt", "GRID"),
        ("sentence-t5.sem_ids", "TIGER"),
        ("ids.pkl", "LIGER"),
    ):
        with pytest.raises(ConfigError, match=f"{name} belongs to {project}.* MiniOneRec, LC-Rec and OpenOneRec"):
            read_semantic_index(write(tmp_path / name, "no pickle is opened"))
    with pytest.raises(
        ConfigError, match=r"codes without tokens \('B0': \[5, 1, 9, 1\]\), as TIGER .* T5 cannot be served"
    ):
        read_semantic_index(write(tmp_path / "ids.json", {"B0": [5, 1, 9, 1]}))
    with pytest.raises(ConfigError, match="belongs to OpenP5, whose T5 cannot be served"):
        read_semantic_index(write(tmp_path / "item_collaborative_indexing.txt", "B0 <CI1><CI12>\n"))
    with pytest.raises(ConfigError, match="belongs to GRAM"):
        read_semantic_index(write(tmp_path / "item_generative_indexing.txt", "B0 |▁loss|▁brake\n"))


def test_what_is_no_index_file_is_refused_with_the_known_marks(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist; an index file is needed: MiniOneRec"):
        read_semantic_index(tmp_path / "X.index.json")
    with pytest.raises(DataError, match="is a folder; name its index file: it has none"):
        read_semantic_index(tmp_path)
    write(tmp_path / "X.index.json", {"0": THREE})
    with pytest.raises(DataError, match=r"name its index file: X\.index\.json"):
        read_semantic_index(tmp_path)
    with pytest.raises(DataError, match="in no known layout, its first line is 'user,item'"):
        read_semantic_index(write(tmp_path / "events.csv", "user,item\n1,2\n"))
    (tmp_path / "rec_vocab.bin").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(DataError, match="no UTF-8 text"):
        read_semantic_index(tmp_path / "rec_vocab.bin")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_semantic_index(tmp_path / "broken.parquet")
