"""Convert columns of user input to ids, times, numbers and text, from any type.

Each function returns an array in which null means missing, and masks of the rows that carry a value
that cannot be read; the caller decides what is rejected.
"""

import datetime
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recsys_model.errors import DataError
from recsys_platform.config.input import CATEGORY_SEPARATOR
from recsys_platform.data.input.arrow import Mask, flatten, pc, to_mask

MAX_SECONDS = 1e11
"""From here on (the year 5138) a number is not a time in seconds; milliseconds since 2001 are above it."""
NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")


@dataclass(frozen=True, slots=True)
class Numbers:
    """A column of numbers."""

    values: npt.NDArray[np.float64]
    """NaN without a number."""
    is_null: Mask
    """No value was given."""
    is_unparsable: Mask
    """A value was given that is not a number or time."""


def to_ids(column: pa.ChunkedArray, name: str) -> pa.Array:
    """Return ids as strings: integers and whole floats in decimal, empty strings as null.

    Raises:
        DataError: the column's type cannot be an id.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_null(kind):
        return pa.nulls(len(column), pa.string())
    if pa.types.is_floating(kind):
        return pa.array([_trim_float(value) for value in column.to_pylist()], pa.string())
    if not (pa.types.is_integer(kind) or _is_text(kind)):
        raise DataError(f"column {name} must hold strings or integers, got the type {kind}")
    texts = pa.array(column.cast(pa.string()).to_pylist(), pa.string()) if _is_view(kind) else column.cast(pa.string())
    return flatten(pc.if_else(pc.equal(texts, ""), None, texts))


def to_seconds(column: pa.ChunkedArray) -> Numbers:
    """Return times as unix seconds.

    Numbers are seconds. Text is a number or ISO 8601. Times without a zone are UTC.
    """
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        # through microseconds, which hold every unit; nanoseconds lose what a float would not keep anyway
        micros = (
            column.cast(pa.timestamp("us"), safe=False)
            if pa.types.is_date(kind)
            else column.cast(pa.timestamp("us", tz=kind.tz), safe=False)
        )
        counts = pc.cast(micros, pa.int64())
        numbers = to_numbers(counts)
        return Numbers(numbers.values / 1e6, numbers.is_null, numbers.is_unparsable)
    return _parse_distinct(column, _parse_time) if _is_text(kind) else to_numbers(column)


def to_numbers(column: pa.ChunkedArray) -> Numbers:
    """Return a column of numbers, given as numbers or as text; NaN counts as missing, infinity as unparsable."""
    kind = column.type
    if _is_text(kind):
        return _parse_distinct(column, _parse_number)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
        values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        is_null = np.isnan(values) | to_mask(column.is_null())
        is_infinite = np.isinf(values)
        return Numbers(np.where(is_infinite, np.nan, values), is_null, is_infinite)
    is_null = to_mask(column.is_null())
    return Numbers(np.full(len(column), np.nan), is_null, ~is_null)


def to_texts(column: pa.ChunkedArray) -> list[str | None]:
    """Return values as text: whole floats without their `.0`, lists and structs as JSON, blank text as None."""
    return [_to_text(value) for value in column.to_pylist()]


def to_categories(value: Any) -> tuple[str, ...]:
    """Return one item's categories: a list, a JSON list, or text with `|` between them.

    Example:
        >>> to_categories("Garden | Tents"), to_categories(["Garden", None]), to_categories('["A|B"]')
        (('Garden', 'Tents'), ('Garden',), ('A|B',))
    """
    if value is None:
        return ()
    if isinstance(value, str):
        value = _json_list(value) or value.split(CATEGORY_SEPARATOR)
    parts = value if isinstance(value, (list, tuple)) else [value]
    texts = (str(part).strip() for part in parts if part is not None)
    return tuple(text for text in texts if text)


def _json_list(text: str) -> list[Any] | None:
    if not text.lstrip().startswith("["):
        return None
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return None
    return value if isinstance(value, list) else None


def _parse_distinct(column: pa.ChunkedArray, parse: Callable[[str], float]) -> Numbers:
    """Parse each distinct text once; `parse` raises ValueError."""
    encoded = flatten(column.cast(pa.large_string()).dictionary_encode())
    parsed: list[float] = []
    bad: list[bool] = []
    for text in encoded.dictionary.to_pylist():
        value = np.nan
        try:
            value = parse(text) if text.strip() else np.nan
            bad.append(False)
        except (ValueError, OverflowError):
            bad.append(True)
        parsed.append(value)
    indices = encoded.indices.fill_null(len(parsed)).to_numpy(zero_copy_only=False)
    values = np.array([*parsed, np.nan])[indices]
    is_unparsable = np.array([*bad, False])[indices]
    return Numbers(values, np.isnan(values) & ~is_unparsable, is_unparsable)


def _parse_number(text: str) -> float:
    if text.strip().lower() == "nan":
        return float("nan")
    if not NUMBER.fullmatch(text):
        raise ValueError(text)
    value = float(text)
    if np.isinf(value):
        raise ValueError(text)
    return value


def _parse_time(text: str) -> float:
    try:
        return _parse_number(text)
    except ValueError:
        moment = datetime.datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).timestamp()


def _to_text(value: Any) -> str | None:
    if value is None or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, float):
        return _trim_float(value)
    if isinstance(value, bool):
        return json.dumps(value)  # true and false, as in JSON lines and in requests
    text = json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, (list, dict)) else str(value)
    return text.strip() or None


def _trim_float(value: float | None) -> str | None:
    """Write a float without the noise of its binary form: 12.0 as 12, float32's 3.04 as 3.04.

    Example:
        >>> _trim_float(12.0), _trim_float(3.0399999618530273), _trim_float(float("nan"))
        ('12', '3.04', None)
    """
    if value is None or value != value:
        return None
    if float(value).is_integer():
        return str(int(value))
    single = np.float32(value)
    return str(single) if float(single) == value else repr(value)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or _is_view(kind)


def _is_view(kind: pa.DataType) -> bool:
    return pa.types.is_string_view(kind)
