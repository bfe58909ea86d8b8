"""What users' columns may hold, and what becomes of it."""

import datetime
import decimal

import numpy as np
import pyarrow as pa
import pytest

from recsys_model.errors import DataError
from recsys_platform.data.input import columns

NOON_2020 = 1577880000.0


def chunked(values, kind=None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values[:1], kind), pa.array(values[1:], kind)])


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (["007", "", None, " x "], pa.string(), ["007", None, None, " x "]),
        ([7, None, -1], pa.int32(), ["7", None, "-1"]),
        ([7.0, float("nan"), 0.5], pa.float64(), ["7", None, "0.5"]),
        (["a", None, "b"], pa.large_string(), ["a", None, "b"]),
        (["a", None, "a"], pa.dictionary(pa.int8(), pa.string()), ["a", None, "a"]),
        ([None, None, None], pa.null(), [None, None, None]),
        (["a", "", "b"], pa.string_view(), ["a", None, "b"]),
    ],
)
def test_ids_become_strings_and_empty_ones_null(values, kind, expected):
    assert columns.to_ids(chunked(values, kind), "user_id").to_pylist() == expected


def test_a_column_of_lists_cannot_hold_ids():
    with pytest.raises(DataError, match="column item_id must hold strings or integers, got the type list"):
        columns.to_ids(chunked([["a"], ["b"]]), "item_id")


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
        ([datetime.datetime(2020, 1, 1, 12)], pa.timestamp("ns")),
        ([datetime.datetime(2020, 1, 1, 12)], pa.timestamp("s")),
        ([datetime.datetime(2020, 1, 1, 12, tzinfo=datetime.UTC)], pa.timestamp("ms", tz="America/New_York")),
        ([decimal.Decimal(1577880000)], pa.decimal128(20, 2)),
    ],
)
def test_every_way_to_write_noon_is_the_same_second(values, kind):
    times = columns.to_seconds(chunked([*values, None], kind))
    np.testing.assert_array_equal(times.values, [NOON_2020, np.nan])
    assert times.is_null.tolist() == [False, True]
    assert times.is_unparsable.tolist() == [False, False]


def test_dates_are_midnight_utc():
    for kind in (pa.date32(), pa.date64()):
        times = columns.to_seconds(chunked([datetime.date(2020, 1, 2), datetime.date(1960, 1, 1)], kind))
        assert times.values.tolist() == [1577923200.0, -315619200.0]


def test_fractions_of_a_second_are_kept():
    times = columns.to_seconds(chunked([datetime.datetime(2020, 1, 1, 12, 0, 0, 250000)], pa.timestamp("us")))
    assert times.values.tolist() == [NOON_2020 + 0.25]


def test_text_that_is_no_time_is_unparsable_and_blank_text_is_null():
    times = columns.to_seconds(chunked(["yesterday", " ", "2020-13-01", "inf", "nan", "1_000", None], pa.string()))
    assert times.is_unparsable.tolist() == [True, False, True, True, False, True, False]
    assert times.is_null.tolist() == [False, True, False, False, True, False, True]


def test_infinite_numbers_are_unparsable_and_nan_is_null():
    numbers = columns.to_numbers(chunked([float("inf"), float("nan"), 2.5], pa.float64()))
    assert numbers.is_unparsable.tolist() == [True, False, False]
    assert numbers.is_null.tolist() == [False, True, False]
    assert numbers.values[2] == 2.5


def test_booleans_are_no_numbers():
    assert columns.to_numbers(chunked([True, None], pa.bool_())).is_unparsable.tolist() == [True, False]


def test_values_become_short_text():
    assert columns.to_texts(chunked([12.0, 3.04, None], pa.float32())) == ["12", "3.04", None]
    assert columns.to_texts(chunked([0.1, float("nan")], pa.float64())) == ["0.1", None]
    assert columns.to_texts(chunked([True, False])) == ["true", "false"]
    assert columns.to_texts(chunked([" Berlin ", "  "])) == ["Berlin", None]
    assert columns.to_texts(chunked([["a", "b"], ["é"]])) == ['["a", "b"]', '["é"]']


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ()),
        ("", ()),
        ("Tents", ("Tents",)),
        ("Garden|Tents | ", ("Garden", "Tents")),
        ('["Garden", "A|B", null]', ("Garden", "A|B")),
        ("[sic] Tents", ("[sic] Tents",)),
        (["Garden", None, " Tents "], ("Garden", "Tents")),
        (7, ("7",)),
    ],
)
def test_categories_come_as_lists_or_as_text(value, expected):
    assert columns.to_categories(value) == expected
