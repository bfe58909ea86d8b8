"""Training popularity of items, from the training files of the projects: it orders items that share a semantic id.

NAME.inter.json           LC-Rec: {"user": [3, 5, ...]}; the last two items are those of validation and test
*.csv, *.inter, *.tsv     a header with `item_id`; one row per training example, or a column `count`
"""

import csv
import dataclasses
import io
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from recsys_model.errors import DataError
from recsys_model.semantic_ids.documents import read_json_object, read_text
from recsys_model.semantic_ids.index import SemanticIndex, name_some

NUM_HELD_OUT = 2
"""Events at the end of a sequence of LC-Rec that are not trained on."""
ITEM_COLUMN = "item_id"
COUNT_COLUMN = "count"


def with_popularity(index: SemanticIndex, path: Path) -> SemanticIndex:
    """Return the index with the counts of a training file; an item that the file lacks has popularity 0.

    Raises:
        DataError: the file is in no known layout, damaged, or names no item of the index.
    """
    counts = read_popularity(path)
    names = index.keys if any(key in counts for key in index.keys) else index.item_ids
    unknown = sorted(set(counts).difference(names))
    if len(unknown) == len(counts):
        raise DataError(
            f"{path} must count items of {index.source}, it has {name_some(unknown)}; name the file of the same data"
        )
    lost = sum(counts[name] for name in unknown)
    note = f"popularity is the number of training examples in {path.name}"
    missing = [f"{lost} of them are of items without a semantic id: {name_some(unknown)}"] if unknown else []
    notes = (*index.notes, note, *missing)
    return dataclasses.replace(index, counts=tuple(counts.get(name, 0) for name in names), notes=notes)


def read_popularity(path: Path) -> Mapping[str, int]:
    """Return the number of training examples whose target is an item, for each item that has one.

    Raises:
        DataError: the file is in no known layout, or damaged.
    """
    if path.suffix == ".json":
        return _count_sequences(path)
    return _count_rows(path)


def _count_sequences(path: Path) -> Counter[str]:
    counts = Counter[str]()
    for user, items in read_json_object(path).items():
        if not isinstance(items, list) or not all(isinstance(item, int | str) for item in items):
            raise DataError(f"{path}: user {user!r} must have a list of item numbers, got {items!r}")
        counts.update(map(str, items[:-NUM_HELD_OUT]))
    if not counts:
        raise DataError(f"{path} has no training event: the last {NUM_HELD_OUT} of each user are held out")
    return counts


def _count_rows(path: Path) -> Counter[str]:
    header, rows = _read_rows(path)
    if ITEM_COLUMN not in header:
        raise DataError(f"{path} must have a column {ITEM_COLUMN}, its header is {', '.join(header) or 'empty'}")
    item, count = header.index(ITEM_COLUMN), header.index(COUNT_COLUMN) if COUNT_COLUMN in header else None
    counts = Counter[str]()
    for line, row in rows:
        if len(row) != len(header):
            raise DataError(f"{path} line {line} must have {len(header)} columns, got {len(row)}")
        counts[row[item]] += 1 if count is None else _to_count(path, line, row[count])
    if not counts:
        raise DataError(f"{path} must have at least 1 row below its header")
    return counts


def _read_rows(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header without RecBole's types (`item_id:token`), and each row with the number of its last line."""
    text = read_text(path)
    has_tabs = "\t" in text.partition("\n")[0]
    file = io.StringIO(text, newline="")
    reader = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if has_tabs else csv.reader(file)
    try:
        header = [name.partition(":")[0] for name in next(reader, [])]
        return header, [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise DataError(f"{path} line {reader.line_num} cannot be read as CSV: {error}") from error


def _to_count(path: Path, line: int, text: str) -> int:
    if not text.isascii() or not text.isdecimal():
        raise DataError(f"{path} line {line}: {COUNT_COLUMN} must be an integer of at least 0, got {text!r}")
    return int(text)
