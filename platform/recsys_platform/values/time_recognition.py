"""Recognise the way in which a column writes its times, from some of its values."""

import re
from collections import Counter
from collections.abc import Sequence

from recsys_model.errors import DataError
from recsys_platform.values.moments import parse_format, parse_moment, to_day
from recsys_platform.values.times import (
    DAY,
    DAYS_BEFORE_1970,
    EARLIEST_LIKELY,
    LATEST_LIKELY,
    MAX_SECONDS,
    UNIT_SECONDS,
    NumberKind,
    TimeReading,
    count_calendar,
    parse_number,
    unit_of,
)

DATE_WITH_SEPARATORS = re.compile(r"\d{1,2}([/.-])\d{1,2}\1(\d{4}|\d\d)(?: (\d{1,2}:\d\d(:\d\d)?)( [AaPp][Mm])?)?")
TICKS_PER_SECOND, SECONDS_BEFORE_1970 = 1e7, 62_135_596_800
"""Of the ticks of .NET, which count from the year 1."""
MOST = 0.9
"""Share of the values that must be dates for a column of dates; the others become rejects."""


def recognise_times(values: Sequence[str], setting: str) -> TimeReading:
    """Return how a column is read, from some of its values as they are written.

    Args:
        values: Values that are not null, as texts.
        setting: Name of the table in the settings, such as `input.interactions`, for messages.

    Raises:
        DataError: the values may mean different times; it names the settings that say which.

    Example:
        >>> recognise_times(["1570407501123", "1570407502000"], "input.interactions").numbers
        'ms'
        >>> recognise_times(["11/15/2019 8:55:22 AM"], "input.interactions").text_format
        '%m/%d/%Y %I:%M:%S %p'
    """
    values = [value.strip() for value in values if value.strip() and value.strip().lower() != "nan"]
    numbers = [value for value in values if parse_number(value) is not None]
    kind, is_checked = _recognise_numbers(numbers, setting) if numbers else ("s", False)
    texts = [value for value in values if parse_number(value) is None]
    return TimeReading(numbers=kind, is_checked=is_checked, text_format=_recognise_format(texts, setting))


def _recognise_numbers(values: Sequence[str], setting: str) -> tuple[NumberKind, bool]:
    """Return what numbers count, and whether each must be a likely time."""
    numbers = [float(value) for value in values]
    num_dates = count_calendar(values)
    if num_dates >= MOST * len(values):
        return "calendar", False
    if num_dates > len(values) / 2:
        other = next(value for value in values if count_calendar([value]) == 0)
        raise DataError(
            f"{setting}: {num_dates} of {len(values)} times read first are dates such as {values[0]}, but {other} is "
            f"none; set {setting}.time_format, such as '%Y%m%d', or {setting}.time_unit to s"
        )
    units = Counter(unit_of(number) for number in numbers)
    unit, count = units.most_common(1)[0]
    if unit is not None and count > len(values) / 2:
        if unit == "ns":
            _refuse_ticks(values, numbers, setting)
        return unit, True
    _refuse_unlikely(values, numbers, setting)
    return "s", False


def _refuse_ticks(values: Sequence[str], numbers: Sequence[float], setting: str) -> None:
    """Raise if nanoseconds of 1990 may be ticks of .NET, which are a hundred of them and count from the year 1."""
    seconds = [number / TICKS_PER_SECOND - SECONDS_BEFORE_1970 for number in numbers]
    if min(seconds) >= EARLIEST_LIKELY and max(seconds) < LATEST_LIKELY:
        raise DataError(
            f"{setting}: times such as {values[0]} may be ticks of .NET ({to_day(seconds[0])}) or nanoseconds "
            f"({to_day(numbers[0] / UNIT_SECONDS['ns'])}); write ticks as unix seconds, or set {setting}.time_unit to ns"
        )


def _refuse_unlikely(values: Sequence[str], numbers: Sequence[float], setting: str) -> None:
    """Raise if numbers that are no likely times in any unit may still be times."""
    if min(numbers) >= 1950 and max(numbers) < 2100 and all(number.is_integer() for number in numbers):
        raise DataError(
            f"{setting}: times such as {values[0]} may be years or seconds; set {setting}.time_format to '%Y', or "
            f"{setting}.time_unit to s"
        )
    days = [(number - DAYS_BEFORE_1970) * DAY for number in numbers]
    if min(days) >= EARLIEST_LIKELY and max(days) < LATEST_LIKELY:
        raise DataError(
            f"{setting}: times such as {values[0]} may be days of a spreadsheet ({to_day(days[0])}) or seconds; set "
            f"{setting}.time_unit to days or to s"
        )
    if sum(abs(number) >= MAX_SECONDS for number in numbers) > len(numbers) / 2:
        raise DataError(
            f"{setting}: times such as {values[0]} are none from 1990 to 2099 in s, ms, us or ns, and no dates such as "
            f"20240501; set {setting}.time_unit or {setting}.time_format"
        )


def _recognise_format(texts: Sequence[str], setting: str) -> str | None:
    """Return the format of dates such as 11/15/2019 8:55:22 AM; None for texts that have one meaning."""
    dated = [text for text in texts if DATE_WITH_SEPARATORS.fullmatch(text) and not _is_moment(text)]
    if len(dated) <= len(texts) / 2:
        return None
    layout = Counter(_layout_of(text) for text in dated).most_common(1)[0][0]
    month_first, day_first = (f"{order}{layout}" for order in _orders(dated[0]))
    fits = [(_fits(text, month_first), _fits(text, day_first)) for text in dated]
    only_month_first, only_day_first = fits.count((True, False)), fits.count((False, True))
    if (only_month_first > 0) != (only_day_first > 0):
        return month_first if only_month_first > 0 else day_first
    raise DataError(
        f"{setting}: times such as {dated[0]} may have the month or the day first; set {setting}.time_format to "
        f"'{month_first}' or '{day_first}'"
    )


def _orders(text: str) -> tuple[str, str]:
    """Return the formats of the day of this text, with the month and with the day first."""
    match = DATE_WITH_SEPARATORS.fullmatch(text)
    assert match is not None, "the caller filters by this expression"
    mark, year = match[1], "%Y" if len(match[2]) == 4 else "%y"
    return f"%m{mark}%d{mark}{year}", f"%d{mark}%m{mark}{year}"


def _layout_of(text: str) -> str:
    """Return the format of the time of day of this text."""
    match = DATE_WITH_SEPARATORS.fullmatch(text)
    if match is None or match[3] is None:
        return ""
    seconds = ":%S" if match[4] else ""
    return f" %I:%M{seconds} %p" if match[5] else f" %H:%M{seconds}"


def _is_moment(text: str) -> bool:
    try:
        parse_moment(text)
    except ValueError:
        return False
    return True


def _fits(text: str, time_format: str) -> bool:
    try:
        parse_format(text, time_format)
    except ValueError:
        return False
    return True
