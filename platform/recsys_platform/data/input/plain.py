"""Turn columns of any Arrow type into one of few: null, bool, integers, floats, dates, timestamps and text.

Text is what a CSV or JSON lines file would have: decimals in digits, bytes as UTF-8, lists and objects as JSON.
"""

import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from recsys_model.errors import DataError
from recsys_platform.data.input.arrow import flatten, pc

UUID_BYTES = 16
TYPES = pa.types


class UnreadableTypeError(ValueError):
    """A column type, or a value of it, that has no plain form."""


def to_plain_table(table: pa.Table, our_name_to_theirs: Mapping[str, str], where: str) -> pa.Table:
    """Return the table with plain columns.

    Args:
        table: Rows as a file has them.
        our_name_to_theirs: Names of the columns, for messages; others keep theirs.
        where: File and table, for messages.

    Raises:
        DataError: a column has no plain form; it names file, table and column.
    """
    columns = {}
    for name in table.column_names:
        try:
            columns[name] = to_plain(table[name])
        except (UnreadableTypeError, pa.ArrowException) as error:
            theirs = our_name_to_theirs.get(name, name)
            raise DataError(
                f"{where}: column {theirs} has the type {table[name].type}, {error}; write it as text or leave it out"
            ) from error
    return pa.table(columns)


def without_views(table: pa.Table) -> pa.Table:
    """Return the table without views of strings and bytes, of which Arrow cannot take rows."""
    kinds = [_without_view(item.type) for item in table.schema]
    if kinds == table.schema.types:
        return table
    return table.cast(pa.schema(list(zip(table.column_names, kinds, strict=True))))


def to_plain(column: pa.ChunkedArray) -> pa.Array:
    """Return a column in one of the plain types.

    Raises:
        UnreadableTypeError: its type, or a value, has no plain form.

    Example:
        >>> to_plain(pa.chunked_array([pa.array(["a", None]).dictionary_encode()])).to_pylist()
        ['a', None]
        >>> to_plain(pa.chunked_array([pa.array([["a", "b"]])])).to_pylist()
        ['["a", "b"]']
    """
    kind = column.type
    if _is_plain(kind):
        return flatten(column)
    if isinstance(kind, pa.UuidType):
        return pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())
    if isinstance(kind, pa.BaseExtensionType):
        return to_plain(pa.chunked_array([chunk.storage for chunk in column.chunks], kind.storage_type))
    for fits, convert in _CONVERSIONS:
        if fits(kind):
            return convert(column)
    raise UnreadableTypeError("which is neither text, number, date nor list")


def _without_view(kind: pa.DataType) -> pa.DataType:
    if TYPES.is_string_view(kind):
        return pa.large_string()
    if TYPES.is_binary_view(kind):
        return pa.large_binary()
    return pa.large_list(_without_view(kind.value_type)) if TYPES.is_list(kind) and _has_view(kind) else kind


def _has_view(kind: pa.ListType) -> bool:
    return TYPES.is_string_view(kind.value_type) or TYPES.is_binary_view(kind.value_type)


def _is_plain(kind: pa.DataType) -> bool:
    return (
        TYPES.is_null(kind)
        or TYPES.is_boolean(kind)
        or TYPES.is_integer(kind)
        or kind in (pa.float32(), pa.float64(), pa.string())
        or TYPES.is_date(kind)
        or TYPES.is_timestamp(kind)
    )


def _decode_dictionary(column: pa.ChunkedArray) -> pa.Array:
    """Decode the dictionary of each chunk: chunks may have different ones."""
    parts = []
    for chunk in column.chunks:
        values = to_plain(pa.chunked_array([chunk.dictionary]))
        parts.append(values.take(chunk.indices))
    if not parts:
        return to_plain(pa.chunked_array([], column.type.value_type))
    return flatten(pa.chunked_array(parts))


def _decode_bytes(column: pa.ChunkedArray) -> pa.Array:
    try:
        return flatten(column.cast(pa.string()))
    except pa.ArrowInvalid as error:
        raise UnreadableTypeError(f"which is no UTF-8 text ({_first_undecodable(column)})") from error


def _decode_fixed_bytes(column: pa.ChunkedArray) -> pa.Array:
    """Decode bytes of one length: text, or a UUID where 16 bytes are none."""
    values = column.to_pylist()
    if column.type.byte_width != UUID_BYTES or all(value is None or _is_printable(value) for value in values):
        return _decode_bytes(column)
    return pa.array([None if value is None else str(uuid.UUID(bytes=value)) for value in values], pa.string())


def _is_printable(value: bytes) -> bool:
    return value.isascii() and value.decode("ascii").isprintable()


def _first_undecodable(column: pa.ChunkedArray) -> str:
    for value in column.to_pylist():
        try:
            (value or b"").decode()
        except UnicodeDecodeError:
            return repr(value[:20])
    return "each value alone is"


def _write_decimals(column: pa.ChunkedArray) -> pa.Array:
    """Write digits, without the exponent that Arrow gives some."""
    return pa.array([None if value is None else format(value, "f") for value in column.to_pylist()], pa.string())


def _write_nested(column: pa.ChunkedArray) -> pa.Array:
    """Write lists and objects as JSON, as JSON lines have them."""
    return pa.array([None if value is None else write_json(value) for value in column.to_pylist()], pa.string())


def write_json(value: Any) -> str:
    """Return the JSON of a value; bytes in it are UTF-8, dates and decimals text, keys of a map names of fields."""
    return json.dumps(value, ensure_ascii=False, default=_write_leaf)


def _write_leaf(value: Any) -> str:
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise UnreadableTypeError(f"which has bytes that are no UTF-8 text ({value[:20]!r})") from error


def _cast_to(kind: pa.DataType) -> Callable[[pa.ChunkedArray], pa.Array]:
    return lambda column: flatten(column.cast(kind))


def _write_times_of_day(column: pa.ChunkedArray) -> pa.Array:
    texts = [
        None if value is None else value.isoformat() for value in column.cast(pa.time64("us"), safe=False).to_pylist()
    ]
    return pa.array(texts, pa.string())


_CONVERSIONS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.ChunkedArray], pa.Array]], ...] = (
    (TYPES.is_dictionary, _decode_dictionary),
    (lambda kind: TYPES.is_large_string(kind) or TYPES.is_string_view(kind), _cast_to(pa.string())),
    (TYPES.is_fixed_size_binary, _decode_fixed_bytes),
    (lambda kind: TYPES.is_binary(kind) or TYPES.is_large_binary(kind) or TYPES.is_binary_view(kind), _decode_bytes),
    (TYPES.is_decimal, _write_decimals),
    (TYPES.is_float16, _cast_to(pa.float32())),
    (TYPES.is_time, _write_times_of_day),
    (TYPES.is_nested, _write_nested),
    (TYPES.is_run_end_encoded, lambda column: to_plain(pa.chunked_array([pc.run_end_decode(flatten(column))]))),
)
"""Test of a type, and what makes its columns plain; the first that fits is taken."""
