"""Sequences without times: OpenP5, GRAM, bare files, LC-Rec, MiniOneRec and RecBole's splits."""

import json

import pytest

from recsys_model.errors import DataError
from tests.recsys_platform.data.input.importers.folders import events, find, left_out, rows, write

TELLS_IDS = {"items": {"title": "semantic_id"}}


def test_user_sequences_keep_the_ids_of_the_shop_and_grams_texts_give_titles(tmp_path):
    files = {
        "user_sequence.txt": "A1YJ B0047 B004Z\nA2KK B0047\n",
        "item_plain_text.txt": (
            "B0047 title: shea butter; 100 natural; brand: na; categories: beauty, skin care; price: 9.99; salesrank: beauty\n"
            "B004Z brush\n"
        ),
        "similar_item_sasrec.txt": "B0047 B004Z\n",
    }
    name, source = find(write(tmp_path, files))

    assert (name, source.files) == ("p5", ("user_sequence.txt", "item_plain_text.txt"))
    assert events(source) == [("A1YJ", "B0047", "0"), ("A1YJ", "B004Z", "1"), ("A2KK", "B0047", "0")]
    assert [list(row.values()) for row in rows(source.items)] == [
        ["B0047", "shea butter; 100 natural", None, ["beauty", "skin care"], "9.99", None],
        ["B004Z", "brush", None, [], None, None],
    ]
    assert len(source.notes) == 1


def test_ids_of_a_shop_are_no_numbers_of_the_sequences(tmp_path):
    _, source = find(write(tmp_path, {"user_sequence.txt": "A1YJ 7806397051 B004ZT0SSG\n"}))
    assert source.notes[1:] == ("without metadata items have no titles and are told by their ids",)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1 4 2 9\n2 4 4\n", "a user and items"),
        ("1 4\n1 2\n1 9\n2 4\n2 4\n", "a user and one item"),
        ("1\t4\n1\t2\n1\t9\n2\t4\n2\t4\n", "a user and one item"),
    ],
)
def test_bare_sequences_are_known_by_their_lines(tmp_path, text, why):
    name, source = find(write(tmp_path, {"Beauty.txt": text, "README.txt": "Sequences of 2014\nby user\n"}))

    assert (name, source.files) == ("sequences", ("Beauty.txt",))
    assert source.why == f"Beauty.txt has lines of {why}, and nothing else"
    assert events(source) == [("1", "4", "0"), ("1", "2", "1"), ("1", "9", "2"), ("2", "4", "0"), ("2", "4", "1")]
    assert "items keep the numbers" in source.notes[1]


def test_several_bare_sequences_are_refused_and_prose_is_none(tmp_path):
    with pytest.raises(
        DataError, match=r"one file of sequences, got \['Beauty.txt', 'Toys.txt'\]; move the others away"
    ):
        find(write(tmp_path, {"Beauty.txt": "1 2 3\n", "Toys.txt": "1 2 3\n"}))
    with pytest.raises(DataError, match="in no format known here"):
        find(write(tmp_path / "prose", {"notes.txt": "1 day later\n2 weeks later\n"}))


LCREC = {
    "X.inter.json": json.dumps({"0": [1, 0], "1": [1]}, indent=1),
    "X.item.json": json.dumps(
        {
            "0": {
                "title": "Pan &amp; Lid",
                "brand": "Acme",
                "categories": "Home,Pans",
                "description": "['Good.', 'Big.']",
            },
            "1": {"title": "Pot", "brand": "", "categories": "", "description": ""},
        },
        indent=1,
    ),
    "X.index.json": json.dumps({"0": ["<a_1>", "<b_2>", "<c_3>"], "1": ["<a_1>", "<b_0>", "<c_9>", "<d_1>"]}),
    "X.item2id": "B0PAN\t0\nB0POT\t1\n",
    "X.user2id": "AANN\t0\nABOB\t1\n",
}


def test_lcrec_numbers_get_their_ids_back(tmp_path):
    name, source = find(
        write(tmp_path, LCREC | {"X.train.inter": "user_id:token\titem_id_list:token_seq\titem_id:token\n"})
    )

    assert (name, set(source.files)) == ("lcrec", set(LCREC))
    assert events(source) == [("AANN", "B0POT", "0"), ("AANN", "B0PAN", "1"), ("ABOB", "B0POT", "0")]
    assert [list(row.values()) for row in rows(source.items)] == [
        ["B0PAN", "Pan & Lid", "Acme", ["Home", "Pans"], None, "Good. Big."],
        ["B0POT", "Pot", None, [], None, None],
    ]
    assert "`input.items.columns: {title: semantic_id}` tells their semantic ids" in source.notes[1]


def test_lcrec_tells_semantic_ids_if_asked_or_without_titles(tmp_path):
    _, source = find(write(tmp_path / "asked", LCREC), columns=TELLS_IDS)
    semantic_ids = {"B0PAN": "<a_1><b_2><c_3>", "B0POT": "<a_1><b_0><c_9><d_1>"}
    assert {row["item_id"]: row["title"] for row in rows(source.items)} == semantic_ids
    untitled = {name: text for name, text in LCREC.items() if name != "X.item.json"}
    _, source = find(write(tmp_path / "untitled", untitled))
    assert {row["item_id"]: row["title"] for row in rows(source.items)} == semantic_ids
    with pytest.raises(
        DataError, match=r"can only be `items: {title: semantic_id}`, got {'items': {'brand': 'store'}}"
    ):
        find(tmp_path / "asked", columns={"items": {"brand": "store"}})


@pytest.mark.parametrize(
    ("text", "message"), [("[1]", "must be an object, got list"), ("{", "must be one JSON document")]
)
def test_a_damaged_document_of_lcrec_is_named(tmp_path, text, message):
    _, source = find(write(tmp_path, {"X.inter.json": text}))
    with pytest.raises(DataError, match=f"X.inter.json in input.folder .* {message}"):
        rows(source.interactions)


HISTORIES = "user_id,history_item_title,item_title,history_item_id,item_id,history_item_sid,item_sid\n"
MINIONEREC = {
    "train/Office.csv": HISTORIES
    + "A1,\"['Pen']\",Pad,[0],1,['<a_1>'],<a_2>\n"
    + "A1,\"['Pen', 'Pad']\",Ink,\"[0, 1]\",2,\"['<a_1>', '<a_2>']\",<a_3>\n",
    "valid/Office.csv": HISTORIES + "A1,\"['Pad', 'Ink']\",Pen,\"[1, 2]\",0,\"['<a_2>', '<a_3>']\",<a_1>\n",
    "test/Office.csv": HISTORIES + "A1,\"['Ink', 'Pad']\",Pen,\"[2, 1]\",0,\"['<a_3>', '<a_2>']\",<a_1>\n",
    "info/Office.txt": "<a_1>\tPen\t0\n<a_2>\tPad\t1\n<a_3>\tInk\t2\n",
}


def test_minionerecs_rows_are_joined_to_one_sequence_a_user(tmp_path):
    name, source = find(write(tmp_path, MINIONEREC))

    assert (name, source.files) == (
        "minionerec",
        ("train/Office.csv", "valid/Office.csv", "test/Office.csv", "info/Office.txt"),
    )
    assert events(source) == [("A1", "0", "0"), ("A1", "1", "1"), ("A1", "2", "2"), ("A1", "0", "3")]
    # the test row's history is not the end of what came before
    assert left_out(source.interactions) == ["rows whose history does not continue the earlier rows of their user"]
    assert [row["title"] for row in rows(source.items)] == ["Pen", "Pad", "Ink"]
    _, told = find(tmp_path, columns=TELLS_IDS)
    assert [row["title"] for row in rows(told.items)] == ["<a_1>", "<a_2>", "<a_3>"]


def test_recboles_splits_with_histories_are_joined_in_the_order_train_valid_test(tmp_path):
    header = "user_id:token\titem_id_list:token_seq\titem_id:token\n"
    files = {
        "X.test.inter": header + "1\t12 13\t14\n",
        "X.train.inter": header + "1\t10\t11\n1\t10 11\t12\n2\t10\t13\n",
        "X.valid.inter": header + "1\t10 11 12\t13\n",
        "X.item": "item_id:token\ttitle:token_seq\n10\tPen\n",
    }
    name, source = find(write(tmp_path, files))

    assert (name, source.files) == ("recbole", ("X.train.inter", "X.valid.inter", "X.test.inter", "X.item"))
    items = {user: [item for who, item, _ in events(source) if who == user] for user in ("1", "2")}
    assert items == {"1": ["10", "11", "12", "13", "14"], "2": ["10", "13"]}
    assert any("have no times" in note for note in source.notes)


def test_recboles_splits_without_histories_are_one_table(tmp_path):
    header = "user_id:token\titem_id:token\ttimestamp:float\n"
    files = {
        f"X.{split}.inter": f"{header}1\t{item}\t{item}\n" for split, item in (("train", 5), ("valid", 6), ("test", 7))
    }
    _, source = find(write(tmp_path, files))
    assert events(source) == [("1", "5", "5"), ("1", "6", "6"), ("1", "7", "7")]
    with pytest.raises(DataError, match=r"X.valid.inter .* must have the fields of X.train.inter"):
        find(write(tmp_path, {"X.valid.inter": "user_id:token\titem_id:token\n1\t6\n"}))
