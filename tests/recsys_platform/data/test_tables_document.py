"""Every example of docs/tables.md holds."""

import datetime
import decimal
import re
import uuid
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from recsys_model.errors import DataError
from recsys_platform.data.input import columns
from recsys_platform.data.input.plain import to_plain
from recsys_platform.data.input.reasons import REASON_TO_WAY_OUT
from recsys_platform.values.time_recognition import recognise_times

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs/tables.md").read_text(encoding="utf-8")
CODE = re.compile(r"`([^`]*)`")
UUID = uuid.UUID(int=5)
NOON = datetime.datetime(2024, 5, 1, 12, 30, tzinfo=datetime.UTC)

DOUBTS = {
    "month or the day first": "month or day first?",
    "years or seconds": "a year or seconds?",
    "days of a spreadsheet": "days of a spreadsheet or seconds?",
}


def rows_of(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its first two lines."""
    section = TEXT.split(f"### {heading}\n", 1)[1].split("\n##", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def code_in(cell: str) -> str:
    return " · ".join(text.replace("\\|", "|") for text in CODE.findall(cell))


def read_id(text: str) -> str:
    ids = columns.to_ids(pa.array([text]))
    reasons = {"inexact_id": ids.is_inexact[0], "nested_id": ids.is_nested[0]}
    return next((f"rejected: `{reason}`" for reason, holds in reasons.items() if holds), f"`{ids.values[0]}`")


def read_label(text: str) -> str:
    labels = columns.to_labels(pa.array([text]))
    return _told(labels.texts[0], unreadable=bool(labels.is_unreadable[0]))


def read_categories(text: str) -> str:
    categories = columns.to_categories(pa.array([text]))
    return _told("` · `".join(categories.names[0]).replace("|", "\\|"), unreadable=bool(categories.is_unreadable[0]))


def read_price(text: str) -> str:
    return _told(columns.to_prices(pa.array([text])).texts[0], unreadable=False)


def read_time(text: str) -> str:
    try:
        seconds = recognise_times([text], "input.interactions").parse(text)
    except DataError as error:
        return f"the stage stops: {next(words for word, words in DOUBTS.items() if word in str(error))}"
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return f"`{moment.isoformat().replace('+00:00', 'Z')}`"


def _told(text: str | None, *, unreadable: bool) -> str:
    return "no plain text" if unreadable else "missing" if text is None else f"`{text}`"


@pytest.mark.parametrize(
    ("heading", "read", "num_rows"),
    [
        ("Ids", read_id, 9),
        ("Labels", read_label, 18),
        ("Categories", read_categories, 6),
        ("Prices", read_price, 5),
        ("Times", read_time, 17),
    ],
)
def test_values_of_text_files_are_read_as_the_page_says(heading: str, read: Callable[[str], str], num_rows: int):
    rows = rows_of(heading)
    assert len(rows) == num_rows
    assert [[written, read(code_in(written))] for written, _ in rows] == rows


TYPE_TO_ARRAY = {
    "dictionary<string>": pa.array(["Red"]).dictionary_encode(),
    "large_string": pa.array(["Red"], pa.large_string()),
    "string_view": pa.array(["Red"], pa.string_view()),
    "binary": pa.array([b"Red"]),
    "fixed_size_binary[16]": pa.array([UUID.bytes], pa.binary(16)),
    "uuid": pa.array([UUID.bytes], pa.uuid()),
    "decimal128(20, 2)": pa.array([decimal.Decimal("12.50")], pa.decimal128(20, 2)),
    "float": pa.array([3.04], pa.float32()),
    "halffloat": pa.array([1.5], pa.float32()).cast(pa.float16()),
    "bool": pa.array([True]),
    "date32": pa.array([datetime.date(2024, 5, 1)]),
    "timestamp[ns, Europe/Berlin]": pa.array([NOON], pa.timestamp("ns", tz="Europe/Berlin")),
    "time64[us]": pa.array([datetime.time(12, 30)]),
    "list<string>": pa.array([["A", "B"]]),
}


def test_types_of_parquet_are_read_as_the_page_says():
    expected = {CODE.findall(kind)[0]: code_in(text) for kind, _, text in rows_of("Types of Parquet")}
    read = {
        kind: columns.to_labels(to_plain(pa.chunked_array([array]))).texts[0] for kind, array in TYPE_TO_ARRAY.items()
    }
    assert read == expected


def test_the_page_explains_every_reason_that_has_a_way_out():
    explained = {reason for row in rows_of("Reasons") for reason in CODE.findall(row[0])}
    assert set(REASON_TO_WAY_OUT) <= explained
