"""Which files of a folder or pattern are a table's, and what stops instead."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_model.errors import DataError
from recsys_platform.config.input import TableConfig
from recsys_platform.data.input.files import TableFiles, find_files
from recsys_platform.data.input.listing import list_files, to_regex

LINES = "user_id,item_id,timestamp\nu,i,1\n"


def make(folder: Path, *names: str, text: str = LINES) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def find(path: Path | str, **settings) -> TableFiles:
    return find_files("interactions", TableConfig(path=str(path), **settings))


def names(files: TableFiles, folder: Path) -> list[str]:
    return [str(Path(path).relative_to(folder)) for path in files.paths]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.csv", ["a.csv", "b.csv"]),
        ("?.csv", ["a.csv", "b.csv"]),
        ("[bc].csv", ["b.csv"]),
        ("[!b].csv", ["a.csv"]),
        ("day=*/part-0.csv", ["day=1/part-0.csv", "day=2/part-0.csv"]),
        ("day=2", ["day=2/part-0.csv"]),
        ("day=[2]", ["day=2/part-0.csv"]),
        ("**/part-*.csv", ["day=1/part-0.csv", "day=2/part-0.csv"]),
    ],
)
def test_a_pattern_names_files_and_folders(tmp_path, pattern, expected):
    make(tmp_path, "a.csv", "b.csv", "day=1/part-0.csv", "day=2/part-0.csv", "_temporary/part-0.csv", ".a.csv")
    assert names(find(tmp_path / pattern), tmp_path) == expected


def test_a_name_with_a_bracket_is_a_file_before_it_is_a_pattern(tmp_path):
    make(tmp_path, "events[1].csv", "events1.csv")
    assert names(find(tmp_path / "events[1].csv"), tmp_path) == ["events[1].csv"]


def test_a_pattern_of_a_uri_lies_in_its_filesystem(tmp_path):
    make(tmp_path, "a.csv", "b.csv")
    assert names(find(f"file://{tmp_path}/*.csv"), tmp_path) == ["a.csv", "b.csv"]


def test_a_pattern_without_a_match_names_the_folder_that_was_searched(tmp_path):
    make(tmp_path, "a.csv")
    with pytest.raises(DataError, match=rf"path {tmp_path}/b\*.csv matches no file below {tmp_path}"):
        find(f"{tmp_path}/b*.csv")


def test_a_missing_file_is_reported_with_the_names_beside_it(tmp_path):
    make(tmp_path, "events.csv")
    with pytest.raises(DataError, match=r"event.csv does not exist or is an empty folder; beside it are events.csv"):
        find(tmp_path / "event.csv")


def test_documents_and_empty_files_beside_a_table_are_skipped_and_noted(tmp_path):
    make(tmp_path, "part-0.csv", "README.md", "LICENSE", "readme.txt", "_SUCCESS", "stats.pdf")
    make(tmp_path, "part-1.csv", text="")
    files = find(tmp_path)
    assert names(files, tmp_path) == ["part-0.csv"]
    assert files.notes == (
        f"interactions: not read as a table in {tmp_path}: LICENSE, README.md, part-1.csv (empty), readme.txt, stats.pdf",
    )


def test_a_folder_of_empty_files_alone_says_so(tmp_path):
    make(tmp_path, "part-0.csv", text="")
    with pytest.raises(DataError, match=r"is an empty folder; it has only part-0.csv \(empty\)"):
        find(tmp_path)


def test_a_document_that_is_named_is_read(tmp_path):
    make(tmp_path, "readme.txt")
    assert find(tmp_path / "readme.txt").format == "csv"


@pytest.mark.parametrize(
    ("mark", "kind"),
    [
        ("_delta_log/0.json", "Delta Lake"),
        ("metadata/v1.metadata.json", "Iceberg"),
        (".hoodie/hoodie.properties", "Hudi"),
    ],
)
def test_a_folder_of_versions_is_refused(tmp_path, mark, kind):
    make(tmp_path, "part-0.parquet", mark)
    for path in (tmp_path, f"{tmp_path}/*.parquet"):
        with pytest.raises(DataError, match=rf"{tmp_path} is a table of {kind} \(it has {mark}\).*Write its current"):
            find(path)


def test_folders_with_an_equals_sign_give_columns(tmp_path):
    make(tmp_path, "day=2019-10-07/shop=a%20b/part-0.csv", "day=__HIVE_DEFAULT_PARTITION__/shop=c/part-0.csv")
    files = find(tmp_path)
    assert list(files.partitions.values()) == [{"day": "2019-10-07", "shop": "a b"}, {"day": None, "shop": "c"}]


def test_folders_that_give_other_columns_are_refused(tmp_path):
    make(tmp_path, "day=1/part-0.csv", "hour=2/part-0.csv")
    with pytest.raises(DataError, match=r"hour=2/part-0.csv give the columns \['hour'\], those of .*\['day'\]"):
        find(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.tsv", LINES, "csv"),
        ("a.txt", LINES, "csv"),
        ("a.dat", '{"user_id": 1}\n', "jsonl"),
        ("a.json", "[]", "jsonl"),
        ("A.CSV", LINES, "csv"),
    ],
)
def test_the_ending_or_the_first_line_decides_the_format(tmp_path, name, text, expected):
    make(tmp_path, name, text=text)
    assert find(tmp_path / name).format == expected


def test_a_parquet_file_with_another_ending_is_recognised(tmp_path):
    pq.write_table(pa.table({"user_id": ["u"]}), tmp_path / "a.dat")
    assert find(tmp_path / "a.dat").format == "parquet"


def test_files_of_several_formats_are_refused_with_the_way_out(tmp_path):
    make(tmp_path, "a.csv", "b.jsonl")
    with pytest.raises(DataError, match=r"files end in \['.csv', '.jsonl'\]; set input.interactions.format .* pattern"):
        find(tmp_path)


def test_a_star_stays_inside_a_name():
    assert not to_regex("*.csv").fullmatch("a/b.csv")
    assert to_regex("a.csv").fullmatch("a.csv")
    assert not to_regex("a.csv").fullmatch("axcsv")


def test_a_listing_of_a_missing_path_is_empty(tmp_path):
    assert list_files(str(tmp_path / "none")).paths == ()
    assert list_files(f"{tmp_path}/none/*.csv").paths == ()
