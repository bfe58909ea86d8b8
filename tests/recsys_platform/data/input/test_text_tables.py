"""Text files of all layouts as tables: delimiters, no header, encodings, JSON documents, Python literals."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pytest

from recsys_model.errors import DataError
from recsys_platform.config.input import TableConfig
from recsys_platform.data.input.sources import MALFORMED, ROW, read_whole
from recsys_platform.data.input.tables import open_table

REQUIRED = ("user_id", "item_id", "timestamp")
EXPECTED = [("ann", "007", "10"), ("bob", "8", "11")]


def read(path: Path, **settings) -> pa.Table:
    return read_whole(open_table("interactions", TableConfig(path=str(path), **settings), REQUIRED, ("rating",)))


def rows(table: pa.Table) -> list[tuple[str | None, ...]]:
    return list(zip(*(table[name].to_pylist() for name in REQUIRED), strict=True))


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("ending", ["csv", "tsv", "txt", "dat"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|", "::"])
def test_the_header_line_shows_the_delimiter(tmp_path, ending, delimiter):
    lines = [
        ("user_id", "item_id", "timestamp", "a comma, in a name"),
        ("ann", "007", "10", "x"),
        ("bob", "8", "11", ""),
    ]
    if delimiter == ",":
        lines = [line[:3] for line in lines]
    path = write(tmp_path / f"a.{ending}", "".join(delimiter.join(line) + "\n" for line in lines))
    assert rows(read(path)) == EXPECTED


def test_a_delimiter_can_be_named(tmp_path):
    path = write(tmp_path / "a.txt", "user_id item_id timestamp\nann 007 10\nbob 8 11\n")
    assert rows(read(path, delimiter="space")) == EXPECTED
    path = write(tmp_path / "b.csv", "user_id\titem_id\ttimestamp\nann\t007\t10\nbob\t8\t11\n")
    assert rows(read(path, delimiter="tab")) == EXPECTED


def test_a_header_line_without_any_delimiter_names_the_setting(tmp_path):
    path = write(tmp_path / "a.txt", "user_id#item_id#timestamp\nann#007#10\n")
    with pytest.raises(DataError, match=r"it has \['user_id#item_id#timestamp'\].* input.interactions.delimiter"):
        read(path)


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|", "::"])
def test_without_a_header_columns_have_places(tmp_path, delimiter):
    lines = [("007", "ann", "5.0", "10"), ("8", "bob", "4.0", "11")]
    path = write(tmp_path / "a.csv", "".join(delimiter.join(line) + "\n" for line in lines))
    assert rows(read(path, header=False, columns={"user_id": 1, "item_id": 0, "timestamp": "3"})) == EXPECTED


def test_a_place_that_does_not_exist_is_named_with_those_that_do(tmp_path):
    path = write(tmp_path / "a.csv", "ann,007\nbob,8\n")
    with pytest.raises(DataError, match=r"\['2 \(our timestamp\)'\]; it has \['0', '1'\]. Name their places"):
        read(path, header=False, columns={"user_id": 0, "item_id": 1, "timestamp": 2})


@pytest.mark.parametrize("encoding", ["latin-1", "gb18030", "utf-16", "cp1252"])
def test_an_encoding_can_be_named(tmp_path, encoding):
    name = "茶壶" if encoding in ("gb18030", "utf-16") else "café"
    path = write(tmp_path / "a.csv", f"user_id,item_id,timestamp\n{name},7,1\n", encoding)
    assert rows(read(path, encoding=encoding)) == [(name, "7", "1")]


def test_another_encoding_is_named_with_its_first_line_and_the_setting(tmp_path):
    path = write(tmp_path / "a.csv", "user_id,item_id,timestamp\nann,7,1\ncafé,8,2\n", "latin-1")
    with pytest.raises(
        DataError, match=r"a.csv .* as UTF-8 text, line 3 b'caf\\xe9,8,2\\n'; set input.interactions.enc"
    ):
        read(path)
    write(path, "user_id,item_id,timestamp\nann,7,1\n", "utf-16")
    with pytest.raises(DataError, match="for example utf-16"):
        read(path)


RECORDS = [
    {"user_id": "ann", "item_id": "007", "timestamp": 10, "event": {"page": None}},
    {"user_id": "bob", "item_id": "8", "timestamp": 11, "event": {"page": 'it"s'}},
]


@pytest.mark.parametrize(
    "text",
    [
        "".join(json.dumps(record) + "\n" for record in RECORDS),
        json.dumps(RECORDS),
        json.dumps(RECORDS, indent=2),
        "[\n" + ",\n".join(json.dumps(record) for record in RECORDS) + "\n]\n",
        "\n".join(json.dumps(record, indent=4) for record in RECORDS),
        "\n\n".join(repr(record) for record in RECORDS),
        "\n".join(repr(record).replace("'ann'", "u'ann'") for record in RECORDS),
    ],
    ids=["lines", "array", "indented array", "array of lines", "indented objects", "literals", "python 2 literals"],
)
def test_json_of_every_kind_gives_the_same_rows(tmp_path, text):
    assert rows(read(write(tmp_path / "a.json", text))) == EXPECTED
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(text.encode()))
    assert rows(read(tmp_path / "a.json.gz")) == EXPECTED


def test_elements_of_an_array_that_are_no_objects_cost_one_row_each(tmp_path):
    table = read(write(tmp_path / "a.json", json.dumps([RECORDS[0], 7, [1], RECORDS[1]])))
    assert table["user_id"].to_pylist()[0] == "ann"
    assert table[MALFORMED].to_pylist()[1] == "7"


def test_a_broken_document_stops_with_its_line(tmp_path):
    path = write(tmp_path / "a.json", '[\n{"user_id": "ann", "item_id": 1, "timestamp": 1},\n{"user_id": oops}\n]')
    with pytest.raises(DataError, match=r"a.json .*, line 3, is one JSON document that breaks here"):
        read(path)
    write(path, "".join(json.dumps(RECORDS, indent=1).splitlines(keepends=True)[:-3]))
    with pytest.raises(DataError, match=r"is one JSON document that ends inside an object"):
        read(path)


def test_one_object_is_named_as_such(tmp_path):
    path = write(tmp_path / "a.json", json.dumps({"0": RECORDS[0], "1": RECORDS[1]}))
    with pytest.raises(DataError, match=r"it has \['0', '1'\], and inside them 0.event, .*The file is one JSON object"):
        read(path)


def test_text_that_is_no_json_is_shown(tmp_path):
    path = write(tmp_path / "a.json", "user_id,item_id\nann,7\n")
    with pytest.raises(DataError, match=r"no line with a JSON object or a Python literal .* 'user_id,item_id'"):
        read(path)


def test_a_broken_first_line_costs_one_row(tmp_path):
    text = '{"user_id": "zoe", "item\n' + "".join(json.dumps(record) + "\n" for record in RECORDS)
    table = read(write(tmp_path / "a.jsonl", text))
    assert table[MALFORMED].to_pylist() == ['{"user_id": "zoe", "item', None, None]
    assert table[ROW].to_pylist() == [0, 1, 2]


def test_columns_of_folders_are_columns(tmp_path):
    for day in ("10", "11"):
        (tmp_path / f"timestamp={day}").mkdir()
        write(tmp_path / f"timestamp={day}" / "a.csv", "user_id,item_id\nann,007\n")
    assert rows(read(tmp_path)) == [("ann", "007", "10"), ("ann", "007", "11")]


def test_a_file_that_changes_after_it_was_counted_stops(tmp_path):
    path = write(tmp_path / "a.csv", "user_id,item_id,timestamp\nann,7,1\nbob,8,1\n")
    table = open_table("interactions", TableConfig(path=str(path)), REQUIRED, ())
    write(path, "user_id,item_id,timestamp\nann,7,1\n")
    with pytest.raises(DataError, match=r"had 2 rows, 0 of them left out, .* now has 1 and 0; it changed"):
        read_whole(table)
