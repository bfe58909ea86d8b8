"""The same as `rows` for blocks of Parquet: fields inside columns, lists that become rows, and conditions."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from recsys_platform.data.input.arrow import Mask, flatten, pc
from recsys_platform.data.input.conditions import Comparison, Condition
from recsys_platform.data.input.records import MALFORMED
from recsys_platform.data.input.rows import describe_unequal, split_path, to_list


def column_at(table: pa.Table, path: str) -> pa.ChunkedArray:
    """Return a column, or a field inside one; null where the struct is null."""
    name, fields = split_path(path, table.column_names)
    column = table[name]
    for field in fields:
        column = pc.struct_field(column, field)
    return column


def has_path(schema: pa.Schema, path: str) -> bool:
    """Whether a schema has a column, or a field inside one; fields of a list's structs count, since lists may become rows."""
    name, fields = split_path(path, schema.names)
    if name not in schema.names:
        return False
    kind = schema.field(name).type
    for field in fields:
        kind = kind.value_type if _is_list(kind) else kind
        if not pa.types.is_struct(kind) or kind.get_field_index(field) < 0:
            return False
        kind = kind.field(field).type
    return True


def explode(table: pa.Table, names: Sequence[str]) -> tuple[pa.Table, int]:
    """Turn the lists of some columns into one row for each place; return the rows and how many lists were empty.

    A row whose lists differ in length stays one row, with the reason in `MALFORMED`.
    """
    lists = [_as_lists(flatten(column_at(table, name))) for name in names]
    length_LN = np.stack([pc.fill_null(pc.list_value_length(values), 0).to_numpy() for values in lists]).astype(
        np.int64
    )
    is_bad_N = (length_LN != length_LN[0]).any(axis=0)
    for values, name in zip(lists, names, strict=True):
        is_bad_N |= _is_no_list(values, column_at(table, name))
    num_rows_N = np.where(is_bad_N, 1, length_LN[0])
    parent_E = np.repeat(np.arange(table.num_rows), num_rows_N)
    place_E = np.arange(len(parent_E)) - np.repeat(np.cumsum(num_rows_N) - num_rows_N, num_rows_N)
    exploded = table.take(pa.array(parent_E))
    for values, name, length_N in zip(lists, names, length_LN, strict=True):
        first_N = np.cumsum(length_N) - length_N
        element_E = pa.array(first_N[parent_E] + place_E, pa.int64(), mask=is_bad_N[parent_E])
        exploded = _set_column(exploded, name, pc.list_flatten(values).take(element_E))
    return _note_bad(exploded, table, names, parent_E, is_bad_N), int((num_rows_N == 0).sum())


def find_counting(table: pa.Table, where: Condition) -> Mask:
    """Return which rows of a block fulfil a condition; malformed ones do."""
    counts = np.ones(table.num_rows, dtype=bool)
    for comparison in where.comparisons:
        counts &= _compare(column_at(table, comparison.column), comparison)
    if MALFORMED in table.column_names:
        counts |= np.asarray(table[MALFORMED].is_valid())
    return counts


def _compare(column: pa.ChunkedArray, comparison: Comparison) -> Mask:
    """Compare each distinct value once."""
    try:
        encoded = flatten(column if pa.types.is_dictionary(column.type) else column.dictionary_encode())
    except pa.ArrowNotImplementedError:
        return np.array([comparison.holds(value) for value in column.to_pylist()], dtype=bool)
    holds = np.array([*(comparison.holds(value) for value in encoded.dictionary.to_pylist()), False], dtype=bool)
    return holds[encoded.indices.fill_null(len(holds) - 1).to_numpy(zero_copy_only=False).astype(np.int64)]


def _as_lists(column: pa.Array) -> pa.Array:
    """Return a column of lists, from lists or from texts that hold some; null where there is none."""
    if _is_list(column.type):
        return column
    values = [to_list(value) for value in column.to_pylist()]
    return pa.array([None if row is None else [str(value) for value in row] for row in values], pa.list_(pa.string()))


def _is_no_list(values: pa.Array, column: pa.ChunkedArray) -> Mask:
    return np.asarray(values.is_null()) & np.asarray(column.is_valid())


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _set_column(table: pa.Table, name: str, values: Any) -> pa.Table:
    if name in table.column_names:
        return table.set_column(table.column_names.index(name), name, values)
    return table.append_column(name, values)


def _note_bad(exploded: pa.Table, table: pa.Table, names: Sequence[str], parent_E: Any, is_bad_N: Mask) -> pa.Table:
    """Write why rows could not be exploded into `MALFORMED`."""
    old = exploded[MALFORMED].to_pylist() if MALFORMED in exploded.column_names else [None] * exploded.num_rows
    for place in np.flatnonzero(is_bad_N[parent_E]):
        row = table.slice(int(parent_E[place]), 1).to_pylist()[0]
        lists = [to_list(column_at(table.slice(int(parent_E[place]), 1), name)[0].as_py()) for name in names]
        old[place] = old[place] or describe_unequal(names, lists, str(row))
    return _set_column(exploded, MALFORMED, pa.array(old, pa.string()))
