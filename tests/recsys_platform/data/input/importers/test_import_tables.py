"""From a folder to the run's tables: recognition, Parquet, rejects, and nothing half-written."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_model.errors import ConfigError, DataError
from recsys_platform.config.run import RunConfig, build_config, config_to_dict
from recsys_platform.data.column_needs import open_tables
from recsys_platform.data.input import contract
from recsys_platform.data.input.importers import writing
from recsys_platform.data.input.importers.importing import resolve_input
from recsys_platform.data.input.importers.recognition import FORMATS
from recsys_platform.data.input.open import read_items, read_users
from recsys_platform.data.input.sources import read_whole
from recsys_platform.data.input.tables import open_table

RATINGS = {
    "u.data": "196\t242\t3\t881250949\nbroken\n186\t302\t4\t891717742\n196\t9\t2\t881250950\n",
    "u.item": "242|Kolya (1996)|24-Jan-1997||http://x\n302|L.A. Confidential (1997)|||\n7|Seen by nobody|||\n",
    "u.user": "196|49|M|writer|55105\n186|39|F|executive|00000\n",
}
REVIEWS = "".join(
    json.dumps({"reviewerID": user, "asin": item, "unixReviewTime": 1000 + place, "overall": 5.0}) + "\n"
    for place, (user, item) in enumerate((("ann", "B1"), ("ann", "B2"), ("bob", "B2"), ("bob", "B9")))
)
METADATA = "".join(f"{{'asin': '{item}', 'title': 'Title of {item}'}}\n" for item in ("B1", "B2", "B3", "B4"))


def make(folder: Path, files: dict[str, str], **settings: Any) -> RunConfig:
    source = folder / "source"
    source.mkdir()
    for name, text in files.items():
        (source / name).write_text(text)
    return build_config({"name": "run", "storage": str(folder / "runs"), "input": {"folder": str(source), **settings}})


def read(config: RunConfig, table: str) -> list[dict[str, Any]]:
    return pq.read_table(config.tables_folder / f"{table}.parquet").to_pylist()


def test_a_folder_becomes_tables_of_the_contract_and_says_what_it_was(tmp_path):
    config = make(tmp_path, RATINGS)
    resolved, report = resolve_input(config)

    assert report.to_dict() == {
        "format": "movielens",
        "why": "u.data and u.item are the files of MovieLens 100k",
        "files": ["u.data", "u.item", "u.user"],
        "notes": ["1 items of the interactions are described nowhere and have no title"],
        "rows": {"interactions": 4, "items": 4, "users": 2},
        "left_out": {},
    }
    tables = open_tables(resolved)
    assert tables.features == ("age", "gender", "occupation", "zip_code")
    items, users = read_items(tables, 1.0), read_users(tables, 0.0)
    assert items.item_ids == ["242", "302", "7", "9"]
    assert items.titles == ["Kolya (1996)", "L.A. Confidential (1997)", "Seen by nobody", ""]
    assert [(reject.row, reject.reason) for reject in items.rejects] == [(3, "empty_title")]
    assert users.features[1] == {"age": "39", "gender": "F", "occupation": "executive", "zip_code": "00000"}


def test_a_line_that_is_no_record_is_a_reject_with_its_row_and_its_text(tmp_path):
    resolved, _ = resolve_input(make(tmp_path, RATINGS))
    table = open_table(
        "interactions", resolved.input.interactions, contract.INTERACTION_REQUIRED, contract.INTERACTION_OPTIONAL
    )
    checked = contract.check_interactions(
        read_whole(table), pa.array(read_items(open_tables(resolved), 1.0).item_ids), 1, uses_rating=True
    ).to_pylist()

    assert [(row["row"], row["reason"]) for row in checked] == [(0, None), (1, "malformed_line"), (2, None), (3, None)]
    assert json.loads(checked[1]["values"]) == {"line": "broken"}
    assert [(row["user_id"], row["item"], row["timestamp"], row["rating"]) for row in checked if not row["reason"]] == [
        ("196", 0, 881250949.0, 3.0),
        ("186", 1, 891717742.0, 4.0),
        ("196", 3, 881250950.0, 2.0),
    ]


def test_only_reviewed_items_of_a_department_become_the_catalogue(tmp_path):
    config = make(tmp_path, {"Home_5.json": REVIEWS, "meta_Home.json": METADATA})
    _, report = resolve_input(config)

    assert report.notes == (
        "2 items without any interaction were left out",
        "1 items of the interactions are described nowhere and have no title",
    )
    assert [(row["item_id"], row["title"]) for row in read(config, "items")] == [
        ("B1", "Title of B1"),
        ("B2", "Title of B2"),
        ("B9", None),
    ]
    assert not (config.tables_folder / "users.parquet").exists()


def test_row_groups_do_not_change_what_is_written(tmp_path, monkeypatch):
    config = make(tmp_path, {"Home_5.json": REVIEWS, "meta_Home.json": METADATA})
    resolve_input(config)
    whole = read(config, "interactions")
    monkeypatch.setattr(writing, "ROWS_PER_GROUP", 3)
    resolve_input(config)

    assert pq.ParquetFile(config.tables_folder / "interactions.parquet").metadata.num_row_groups == 2
    assert read(config, "interactions") == whole


def test_an_import_that_fails_leaves_the_earlier_tables_and_nothing_else(tmp_path):
    config = make(tmp_path, {"sequential_data.txt": "1 5 6\n"})
    resolve_input(config)
    (tmp_path / "source" / "datamaps.json").write_text('{"id2user": {"1": "ann"}, "id2item": {"5": "B5"}}')
    with pytest.raises(DataError, match="has no 6 in id2item"):
        resolve_input(config)

    assert [path.name for path in config.folder.iterdir()] == ["tables"]
    assert [row["item_id"] for row in read(config, "interactions")] == ["5", "6"]


def test_tables_of_our_own_in_a_folder_are_used_where_they_are(tmp_path):
    files = {"interactions.csv": "user_id,item_id,timestamp\na,1,2\n", "items.jsonl": '{"item_id": 1, "title": "x"}\n'}
    config = make(tmp_path, files)
    resolved, report = resolve_input(config)

    assert (report.format, report.files) == ("tables", ("interactions.csv", "items.jsonl"))
    assert resolved.input.interactions.path == str(tmp_path / "source" / "interactions.csv")
    assert resolved.input.users is None
    assert not config.tables_folder.exists()


def test_tables_that_the_configuration_names_stay_as_they_are(tmp_path):
    tables = {name: {"path": str(tmp_path / f"{name}.csv")} for name in ("interactions", "items")}
    config = build_config({"name": "run", "storage": str(tmp_path), "input": tables})
    resolved, report = resolve_input(config)

    assert resolved == config
    assert (report.format, report.why) == ("tables", "input.interactions and input.items name them")


def test_a_folder_that_fits_two_formats_needs_to_be_told_which(tmp_path):
    config = make(tmp_path, RATINGS | {"Home_5.json": REVIEWS})
    with pytest.raises(DataError, match=r"fits the formats \['mcauley', 'movielens'\]; set input.format"):
        resolve_input(config)
    told = build_config(config_to_dict(config) | {"input": {"folder": config.input.folder, "format": "mcauley"}})

    assert resolve_input(told)[1].format == "mcauley"


def test_a_folder_of_no_format_says_what_each_needs_and_what_there_is(tmp_path):
    config = make(tmp_path, {"readme.txt": "hello"})
    with pytest.raises(
        DataError, match=r"is in no format known here. It has\n  readme.txt: begins with 'hello'"
    ) as caught:
        resolve_input(config)

    message = str(caught.value)
    assert all(f"\n  {name}: {item.marks}\n" in message for name, item in FORMATS.items())
    assert "input.interactions.path and input.items.path, with their fields in `columns`, such as" in message


def test_a_format_that_was_asked_for_and_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"is not in the format p5. It has\n  u.data: ") as caught:
        resolve_input(make(tmp_path, RATINGS, format="p5"))

    assert "  p5: sequential_data.txt, or user_sequence.txt" in str(caught.value)
    assert "mcauley" not in str(caught.value)


@pytest.mark.parametrize(("name", "found"), [("nowhere", "got no folder"), ("empty", "got none")])
def test_a_folder_without_files_is_refused(tmp_path, name, found):
    (tmp_path / "empty").mkdir()
    config = build_config({"name": "run", "storage": str(tmp_path), "input": {"folder": str(tmp_path / name)}})
    with pytest.raises(DataError, match=f"must be a folder with files in it, {found}"):
        resolve_input(config)


def test_a_folder_and_named_tables_exclude_each_other(tmp_path):
    with pytest.raises(ConfigError, match=r"input.folder holds all tables.* got \['items', 'users'\] beside it"):
        make(tmp_path, RATINGS, items={"path": "items.csv"}, users={"path": "users.csv"})


def test_a_format_needs_a_folder():
    tables = {name: {"path": f"{name}.csv"} for name in ("interactions", "items")}
    with pytest.raises(ConfigError, match=r"input.format says what is in input.folder, which is missing"):
        build_config({"name": "run", "input": {**tables, "format": "p5"}})


def test_a_configuration_with_a_folder_survives_the_way_through_a_manifest(tmp_path):
    config = make(tmp_path, RATINGS)
    assert build_config(config_to_dict(config)) == config
