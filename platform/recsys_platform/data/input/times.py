"""Read the times of a plain column."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recsys_platform.data.input.arrow import Mask, flatten, to_mask
from recsys_platform.data.input.columns import parse_dictionary
from recsys_platform.data.input.written import as_written
from recsys_platform.values.ids import EXACT_WHOLE_NUMBERS
from recsys_platform.values.times import (
    EARLIEST_LIKELY,
    LATEST_LIKELY,
    MAX_SECONDS,
    UNIT_SECONDS,
    OutOfRangeError,
    TimeReading,
)

MICROSECOND = 1e6


@dataclass(frozen=True, slots=True)
class Times:
    """A column of times."""

    values: npt.NDArray[np.float64]
    """Unix seconds; NaN without one."""
    is_null: Mask
    """No value was given."""
    is_unparsable: Mask
    """A value was given that is no time, or not in the format of its column."""
    is_out_of_range: Mask
    """A number was given that is no likely time in the unit of its column."""
    is_inexact: Mask
    """The type of the column, or a spreadsheet, has rounded the time, so that the order of events is lost."""


def to_times(column: pa.Array | pa.ChunkedArray, reading: TimeReading) -> Times:
    """Return the times of a plain column; those without a zone are UTC."""
    array = flatten(column)
    kind = array.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return _from_seconds(_count_microseconds(array) / MICROSECOND)
    numbers = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)
    if numbers and reading.numbers in UNIT_SECONDS and not reading.is_format_of_all:
        return _scale(array, reading)
    return _parse(as_written(array), reading)


def _count_microseconds(array: pa.Array) -> npt.NDArray[np.float64]:
    """Return microseconds, which hold every unit; nanoseconds lose what a float would not keep anyway."""
    counts = array.cast(pa.timestamp("us", tz=getattr(array.type, "tz", None)), safe=False).cast(pa.int64())
    values = counts.fill_null(0).to_numpy(zero_copy_only=False).astype(np.float64)
    return np.where(to_mask(array.is_null()), np.nan, values)


def _scale(array: pa.Array, reading: TimeReading) -> Times:
    """Read numbers of a unit."""
    numbers = (array if array.type != pa.float32() else as_written(array)).cast(pa.float64(), safe=False)
    values = numbers.to_numpy(zero_copy_only=False)
    seconds = values / UNIT_SECONDS[reading.numbers]
    with np.errstate(invalid="ignore"):
        is_held = np.abs(seconds) < MAX_SECONDS
        if reading.is_checked:
            is_held = (seconds >= EARLIEST_LIKELY) & (seconds < LATEST_LIKELY)
        is_single = array.type == pa.float32()
        is_inexact = np.abs(values) >= (EXACT_WHOLE_NUMBERS["float"] if is_single else np.inf)
    is_infinite = np.isinf(values)
    return dataclasses.replace(
        _from_seconds(seconds),
        is_unparsable=is_infinite,
        is_out_of_range=~is_held & ~np.isnan(values) & ~is_infinite,
        is_inexact=is_inexact & ~is_infinite,
    )


def _parse(texts: pa.Array, reading: TimeReading) -> Times:
    """Read each distinct text once."""

    def parse(text: str) -> tuple[float, bool, bool]:
        if not text.strip() or text.strip().lower() == "nan":
            return np.nan, False, False
        try:
            return reading.parse(text), False, reading.is_rounded(text)
        except OutOfRangeError:
            return np.nan, True, False

    parsed, is_bad, indices = parse_dictionary(texts, parse, (np.nan, False, False), ValueError)
    seconds = np.array([value for value, _, _ in parsed], dtype=np.float64)[indices]
    is_out_of_range = np.array([is_far for _, is_far, _ in parsed], dtype=bool)[indices]
    is_inexact = np.array([is_rounded for _, _, is_rounded in parsed], dtype=bool)[indices]
    is_unparsable = is_bad[indices]
    is_null = np.isnan(seconds) & ~is_unparsable & ~is_out_of_range
    return Times(seconds, is_null, is_unparsable, is_out_of_range, is_inexact)


def _from_seconds(seconds: npt.NDArray[np.float64]) -> Times:
    none = np.zeros(len(seconds), dtype=bool)
    return Times(seconds, np.isnan(seconds), none, none, none)
