"""Read times: which way a column writes them, and the unix seconds of each value.

A number alone does not say what it counts. The units are told apart by the years that they would mean: a number that is a
time from 1990 to 2099 in one unit is none in the others. Numbers such as 20240501 are dates if nearly all of a column are.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from recsys_platform.values.moments import EARLIEST, LATEST, parse_calendar, parse_format, parse_moment

NumberKind = Literal["s", "ms", "us", "ns", "days", "calendar"]
UNIT_SECONDS: dict[NumberKind, float] = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
"""Unit -> how many of it are a second."""
DAY = 86_400.0
DAYS_BEFORE_1970 = 25_569
"""Days of a spreadsheet's date before 1970; it counts from 1899-12-30."""
EARLIEST_LIKELY, LATEST_LIKELY = 631_152_000.0, 4_102_444_800.0
"""1990 and 2100: a time outside is not what a number means unless a setting says so."""
MAX_SECONDS = 1e11
"""From here on (the year 5138) a number is no time in seconds; milliseconds since 1973 are above it."""
NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")


SCIENTIFIC = re.compile(r"\s*[+-]?\d(?:\.(\d+))?[eE]\+(\d+)\s*")
"""How spreadsheets and NumPy write long numbers that they round; Java writes exact ones without the sign."""


class OutOfRangeError(ValueError):
    """A number that is no likely time in the unit of its column."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TimeReading:
    """How the times of one column are read."""

    numbers: NumberKind = "s"
    """What numbers count."""
    is_checked: bool = False
    """Whether a number outside the years 1990 to 2099 is refused: the unit was recognised by them."""
    text_format: str | None = None
    """`strptime` format of texts; None reads those that have one meaning."""
    is_format_of_all: bool = False
    """Whether numbers have the format too."""

    def parse(self, text: str) -> float:
        """Return the unix seconds of one value as it is written.

        Raises:
            OutOfRangeError: it is a number outside the years of the column.
            ValueError: it is no time.

        Example:
            >>> TimeReading(numbers="ms").parse("86400000"), TimeReading(numbers="calendar").parse("19700102")
            (86400.0, 86400.0)
        """
        if self.is_format_of_all and self.text_format is not None:
            return parse_format(text, self.text_format)
        value = parse_number(text)
        if value is None:
            return parse_moment(text) if self.text_format is None else parse_format(text, self.text_format)
        if self.numbers != "calendar":
            return self.scale(value)
        seconds = parse_calendar(_digits(text))
        if seconds is None:
            raise OutOfRangeError(text)
        return seconds

    def is_rounded(self, text: str) -> bool:
        """Whether the digits of a number in scientific notation say less than its second.

        Example:
            >>> [TimeReading(numbers="ms").is_rounded(text) for text in ("1.71452E+12", "1.714521600123e+12")]
            [True, False]
        """
        match = SCIENTIFIC.fullmatch(text)
        if match is None or self.is_format_of_all or self.numbers not in UNIT_SECONDS:
            return False
        last_digit = 10.0 ** (int(match[2]) - len(match[1] or ""))
        return last_digit > UNIT_SECONDS[self.numbers]

    def scale(self, value: float) -> float:
        """Return the unix seconds of a number that is no date.

        Raises:
            OutOfRangeError: it is outside the years of the column.
        """
        days = self.numbers == "days"
        seconds = (value - DAYS_BEFORE_1970) * DAY if days else value / UNIT_SECONDS[self.numbers]
        if not self.holds(seconds):
            raise OutOfRangeError(str(value))
        return seconds

    def holds(self, seconds: float) -> bool:
        """Whether a number may mean this time."""
        return EARLIEST_LIKELY <= seconds < LATEST_LIKELY if self.is_checked else abs(seconds) < MAX_SECONDS


def parse_number(text: str) -> float | None:
    """Return the finite number that a text is, None for another text.

    Example:
        >>> parse_number(" 1.5e9 "), parse_number("1_000"), parse_number("1e999")
        (1500000000.0, None, None)
    """
    value = float(text) if NUMBER.fullmatch(text) else math.inf
    return value if math.isfinite(value) else None


def unit_of(value: float) -> NumberKind | None:
    """Return the unit in which a number is a time from 1990 to 2099; None if there is none.

    Example:
        >>> [unit_of(value) for value in (1570407501, 1570407501123, 1570407501123456, 5)]
        ['s', 'ms', 'us', None]
    """
    for unit, size in UNIT_SECONDS.items():
        if EARLIEST_LIKELY <= value / size < LATEST_LIKELY:
            return unit
    return None


def parse_time(value: str | float) -> float:
    """Return the unix seconds of one value alone: a text in one of the known ways, or a number of seconds.

    A text of digits is read as a column of a table would be. A whole number that may be a date is refused, unless it is
    written as a float.

    Raises:
        ValueError: it is no time, may be two, or lies outside the years 1 to 9999.

    Example:
        >>> parse_time("20240501") == parse_time("2024-05-01") == parse_time(1714521600) == parse_time(1714521600000)
        True
    """
    number = parse_number(value) if isinstance(value, str) else float(value)
    if number is None:
        assert isinstance(value, str), "a value that is no text is a number"
        seconds = parse_moment(value)
    else:
        seconds = _parse_lone_number(value, number)
    if not EARLIEST <= seconds <= LATEST:
        raise ValueError("must lie in the years 1 to 9999")
    return seconds


def parse_time_in(value: str | float, time_format: str | None) -> float:
    """Return the unix seconds of one value alone, a text in the format of its table, or as `parse_time` reads it.

    Raises:
        ValueError: it is no time, or may be two; the format is named.

    Example:
        >>> parse_time_in("20240105", "%Y%d%m") == parse_time_in("2024-05-01", "%Y%d%m") == parse_time("2024-05-01")
        True
    """
    if time_format is None:
        return parse_time(value)
    seconds = _parse_in(str(value).removesuffix(".0"), time_format)
    if isinstance(value, str) and seconds is not None:
        return seconds
    if seconds is not None:
        raise ValueError(
            f"{value} may be a time in the format {time_format} or seconds: write it as a text, or in ISO 8601"
        )
    if isinstance(value, str) and parse_number(value) is not None:
        raise ValueError(f"{value} does not have the format {time_format} of the training data")
    try:
        return parse_time(value)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{error}; it does not have the format {time_format} of the training data either") from error


def _parse_in(text: str, time_format: str) -> float | None:
    try:
        return parse_format(text, time_format)
    except (ValueError, OverflowError):
        return None


def _parse_lone_number(value: str | float, number: float) -> float:
    calendar = None if isinstance(value, float) else parse_calendar(_digits(str(value)))
    if calendar is not None and isinstance(value, str):
        return calendar
    if calendar is not None:
        raise ValueError(f"{value} may be a date or seconds: write the date as a text, or the moment in ISO 8601")
    unit = unit_of(number) or "s"
    if unit == "s" and abs(number) >= MAX_SECONDS:
        raise ValueError(f"{value} is no time from 1990 to 2099 in s, ms, us or ns; write it in ISO 8601")
    return number / UNIT_SECONDS[unit]


def count_calendar(values: Sequence[str]) -> int:
    """Return how many of these numbers are dates such as 20240501, all with the digits of the first such one."""
    widths = [len(_digits(value)) for value in values if parse_calendar(_digits(value)) is not None]
    return sum(width == widths[0] for width in widths)


def _digits(text: str) -> str:
    """Return the digits of a whole number, also one that a float wrote as `20240501.0`."""
    return text.strip().removesuffix(".0")
