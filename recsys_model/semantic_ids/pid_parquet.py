"""OpenOneRec's `*_pid2sid.parquet`: one row an item, with its number and its three codes.

The only module of the model side that reads Parquet; it is imported where such a file is read.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recsys_model.errors import DataError
from recsys_model.semantic_ids.index import SemanticIndex
from recsys_model.semantic_ids.pid_maps import LEVELS, index_of_codes

CODE_COLUMNS = ("sid", "codes")


def read_pid_parquet(path: Path) -> SemanticIndex:
    """Return the index of a Parquet file with `pid` and `sid`, or `pid` and `codes`.

    Raises:
        DataError: a column is missing, or a row has no number or not three codes.
    """
    try:
        names = pq.read_schema(path).names
        column = next((name for name in CODE_COLUMNS if name in names), None)
        if "pid" not in names or column is None:
            raise DataError(
                f"{path} must have the columns pid and {' or '.join(CODE_COLUMNS)}, it has {', '.join(names)}"
            )
        table = pq.read_table(path, columns=["pid", column])
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}") from error
    pid, codes = table["pid"].combine_chunks(), table[column].combine_chunks()
    _check_numbers(path, pid)
    _check_lengths(path, column, codes)
    # `flatten` and not `values`, which would return the whole buffer of a slice
    flat = codes.flatten()
    return index_of_codes(path, column, pid.to_pylist(), flat.to_numpy(zero_copy_only=False).reshape(-1, len(LEVELS)))


def _check_numbers(path: Path, pid: pa.Array) -> None:
    if not pa.types.is_integer(pid.type):
        raise DataError(f"{path}: column pid must hold integers, got the type {pid.type}")
    missing = np.flatnonzero(pid.is_null().to_numpy(zero_copy_only=False))
    if len(missing):
        raise DataError(f"{path}: column pid is empty in row {missing[0]}")


def _check_lengths(path: Path, column: str, codes: pa.Array) -> None:
    kind = codes.type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not is_list or not pa.types.is_integer(kind.value_type):
        raise DataError(f"{path}: column {column} must hold lists of integers, got the type {kind}")
    lengths = codes.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    wrong = np.flatnonzero(lengths != len(LEVELS))
    if len(wrong):
        row = int(wrong[0])
        raise DataError(f"{path}: column {column} must have {len(LEVELS)} codes, got {codes[row].as_py()} in row {row}")
    if codes.flatten().null_count:
        row = next(row for row, value in enumerate(codes.to_pylist()) if None in value)
        raise DataError(f"{path}: column {column} must have {len(LEVELS)} codes, got {codes[row].as_py()} in row {row}")
