"""Times of every type and unit, and what becomes of values that are none."""

import datetime
import decimal

import numpy as np
import pyarrow as pa
import pytest

from recsys_platform.data.input.plain import to_plain
from recsys_platform.data.input.times import Times, to_times
from recsys_platform.values.times import TimeReading

NOON_2020 = 1577880000.0


def read(values, kind=None, **reading) -> Times:
    return to_times(to_plain(pa.chunked_array([pa.array(values, kind)])), TimeReading(**reading))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1577880000], pa.int64()),
        ([1577880000.0], pa.float64()),
        (["1577880000"], pa.string()),
        (["1.57788e9"], pa.string()),
        (["2020-01-01T12:00:00Z"], pa.string()),
        (["2020-01-01 12:00:00"], pa.large_string()),
        (["2020-01-01T14:00:00+02:00"], pa.string()),
        (["2020-01-01 12:00:00 UTC"], pa.string_view()),
        (["Wed, 01 Jan 2020 12:00:00 GMT"], pa.dictionary(pa.int8(), pa.string())),
        ([b"2020-01-01T12:00:00Z"], pa.binary()),
        ([datetime.datetime(2020, 1, 1, 12)], pa.timestamp("ns")),
        ([datetime.datetime(2020, 1, 1, 12)], pa.timestamp("s")),
        ([datetime.datetime(2020, 1, 1, 12, tzinfo=datetime.UTC)], pa.timestamp("ms", tz="America/New_York")),
        ([decimal.Decimal(1577880000)], pa.decimal128(20, 2)),
    ],
)
def test_every_way_to_write_noon_is_the_same_second(values, kind):
    times = read([*values, None], kind)
    np.testing.assert_array_equal(times.values, [NOON_2020, np.nan])
    assert times.is_null.tolist() == [False, True]
    assert times.is_unparsable.tolist() == [False, False]


@pytest.mark.parametrize(
    ("value", "reading"),
    [
        (1577880000000, {"numbers": "ms"}),
        (1577880000000000, {"numbers": "us"}),
        (1577880000000000000, {"numbers": "ns"}),
        (43831.5, {"numbers": "days"}),
        (2020010112, {"numbers": "calendar"}),
        (202001011200, {"numbers": "calendar"}),
        (2020010112, {"text_format": "%Y%m%d%H", "is_format_of_all": True}),
    ],
)
@pytest.mark.parametrize("kind", ["typed", "text"])
def test_numbers_count_what_the_column_says(value, reading, kind):
    times = read([value if kind == "typed" else str(value), None], **reading)
    np.testing.assert_array_equal(times.values, [NOON_2020, np.nan])


def test_dates_are_midnight_utc():
    for kind in (pa.date32(), pa.date64()):
        times = read([datetime.date(2020, 1, 2), datetime.date(1960, 1, 1)], kind)
        assert times.values.tolist() == [1577923200.0, -315619200.0]


def test_fractions_of_a_second_are_kept():
    times = read([datetime.datetime(2020, 1, 1, 12, 0, 0, 250000)], pa.timestamp("us"))
    assert times.values.tolist() == [NOON_2020 + 0.25]


def test_text_that_is_no_time_is_unparsable_and_blank_text_is_null():
    times = read(["yesterday", " ", "2020-13-01", "inf", "nan", "1_000", None], pa.string())
    assert times.is_unparsable.tolist() == [True, False, True, True, False, True, False]
    assert times.is_null.tolist() == [False, True, False, False, True, False, True]


@pytest.mark.parametrize("kind", [pa.int64(), pa.string()])
def test_numbers_outside_the_years_of_a_recognised_unit_are_marked(kind):
    values = [1577880000000, 0, 1577880000, None]
    times = read(values if kind == pa.int64() else [None if value is None else str(value) for value in values], kind,
                 numbers="ms", is_checked=True)  # fmt: skip
    assert times.is_out_of_range.tolist() == [False, True, True, False]
    assert times.is_null.tolist() == [False, False, False, True]


def test_a_number_that_is_no_date_is_marked_in_a_column_of_dates():
    times = read([20200101, 20201301, 2020], numbers="calendar")
    assert times.is_out_of_range.tolist() == [False, True, True]


def test_seconds_that_a_float32_rounds_are_marked_and_small_ones_are_exact():
    times = read([1577880000.0, 16777215.0, 5.1, None], pa.float32())
    assert times.is_inexact.tolist() == [True, False, False, False]
    assert times.values.tolist()[1:3] == [16777215.0, 5.1]


def test_a_time_that_a_spreadsheet_has_rounded_is_inexact():
    texts = ["1.71452E+09", "1.714521600E+09", "1.7145216E9", "1714521600"]
    times = read(texts, pa.string())
    assert times.is_inexact.tolist() == [True, False, False, False]
    assert times.values[1:].tolist() == [1714521600.0] * 3
