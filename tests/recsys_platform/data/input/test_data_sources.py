"""Opening and reading tables of every format, without a cluster."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_model.errors import DataError
from recsys_platform.config.input import TableConfig
from recsys_platform.data.input.sources import MALFORMED, ROW, read_whole
from recsys_platform.data.input.tables import open_table

REQUIRED = ("user_id", "item_id", "timestamp")
OPTIONAL = ("position", "rating")
ROWS = [
    {"user_id": "ann", "item_id": "007", "timestamp": "10"},
    {"user_id": "bob", "item_id": "8, large", "timestamp": "11"},
    {"user_id": 'zoë "z"', "item_id": "9\nnine", "timestamp": None},
]


def write_csv(path: Path) -> None:
    text = 'user_id,item_id,timestamp,extra\r\nann,007,10,x\r\nbob,"8, large",11,\r\n"zoë ""z""","9\nnine",,\r\n'
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())


def write_jsonl(path: Path) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n\n" for row in ROWS), encoding="utf-8")


def write_parquet(path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS).append_column("extra", pa.array([1, 2, 3])), path, row_group_size=2)


def read(path: Path, **settings) -> pa.Table:
    return read_whole(open_table("interactions", TableConfig(path=str(path), **settings), REQUIRED, OPTIONAL))


@pytest.mark.parametrize(("write", "ending"), [(write_csv, "csv"), (write_jsonl, "jsonl"), (write_parquet, "parquet")])
def test_every_format_gives_the_same_rows(tmp_path, write, ending):
    path = tmp_path / f"table.{ending}"
    write(path)
    expected = [{**row, ROW: number, MALFORMED: None} for number, row in enumerate(ROWS)]
    assert [dict(row) for row in read(path).to_pylist()] == expected


def test_a_compressed_text_file_is_read_like_a_plain_one(tmp_path):
    write_csv(tmp_path / "plain.csv")
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress((tmp_path / "plain.csv").read_bytes()))
    assert read(tmp_path / "packed.csv.gz") == read(tmp_path / "plain.csv")


def test_rows_are_numbered_through_the_files_of_a_folder_in_the_order_of_their_names(tmp_path):
    folder = tmp_path / "table"
    (folder / "deep").mkdir(parents=True)
    for name, users in (("b.csv", ["u2", "u3"]), ("a.csv", ["u0", "u1"]), ("deep/c.csv", ["u4"])):
        (folder / name).write_text("user_id,item_id,timestamp\n" + "".join(f"{user},i,1\n" for user in users))
    (folder / "_SUCCESS").write_text("")
    (folder / ".hidden.csv").write_text("nothing")
    table = read(folder)
    assert table[ROW].to_pylist() == [0, 1, 2, 3, 4]
    assert table["user_id"].to_pylist() == ["u0", "u1", "u2", "u3", "u4"]


def test_rows_are_numbered_through_row_groups_and_files(tmp_path):
    write_parquet(tmp_path / "a.parquet")
    write_parquet(tmp_path / "b.parquet")
    table = open_table("interactions", TableConfig(path=str(tmp_path)), REQUIRED, OPTIONAL)
    assert [(chunk.row_group, chunk.first_row, chunk.num_rows) for chunk in table.chunks] == [
        (0, 0, 2),
        (1, 2, 1),
        (0, 3, 2),
        (1, 5, 1),
    ]
    assert read_whole(table)[ROW].to_pylist() == [0, 1, 2, 3, 4, 5]


def test_a_uri_names_a_pyarrow_filesystem(tmp_path):
    write_csv(tmp_path / "table.csv")
    table = open_table("interactions", TableConfig(path=f"file://{tmp_path}/table.csv"), REQUIRED, OPTIONAL)
    assert read_whole(table) == read(tmp_path / "table.csv")


def test_columns_are_read_under_our_names(tmp_path):
    (tmp_path / "table.csv").write_text("who,what,timestamp,stars\nann,7,1,5\n")
    columns = {"user_id": "who", "item_id": "what", "rating": "stars"}
    assert read(tmp_path / "table.csv", columns=columns).to_pylist() == [
        {"user_id": "ann", "item_id": "7", "timestamp": "1", "rating": "5", MALFORMED: None, ROW: 0}
    ]


@pytest.mark.parametrize(("write", "ending"), [(write_csv, "csv"), (write_jsonl, "jsonl"), (write_parquet, "parquet")])
def test_a_missing_column_is_named_with_those_found(tmp_path, write, ending):
    path = tmp_path / f"table.{ending}"
    write(path)
    with pytest.raises(DataError, match=r"lacks the columns \['when \(our timestamp\)'\]; it has \[.*'item_id'"):
        read(path, columns={"timestamp": "when"})


def test_a_mapped_optional_column_must_exist(tmp_path):
    write_csv(tmp_path / "table.csv")
    with pytest.raises(DataError, match=r"lacks the columns \['stars \(our rating\)'\]"):
        read(tmp_path / "table.csv", columns={"rating": "stars"})


def test_a_column_that_is_none_of_ours_cannot_be_mapped(tmp_path):
    write_csv(tmp_path / "table.csv")
    with pytest.raises(
        DataError, match=r"input.interactions.columns: \['stars'\] are not columns of the contract; it has: "
    ):
        read(tmp_path / "table.csv", columns={"stars": "extra"})


def test_a_missing_file_and_an_unclear_format_are_data_errors(tmp_path):
    with pytest.raises(DataError, match=r"input.interactions.path .*nowhere.csv does not exist"):
        read(tmp_path / "nowhere.csv")
    (tmp_path / "table.xlsx").write_text("user_id\n")
    with pytest.raises(DataError, match=r"files end in \['.xlsx'\]; set input.interactions.format"):
        read(tmp_path / "table.xlsx")


def test_an_empty_table_is_a_data_error(tmp_path):
    (tmp_path / "table.csv").write_text("user_id,item_id,timestamp\n")
    with pytest.raises(DataError, match="has no rows"):
        read(tmp_path / "table.csv")


def test_a_broken_parquet_file_is_a_data_error(tmp_path):
    (tmp_path / "table.parquet").write_text("no parquet")
    with pytest.raises(DataError, match="cannot be read as parquet"):
        read(tmp_path / "table.parquet")


def test_text_in_parquet_that_is_no_utf8_is_a_data_error(tmp_path):
    write_parquet(tmp_path / "table.parquet")
    data = (tmp_path / "table.parquet").read_bytes()
    (tmp_path / "table.parquet").write_bytes(data.replace(b"bob", b"b\x80b"))
    with pytest.raises(DataError, match=r"table.parquet .* cannot be read: .*Invalid UTF8"):
        read(tmp_path / "table.parquet")
    (tmp_path / "table.parquet").write_bytes(data.replace(b"user_id", b"user_\x80d"))
    with pytest.raises(DataError, match=r"table.parquet cannot be read as parquet: 'utf-8' codec can't decode"):
        read(tmp_path / "table.parquet")


def test_a_file_that_is_no_utf8_is_a_data_error(tmp_path):
    (tmp_path / "table.csv").write_bytes(b"user_id,item_id,timestamp\n\xff\xfe,i,1\n")
    with pytest.raises(DataError, match="cannot be read as UTF-8 text"):
        read(tmp_path / "table.csv")


def test_a_later_parquet_file_without_a_column_is_a_data_error(tmp_path):
    write_parquet(tmp_path / "a.parquet")
    pq.write_table(pa.table({"user_id": ["x"]}), tmp_path / "b.parquet")
    with pytest.raises(
        DataError,
        match=r"b.parquet \(input.interactions\) lacks the column item_id, which other files of the table have",
    ):
        read(tmp_path)


def test_a_malformed_csv_line_costs_one_row(tmp_path):
    (tmp_path / "table.csv").write_text("user_id,item_id,timestamp\nann,7,1\nbob,8\n\ncat,9,3,4\ndan,6,4\n")
    table = read(tmp_path / "table.csv")
    assert table[MALFORMED].to_pylist() == [None, "bob,8", "cat,9,3,4", None]
    assert table["user_id"].to_pylist() == ["ann", None, None, "dan"]
    assert table[ROW].to_pylist() == [0, 1, 2, 3]


def test_a_malformed_json_line_costs_one_row(tmp_path):
    lines = ['{"user_id": "ann", "item_id": 7, "timestamp": 1.5}', "{oops", '["ann"]', r'{"user_id": "\ud800"}']
    (tmp_path / "table.jsonl").write_text("\n".join(lines))
    table = read(tmp_path / "table.jsonl")
    assert table[MALFORMED].to_pylist() == [None, *lines[1:]]
    assert table.slice(0, 1).select(list(REQUIRED)).to_pylist() == [
        {"user_id": "ann", "item_id": "7", "timestamp": "1.5"}
    ]
