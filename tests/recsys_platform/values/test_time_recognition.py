"""What a column of times is taken for, and when a person has to say."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_model.errors import DataError
from recsys_platform.values.time_recognition import recognise_times
from recsys_platform.values.times import UNIT_SECONDS, TimeReading, parse_time

MOMENTS = st.datetimes(datetime.datetime(1990, 1, 1), datetime.datetime(2099, 12, 31)).map(
    lambda moment: moment.replace(microsecond=0, tzinfo=datetime.UTC)
)


def read(values: list[str]) -> list[float]:
    reading = recognise_times(values, "input.interactions")
    return [reading.parse(value) for value in values]


@given(st.lists(MOMENTS, min_size=1, max_size=5), st.sampled_from(sorted(UNIT_SECONDS)))
def test_any_unit_is_recognised_from_times_of_a_hundred_years(moments, unit):
    seconds = [int(moment.timestamp()) for moment in moments]
    assert read([str(value * int(UNIT_SECONDS[unit])) for value in seconds]) == seconds


@given(st.lists(MOMENTS, min_size=1, max_size=5), st.sampled_from(["%Y%m%d%H%M%S", "%Y-%m-%d %H:%M:%S UTC"]))
def test_dates_as_numbers_and_as_texts_are_recognised(moments, time_format):
    assert read([moment.strftime(time_format) for moment in moments]) == [moment.timestamp() for moment in moments]


@pytest.mark.parametrize(
    ("values", "reading"),
    [
        (["20240501", "20240502"], TimeReading(numbers="calendar")),
        (["2019100712", "2019100713"], TimeReading(numbers="calendar")),
        (["20240501.0"], TimeReading(numbers="calendar")),
        (["1570407501123", "0", "1570407501124"], TimeReading(numbers="ms", is_checked=True)),
        (["0", "5", "20240501", "26000000"], TimeReading()),
        (["-5", "3"], TimeReading()),
        ([], TimeReading()),
        (["2024-05-01", "2024-05-02T03:04:05Z", "Oct 7, 2019"], TimeReading()),
        (["11/15/2019 8:55:22 AM", "1/2/2019 9:00:00 PM"], TimeReading(text_format="%m/%d/%Y %I:%M:%S %p")),
        (["15.11.2019", "01.02.2019"], TimeReading(text_format="%d.%m.%Y")),
        (["15/11/2019 23:59", "01/02/2019 00:00"], TimeReading(text_format="%d/%m/%Y %H:%M")),
    ],
)
def test_a_column_is_read_by_what_its_values_can_mean(values, reading):
    assert recognise_times(values, "input.interactions") == reading


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["2019", "2020"], r"such as 2019 may be years or seconds; set input.interactions.time_format to '%Y', or"),
        (
            ["43745.5", "43746"],
            r"43745.5 may be days of a spreadsheet \(2019-10-07\) or seconds; set .* to days or to s",
        ),
        (
            ["20240501", "20240502", "20241301"],
            r"2 of 3 times read first are dates such as 20240501, but 20241301 is none",
        ),
        (["99999999999999999999"], r"are none from 1990 to 2099 in s, ms, us or ns"),
        (["10/07/2019", "10/08/2019"], r"month or the day first; set .*time_format to '%m/%d/%Y' or '%d/%m/%Y'"),
        (["13/07/2019", "07/13/2019"], "month or the day first"),
    ],
)
def test_times_that_may_mean_two_things_are_an_error_that_names_both(values, message):
    with pytest.raises(DataError, match=message):
        recognise_times(values, "input.interactions")


@pytest.mark.parametrize("text", ["20240501", "2024-05-01", "2024-05-01T00:00:00Z", "1714521600", "1714521600000"])
def test_a_lone_text_means_what_a_column_of_it_means(text):
    assert parse_time(text) == read([text])[0] == 1714521600.0


def test_a_lone_number_counts_seconds_unless_it_may_be_a_date():
    assert [parse_time(value) for value in (0, 1714521600.5, 1714521600000)] == [0.0, 1714521600.5, 1714521600.0]
    with pytest.raises(ValueError, match="20240501 may be a date or seconds"):
        parse_time(20240501)


@pytest.mark.parametrize("value", ["yesterday", "", "5e12", "nan", "may 3", "2024-13-01", 5e12, -1e12])
def test_what_is_no_time_is_refused(value):
    with pytest.raises(ValueError, match=r"."):
        parse_time(value)


def test_ticks_of_dot_net_are_not_taken_for_nanoseconds_of_1990():
    with pytest.raises(DataError, match=r"may be ticks of .NET \(2024-05-01\) or nanoseconds \(1990-03-27\)"):
        recognise_times(["638501184000000000", "638501184010000000"], "input.interactions")
    assert recognise_times(["1714521600000000000"], "input.interactions").numbers == "ns"
