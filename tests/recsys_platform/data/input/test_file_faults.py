"""One fault anywhere in a file of any format: no traceback, every row accounted for, the other rows as they were.

`RECSYS_TABLE_DRAWS=10000` draws more files than the few that every test run takes.
"""

import csv
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys_model.errors import DataError
from recsys_platform.config.input import InputConfig, TableConfig
from recsys_platform.data.input.contract import check_interactions
from recsys_platform.data.input.open import open_interactions
from recsys_platform.data.input.sources import read_whole

DRAWS = settings(
    max_examples=int(os.environ.get("RECSYS_TABLE_DRAWS", "60")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
COLUMNS = ("user_id", "item_id", "timestamp", "action", "summary")
ITEMS = [f"i{number}" for number in range(4)]
SUMMARIES = ("fine", 'so "so"', "red, warm", "5 inch", "", "两个")
Row = tuple[str, str, str, str, str]

rows_of_tables = st.lists(
    st.tuples(
        st.sampled_from(["u1", "u2", "u 3"]),
        st.sampled_from(ITEMS),
        st.integers(0, 10**9).map(str),
        st.sampled_from(["view", "buy"]),
        st.sampled_from(SUMMARIES),
    ),
    min_size=1,
    max_size=8,
)


def as_csv(rows: list[Row], delimiter: str = ",") -> str:
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows([COLUMNS, *rows])
    return file.getvalue()


def as_json_lines(rows: list[Row]) -> str:
    return "".join(json.dumps(dict(zip(COLUMNS, row, strict=True))) + "\n" for row in rows)


def as_literals(rows: list[Row]) -> str:
    return "".join(repr(dict(zip(COLUMNS, row, strict=True))) + "\n" for row in rows)


def as_array(rows: list[Row]) -> str:
    return json.dumps([dict(zip(COLUMNS, row, strict=True)) for row in rows], indent=1)


LINES = {
    "csv": as_csv,
    "tsv": lambda rows: as_csv(rows, "\t"),
    "txt": lambda rows: as_csv(rows, ";"),
    "jsonl": as_json_lines,
    "json": as_literals,
}
"""Ending -> what writes a row a line."""
INSERTED = ('"', "'", ",", "\t", ";", "\\", "{", "}", "[", "\x00", " ", '""', '"\\ud800"', "\ufeff", "é")


def read(path: Path, **changes: Any) -> tuple[list[tuple[str | None, ...]], int, int]:
    """The values of the accepted rows, the number of rejected rows, and that of all rows."""
    config = TableConfig(path=str(path), time_unit="s", **changes)
    tables = InputConfig(interactions=config, items=TableConfig(path="unread"))
    table = open_interactions(tables)
    block = read_whole(table)
    checked = check_interactions(block, pa.array(ITEMS), 3, uses_rating=False, reading=table.reading)
    reasons = checked["reason"].to_pylist()
    values = zip(*(block[name].to_pylist() for name in ("user_id", "item_id", "timestamp")), strict=True)
    accepted = [row for row, reason in zip(values, reasons, strict=True) if reason is None]
    return accepted, sum(reason is not None for reason in reasons), table.num_rows


def told(row: Row) -> tuple[str, ...]:
    return row[:3]


def is_subsequence(some: list[Any], whole: list[Any]) -> bool:
    remaining = iter(whole)
    return all(any(element == other for other in remaining) for element in some)


@DRAWS
@given(
    rows_of_tables,
    st.sampled_from(sorted(LINES)),
    st.sampled_from(INSERTED),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
)
def test_a_fault_in_a_line_costs_at_most_this_line(rows, ending, inserted, line_draw, place_draw):
    lines = LINES[ending](rows).splitlines(keepends=True)
    first = len(lines) - len(rows)
    faulty = first + line_draw % len(rows)
    place = place_draw % len(lines[faulty])
    lines[faulty] = lines[faulty][:place] + inserted + lines[faulty][place:]
    others = [told(row) for number, row in enumerate(rows) if number != faulty - first]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"t.{ending}"
        path.write_bytes("".join(lines).encode("utf-8", "surrogatepass"))
        try:
            accepted, num_rejected, num_rows = read(path)
        except DataError:
            assert faulty == 0, "only the first line of JSON decides about a whole file, or a table of one row"
            return
    assert num_rows == len(rows)
    assert len(accepted) + num_rejected == num_rows
    assert is_subsequence(others, accepted), "the other rows are as they were"


@DRAWS
@given(rows_of_tables, st.sampled_from([*sorted(LINES), "array"]), st.integers(0, 10**6))
def test_a_file_that_ends_early_is_read_up_to_there_or_refused(rows, ending, draw):
    text = as_array(rows) if ending == "array" else LINES[ending](rows)
    data = text.encode()
    data = data[: draw % len(data)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("t.json" if ending == "array" else f"t.{ending}")
        path.write_bytes(data)
        try:
            accepted, num_rejected, num_rows = read(path)
        except DataError:
            return
    assert len(accepted) + num_rejected == num_rows
    assert num_rejected <= 1
    whole = [told(row) for row in rows]
    assert accepted == whole[: len(accepted)] or accepted[:-1] == whole[: len(accepted) - 1]


@DRAWS
@given(
    rows_of_tables, st.sampled_from([*sorted(LINES), "array", "parquet"]), st.binary(max_size=4), st.integers(0, 10**6)
)
def test_bytes_that_do_not_belong_there_give_rows_or_a_reason(rows, ending, noise, draw):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("t.json" if ending == "array" else f"t.{ending}")
        if ending == "parquet":
            columns = dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True))
            pq.write_table(pa.table(columns), path)
        else:
            path.write_bytes((as_array(rows) if ending == "array" else LINES[ending](rows)).encode())
        data = path.read_bytes()
        place = draw % len(data)
        path.write_bytes(data[:place] + noise + data[place + len(noise) :])
        try:
            accepted, num_rejected, num_rows = read(path)
        except DataError as error:
            reason = str(error)
            accepted, num_rejected, num_rows = [], 0, 0
        else:
            reason = "input.interactions"
    assert "input.interactions" in reason
    assert len(accepted) + num_rejected == num_rows


@DRAWS
@given(rows_of_tables, st.sampled_from([*sorted(LINES), "array", "parquet"]), st.sampled_from(["view", "buy"]))
def test_rows_that_count_and_rows_that_do_not_add_up(rows, ending, action):
    expected = [told(row) for row in rows if row[3] == action]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("t.json" if ending == "array" else f"t.{ending}")
        if ending == "parquet":
            columns = dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True))
            pq.write_table(pa.table(columns), path, row_group_size=3)
        else:
            path.write_text(as_array(rows) if ending == "array" else LINES[ending](rows), encoding="utf-8")
        try:
            accepted, num_rejected, _ = read(path, where=f"action == {action}")
        except DataError as error:
            accepted, num_rejected = [("refused", str(error))], 0
    if not expected:
        assert "has no rows for which" in str(accepted)
        return
    assert (accepted, num_rejected) == (expected, 0)
