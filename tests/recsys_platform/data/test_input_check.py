"""`recsys data --check`: what a sample of the tables is taken for, without Ray."""

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from recsys_platform.cli import main
from recsys_platform.cli.summaries import of_check
from recsys_platform.config.run import build_config
from recsys_platform.data.input.importers.recognition import FORMATS
from recsys_platform.data.input_check import InputLook, check_input
from tests.recsys_platform.data.input.importers.examples import write_example

EVENTS = "customer,item_id,timestamp,channel\nc1,i1,1570407501,web\nc2,i2,1570407502,app\n"
ITEMS = "item_id;title\ni1;Blue Tent\ni2;Cup\n"


def check(
    folder: Path, events: str = EVENTS, items: str | None = ITEMS, users: str | None = None, **settings: Any
) -> InputLook:
    texts = {"interactions": events, "items": items, "users": users}
    tables: dict[str, Any] = {}
    for name, text in texts.items():
        if text == "from_interactions":
            tables[name] = text
        elif text is not None:
            (folder / f"{name}.csv").write_text(text)
            tables[name] = {"path": str(folder / f"{name}.csv")}
    tables["interactions"] |= {"columns": {"user_id": "customer"}} | settings.pop("interactions", {})
    return check_input(build_config({"name": "shop", "storage": str(folder), "input": tables | settings}))


def test_every_column_is_shown_with_its_role_and_examples(tmp_path):
    look = check(tmp_path)
    told = of_check(look).splitlines()
    assert told == [
        "input: the tables that input.interactions, input.items and input.users name",
        f"interactions: {tmp_path}/interactions.csv, csv, `,` between values; 2 rows looked at",
        '  user_id    "c1", "c2"  (column customer)',
        '  item_id    "i1", "i2"',
        '  timestamp  "1570407501", "1570407502"',
        "  not read: channel",
        f"items: {tmp_path}/items.csv, csv, `;` between values; 2 rows looked at",
        '  item_id  "i1", "i2"',
        '  title    "Blue Tent", "Cup"',
        "note: interactions: times run from 2019-10-07 00:18:21 UTC to 2019-10-07 00:18:22 UTC",
        "no doubts; only the first rows were read, and nothing was written",
    ]
    assert json.loads(json.dumps(look.to_dict()))["tables"][0]["columns"][3]["role"] == "not read"


@pytest.mark.parametrize(
    ("change", "doubt"),
    [
        (
            {"items": 'item_id,title\ni1,"Mug\ni2,Cup\n'},
            'items: 1 of 2 rows have malformed_line, the first is row 0: {"line"',
        ),
        ({"items": "item_id,title\ni1,\ni2,Cup\n"}, "items: 1 of 2 rows have empty_title, the first is row 0"),
        (
            {"items": "item_id,title\n001,Tent\n"},
            'rows have a item_id that items lacks, such as "i1", "i2"; items has "001"',
        ),
        (
            {"events": EVENTS + "c1,i1,soon,web\n"},
            "interactions: 1 of 3 rows have unparsable_timestamp, the first is row 2",
        ),
        (
            {"events": EVENTS + "NULL,i1,1570407503,web\n"},
            "1 of 3 rows have the user_id NULL, which programs write for a missing value; input.interactions.where",
        ),
        (
            {"events": EVENTS + "c1 ,i1,1570407503,web\n"},
            "1 of 3 different values of user_id have blanks around them, such as 'c1 '",
        ),
        (
            {"events": EVENTS.replace("15704", "20")},
            "times from 1970-01-24 to 1970-01-24: numbers are read as seconds from 1970",
        ),
        (
            {"users": "user_id,age\nbob,25\n"},
            'rows have a user_id that users lacks, such as "c1", "c2"; users has "bob"',
        ),
        (
            {"users": "user_id,code\n" + "".join(f"c{n},x{n}\n" for n in range(20))},
            "users: the feature code has another value for each of 20 users, such as x0: is it an id",
        ),
    ],
)
def test_what_is_odd_is_a_doubt(tmp_path, change, doubt):
    doubts = check(tmp_path, **change).doubts
    assert any(doubt in text for text in doubts), doubts


def test_tables_that_cannot_be_read_are_errors_and_the_others_are_shown(tmp_path):
    look = check(
        tmp_path, events="customer,item_id\nc1,i1\n", items="item_id,name\ni1,Tent\n", users="user_id,age\nc1,25\n"
    )
    assert [table.table for table in look.tables] == ["users"]
    assert ["timestamp" in error or "title" in error for error in look.errors] == [True, True]
    assert of_check(look).endswith("the data stage would stop; only the first rows were read, and nothing was written")


def test_all_files_of_a_table_are_looked_into_and_a_doubt_names_its_file(tmp_path):
    (tmp_path / "events").mkdir()
    for part in range(3):
        bad = "c9,i1,soon\n" if part == 2 else ""
        (tmp_path / "events" / f"part-{part}.csv").write_text(
            f"customer,item_id,timestamp\nc{part},i1,157040750{part}\n{bad}"
        )
    look = check(tmp_path, interactions={"path": str(tmp_path / "events")})
    assert look.tables[0].source == f"{tmp_path}/events, csv, `,` between values, the first rows of each of 3 files"
    assert look.tables[0].columns[0].examples == ("c0", "c1", "c2")
    assert "interactions: 1 of 4 rows have unparsable_timestamp, the first is row 1 of part-2.csv" in look.doubts[0]


def test_files_whose_times_count_different_units_are_an_error(tmp_path):
    (tmp_path / "events").mkdir()
    for part, time in enumerate(("1570407501", "1570407501123")):
        (tmp_path / "events" / f"part-{part}.csv").write_text(f"customer,item_id,timestamp\nc1,i1,{time}\n")
    look = check(tmp_path, interactions={"path": str(tmp_path / "events")})
    assert "the files differ in what their times count" in look.errors[0]


def test_of_many_files_as_many_are_looked_into_as_is_stated(tmp_path):
    (tmp_path / "events").mkdir()
    for part in range(40):
        rows = "".join(f"c{part},i{row},15704075{row % 60:02}\n" for row in range(80))
        (tmp_path / "events" / f"part-{part:02}.csv").write_text(f"customer,item_id,timestamp\n{rows}")
    look = check(tmp_path, items="from_interactions", interactions={"path": str(tmp_path / "events")})
    assert look.tables[0].source.endswith("the first rows of 16 of 40 files")
    assert look.tables[0].num_rows == 16 * 62


def test_a_label_that_nobody_mentions_is_an_error(tmp_path):
    events = "customer,item_id,timestamp,label\nc1,i1,1,0\nc1,i2,2,1\n"
    assert "input.interactions.where says which rows count, `label == 1`" in check(tmp_path, events=events).errors[0]
    assert check(tmp_path, events=events, interactions={"where": "label == 1"}).errors == ()


def test_items_of_the_interactions_are_shown(tmp_path):
    events = "customer,item_id,timestamp,title\nc1,i1,1570407501,Blue Tent\n"
    look = check(tmp_path, events=events, items="from_interactions")
    assert [column.examples for column in look.tables[1].columns] == [("i1",), ("Blue Tent",)]


@pytest.mark.parametrize("name", ["yambda", "p5", "sequences", "lcrec"])
def test_a_format_whose_times_are_no_dates_says_so_once(tmp_path, name):
    folder = write_example(tmp_path / "source", name)
    look = check_input(build_config({"name": "r", "storage": str(tmp_path), "input": {"folder": str(folder)}}))
    told = [text for text in (*look.notes, *look.doubts) if "stands for seconds" in text or "not dates" in text]
    assert len(told) == 1
    assert not any("numbers are read as seconds from 1970" in text for text in look.doubts)


def test_a_folder_of_a_published_format_is_shown(tmp_path):
    review = {"reviewerID": "A1", "asin": "B1", "unixReviewTime": 1400000000, "overall": 5.0}
    (tmp_path / "reviews.json.gz").write_bytes(gzip.compress((json.dumps(review) + "\n").encode()))
    document = {"name": "shop", "storage": str(tmp_path / "runs"), "input": {"folder": str(tmp_path)}}
    look = check_input(build_config(document))
    assert "as mcauley" in look.source
    assert look.tables[0].columns[0].examples == ("A1",)


def test_records_of_a_published_format_that_do_not_count_are_noted(tmp_path):
    folder = tmp_path / "mind"
    folder.mkdir()
    (folder / "behaviors.tsv").write_text("1\tU1\t11/11/2019 9:05:58 PM\tN1\tN2-1 N3-0 N4-0\n")
    (folder / "news.tsv").write_text("N2\tnews\tworld\tA day\tText.\thttp\t[]\t[]\n")
    look = check_input(build_config({"name": "r", "storage": str(tmp_path), "input": {"folder": str(folder)}}))

    assert (look.tables[0].num_rows, look.errors) == (1, ())
    assert look.notes[0] == (
        "2 of the first 3 records are no rows of the interactions table: impressions that were not clicked"
    )


@pytest.mark.parametrize("name", FORMATS)
def test_every_published_format_can_be_checked(tmp_path, name):
    folder = write_example(tmp_path / "source", name)
    look = check_input(build_config({"name": "r", "storage": str(tmp_path), "input": {"folder": str(folder)}}))

    assert look.errors == ()
    assert f"as {name}: " in look.source
    assert look.tables[0].num_rows > 0


def test_the_command_needs_no_ray_and_its_status_tells_whether_the_stage_would_stop(tmp_path, capsys):
    check(tmp_path)
    tables = {"interactions": {"path": f"{tmp_path}/interactions.csv"}, "items": {"path": f"{tmp_path}/items.csv"}}
    run = tmp_path / "run.yaml"
    run.write_text(json.dumps({"name": "shop", "storage": str(tmp_path), "input": tables}))
    fixed = "input.interactions.columns={user_id: customer}"
    program = (
        "import sys\nfrom recsys_platform.cli import main\n"
        f"status = main(['data', {str(run)!r}, '--check', '--set', {fixed!r}])\n"
        "assert not {'ray', 'torch'} & set(sys.modules), 'a check needs neither'\nsys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert main(["data", str(run), "--check", "--json"]) == 1
    assert "lacks the columns ['user_id']" in json.loads(capsys.readouterr().out.splitlines()[-1])["errors"][0]
