"""The text of each value of a plain column, as a CSV file would have it.

Columns whose type differs between the files of a table are joined as texts.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from recsys_platform.data.input.arrow import Mask, flatten, pc, to_mask
from recsys_platform.values.ids import EXACT_WHOLE_NUMBERS, ROUNDED_EXPONENT_DIGITS

MICROSECONDS = pa.timestamp("us")


def as_written(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return the texts of a plain column; null where nothing was given, which NaN says too.

    A whole number that the float has rounded is written with an exponent of four digits, so that `columns.to_ids` can tell.

    Example:
        >>> as_written(pa.array([12.0, 0.1, float("nan"), 2.0**53])).to_pylist()
        ['12', '0.1', None, '9.007199254740992e+0015']
    """
    array = flatten(column)
    kind = array.type
    if pa.types.is_string(kind):
        return array
    if pa.types.is_floating(kind):
        return _write_floats(array)
    if pa.types.is_timestamp(kind):
        return _write_timestamps(array)
    return array.cast(pa.string())


def is_inexact(array: pa.Array) -> Mask:
    """Mark the whole numbers of a float column that the type rounds; infinity too."""
    values = np.abs(array.to_numpy(zero_copy_only=False))
    with np.errstate(invalid="ignore"):
        return values >= EXACT_WHOLE_NUMBERS[str(array.type)]


def join_parts(parts: Sequence[pa.Table]) -> pa.Table:
    """Join the parts of a table; a column whose type differs between them becomes text.

    Example:
        >>> join_parts([pa.table({"a": [1]}), pa.table({"a": ["x"]}), pa.table({"a": [2.0]})])["a"].to_pylist()
        ['1', 'x', '2']
    """
    names = parts[0].column_names
    kinds = {name: {part.schema.field(name).type for part in parts} - {pa.null()} for name in names}
    joined = [
        pa.table({name: part[name] if len(kinds[name]) < 2 else as_written(part[name]) for name in names})
        for part in parts
    ]
    return pa.concat_tables(joined, promote_options="default")


def _write_floats(array: pa.Array) -> pa.Array:
    """Write floats as programs write CSV; Arrow writes small ones and long ones in its own way."""
    texts = array.cast(pa.string())
    texts = pc.if_else(array.is_nan().fill_null(False), pa.scalar(None, pa.string()), texts)
    is_rounded = is_inexact(array)
    is_special = is_rounded | to_mask(pc.match_substring_regex(texts, r"e|0\.000").fill_null(False))
    if not is_special.any():
        return texts
    values, numbers = texts.to_pylist(), array.to_numpy(zero_copy_only=False)
    for place in np.flatnonzero(is_special & np.isfinite(numbers)):
        values[place] = _write_special(numbers[place], is_rounded=bool(is_rounded[place]))
    return pa.array(values, pa.string())


def _write_special(number: np.floating, *, is_rounded: bool) -> str:
    if is_rounded:
        return np.format_float_scientific(number, trim="-", exp_digits=ROUNDED_EXPONENT_DIGITS)
    return str(int(number)) if number.is_integer() else str(number)


def _write_timestamps(array: pa.Array) -> pa.Array:
    """Write `YYYY-MM-DD HH:MM:SS`, in UTC and with Z where the column has a zone."""
    zone = "Z" if array.type.tz else ""
    texts = array.cast(pa.int64()).cast(pa.timestamp(array.type.unit)).cast(MICROSECONDS, safe=False).cast(pa.string())
    plain = pc.replace_substring_regex(texts, r"\.?0*$", "")
    return pc.binary_join_element_wise(plain, zone, "") if zone else plain
