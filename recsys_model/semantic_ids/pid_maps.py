"""Index files of OpenOneRec: maps between item numbers (pid, iid) and three codes from 0 to 8191.

    *_pid2sid.parquet   columns pid and sid, or pid and codes: one row an item
    sid2pid.json        {"c1 * 8192^2 + c2 * 8192 + c3": [{"pid": 7, "count": 3, "count_after_downsample": 1}, ...]}

The JSON file has the training popularity of each item; the Parquet file has none.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from recsys_model.errors import DataError
from recsys_model.semantic_ids.index import SemanticId, SemanticIndex

NUM_CODES = 8192
LEVELS = ("a", "b", "c")
NUMBER_NAMES = ("pid", "iid")
COUNT_NAMES = ("count_after_downsample", "count")
"""The first one that all items have is the popularity; the published evaluation takes the first, too."""


def looks_like_pid_map(key: str, value: Any) -> bool:
    """Return whether an entry of a JSON object belongs to OpenOneRec's map from codes to items."""
    is_list = isinstance(value, list) and all(isinstance(each, dict) for each in value)
    return (
        key.isascii() and key.isdecimal() and is_list and any(name in each for each in value for name in NUMBER_NAMES)
    )


def read_pid_json(path: Path, document: Mapping[str, Any]) -> SemanticIndex:
    """Return the index of OpenOneRec's JSON map from codes to items.

    Raises:
        DataError: an entry is none of the layout.
    """
    pids: list[str] = []
    codes: list[SemanticId] = []
    records: list[Mapping[str, Any]] = []
    for key, value in document.items():
        if not looks_like_pid_map(key, value):
            raise DataError(
                f'{path}: {key!r} must be a number with a list of items such as [{{"pid": 7}}], got {value!r}'
            )
        semantic_id = _decode(path, int(key))
        for record in value:
            pids.append(_read_number(path, key, record))
            codes.append(semantic_id)
            records.append(record)
    name = next((name for name in COUNT_NAMES if all(name in record for record in records)), None)
    return SemanticIndex(
        source=str(path),
        layout="openonerec",
        why=f"{path.name} is a JSON object of codes with lists of {' or '.join(NUMBER_NAMES)}",
        keys=tuple(pids),
        item_ids=tuple(pids),
        semantic_ids=tuple(codes),
        titles=(None,) * len(pids),
        counts=None if name is None else tuple(_read_count(path, record, name) for record in records),
        notes=(f"popularity is {name}",) if name is not None else ("items have no counts of their popularity",),
    )


def _decode(path: Path, key: int) -> SemanticId:
    first, rest = divmod(key, NUM_CODES * NUM_CODES)
    if first >= NUM_CODES:
        raise DataError(f"{path}: the key {key} must be below 8192^3, the number of semantic ids of three codes")
    return tokens_of((first, *divmod(rest, NUM_CODES)))


def _read_number(path: Path, key: str, record: Mapping[str, Any]) -> str:
    number = next((record[name] for name in NUMBER_NAMES if name in record), None)
    if not isinstance(number, int) or isinstance(number, bool):
        raise DataError(f"{path}: an item of {key} must have an integer pid or iid, got {dict(record)}")
    return str(number)


def _read_count(path: Path, record: Mapping[str, Any], name: str) -> int:
    count = record[name]
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise DataError(f"{path}: {name} must be an integer of at least 0, got {dict(record)}")
    return count


def index_of_codes(path: Path, column: str, pids: Iterable[int], codes_IL: np.ndarray) -> SemanticIndex:
    """Return the index of items with three codes each, [I, 3].

    Raises:
        DataError: a code is out of range.
    """
    wrong = np.flatnonzero(((codes_IL < 0) | (codes_IL >= NUM_CODES)).any(axis=1))
    if len(wrong):
        row = int(wrong[0])
        raise DataError(
            f"{path}: codes must be from 0 to {NUM_CODES - 1}, column {column} has {codes_IL[row].tolist()} in row {row}"
        )
    names = tuple(map(str, pids))
    known: dict[tuple[int, ...], SemanticId] = {}
    semantic_ids = tuple(known.setdefault(codes, tokens_of(codes)) for codes in map(tuple, codes_IL.tolist()))
    return SemanticIndex(
        source=str(path),
        layout="openonerec",
        why=f"{path.name} has the columns pid and {column}",
        keys=names,
        item_ids=names,
        semantic_ids=semantic_ids,
        titles=(None,) * len(names),
        notes=("items have no counts of their popularity; the JSON map of the benchmark has them",),
    )


def tokens_of(codes: Iterable[int]) -> SemanticId:
    """Return the tokens of three codes.

    >>> tokens_of((340, 6566, 5603))
    ('<s_a_340>', '<s_b_6566>', '<s_c_5603>')
    """
    return tuple(f"<s_{level}_{code}>" for level, code in zip(LEVELS, codes, strict=True))
