"""The table of formats: the settings and docs/formats.md agree with it, and what recognition says to a user."""

import re
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from recsys_model.errors import ConfigError, DataError
from recsys_platform.config.input import InputConfig
from recsys_platform.config.run import RunConfig, build_config, config_to_dict
from recsys_platform.data.input.importers.folder import open_folder
from recsys_platform.data.input.importers.importing import resolve_input
from recsys_platform.data.input.importers.recognition import FORMATS, recognise
from tests.recsys_platform.data.input.importers.folders import events, find, rows, write

PAGE = Path(__file__).parents[5] / "docs" / "formats.md"
RATINGS = "userId,movieId,rating,timestamp\n1,11,4.0,964982703\n"


def configure(folder: Path, **settings: object) -> RunConfig:
    return build_config({"name": "run", "storage": str(folder / "runs"), "input": {"folder": str(folder), **settings}})


def test_the_page_lists_every_format_with_its_marks_and_what_is_read():
    _, *rows = [re.split(r" \| ", line.strip("| ")) for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert rows == [
        [f"`{name}`", item.title, item.marks, item.reads, item.leaves_out] for name, item in FORMATS.items()
    ]


def test_the_readme_counts_the_formats():
    assert f"recognises {len(FORMATS)} formats" in " ".join(PAGE.parents[1].joinpath("README.md").read_text().split())


def test_every_format_can_be_asked_for_in_the_settings():
    assert get_args(get_type_hints(InputConfig)["format"]) == ("auto", "tables", *FORMATS)


def test_a_folder_without_marks_is_searched_together_with_its_subfolders(tmp_path):
    name, source = find(write(tmp_path, {"ml-latest/ratings.csv": RATINGS, "readme.md": "x"}))
    assert (name, source.files) == ("movielens", ("ml-latest/ratings.csv",))
    assert events(source) == [("1", "11", "964982703")]


def test_files_in_subfolders_do_not_count_where_the_folder_has_marks_itself(tmp_path):
    _, source = find(write(tmp_path, {"ratings.csv": RATINGS, "old/ratings.csv": RATINGS}))
    assert source.files == ("ratings.csv",)


def test_lines_of_ids_beside_another_format_are_no_format(tmp_path):
    files = {"ratings.csv": RATINGS, "split_1.txt": "1 2 3\n", "split_2.txt": "1 2 3\n"}
    name, source = find(write(tmp_path, files))
    assert (name, source.files) == ("movielens", ("ratings.csv",))


def test_a_format_that_cannot_be_used_counts_where_several_fit(tmp_path):
    inter = "user_id:token\titem_id:token\n1\t2\n"
    folder = write(tmp_path, {"ratings.csv": RATINGS, "a.inter": inter, "b.inter": inter})
    with pytest.raises(
        DataError, match=r"fits the formats \['movielens', 'recbole'\]; set input.format to one of them"
    ):
        find(folder)
    assert find(folder, "movielens")[0] == "movielens"
    with pytest.raises(DataError, match=r"must have one .inter file, got \['a.inter', 'b.inter'\]"):
        find(folder, "recbole")


def test_an_unknown_folder_lists_its_files_with_their_fields_and_the_marks_of_all_formats(tmp_path):
    files = {
        "orders.csv": "customer,sku,bought_at\na,1,2\n",
        "notes.txt": "# 2 notes\n",
        "log.json": '{"who": 1, "what": 2}\n',
    }
    with pytest.raises(DataError) as caught:
        find(write(tmp_path, files))
    assert str(caught.value).splitlines()[1:5] == [
        "  log.json: fields who, what",
        "  notes.txt: begins with '# 2 notes'",
        "  orders.csv: fields customer, sku, bought_at",
        "What identifies a format:",
    ]
    assert str(caught.value).count("\n  ") == 3 + len(FORMATS) + 1


def test_the_report_counts_what_does_not_count_and_names_what_was_not_read(tmp_path):
    text = "user_id:token\titem_id:token\tlabel:float\ttimestamp:float\n1\t5\t0\t1574000000\n1\t6\t1\t1574000001\n"
    _, report = resolve_input(configure(write(tmp_path, {"mind.inter": text, "mind.kg": "x\n"})))
    assert report.left_out == {"interactions": {"impressions that were not clicked (label 0)": 1}}
    assert report.rows == {"interactions": 1, "items": 1}
    assert report.notes == (
        "1 impressions that were not clicked (label 0) are no rows of the interactions table",
        "1 items of the interactions are described nowhere and have no title",
        "files that were not read: mind.kg",
    )


def test_columns_rename_fields_of_formats_that_name_them_and_survive_a_manifest(tmp_path):
    text = "customer,movieId,rating,timestamp,userId\nAnn,11,4.0,964982703,1\n"
    config = configure(write(tmp_path, {"ratings.csv": text}), interactions={"columns": {"user_id": "customer"}})
    assert build_config(config_to_dict(config)) == config
    folder = open_folder(str(tmp_path), {"interactions": {"user_id": "customer"}})
    _, _, source = recognise(folder, "auto")
    assert source is not None
    assert events(source) == [("Ann", "11", "964982703")]
    resolved, _ = resolve_input(config)
    assert resolved.input.interactions.columns == {}


def test_categories_from_another_field_are_a_list(tmp_path):
    files = {"ratings.csv": RATINGS, "movies.csv": "movieId,title,genres,moods\n11,Heat,Crime,\"['dark', 'cold']\"\n"}
    _, source = find(write(tmp_path / "csv", files), columns={"items": {"categories": "title"}})
    assert [row["categories"] for row in rows(source.items)] == [["Heat"]]
    files = {
        "user_artists.dat": "userID\tartistID\tweight\n2\t51\t1\n",
        "artists.dat": "id\tname\tpictureURL\tmoods\n51\tDuran\tx\t['dark', 'cold']\n",
    }
    _, source = find(write(tmp_path / "dat", files), columns={"items": {"categories": "moods"}})
    assert [row["categories"] for row in rows(source.items)] == [["dark", "cold"]]


def test_columns_that_cannot_be_followed_are_refused(tmp_path):
    folder = write(tmp_path / "csv", {"ratings.csv": RATINGS})
    with pytest.raises(DataError, match=r"input.interactions.columns names \['who'\], but \['ratings.csv'\] in"):
        find(folder, columns={"interactions": {"user_id": "who"}})
    with pytest.raises(DataError, match=r"input.items.columns: \['colour'\] are not columns of the contract"):
        find(folder, columns={"items": {"colour": "title"}})
    write(tmp_path / "100k", {"u.data": "1\t2\t3\t4\n", "u.item": "2|Film|||\n"})
    with pytest.raises(
        DataError, match=r"format movielens, whose files do not name their fields; take input.items.columns"
    ):
        find(tmp_path / "100k", columns={"items": {"title": "name"}})


def test_other_settings_of_a_table_have_no_effect_on_a_folder_and_are_refused(tmp_path):
    with pytest.raises(
        ConfigError, match=r"input.items.format has no effect on input.folder, of which only input.items"
    ):
        configure(tmp_path, items={"format": "csv"})
