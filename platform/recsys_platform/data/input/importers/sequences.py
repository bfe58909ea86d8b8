"""Bare sequences, without a file that names them: `user item item ...` a line (S3-Rec), or `user item` a line (SASRec).

The lines themselves are the mark: only ids, separated by blanks or tabs, in order of time.
"""

import itertools
import re
from collections.abc import Iterator

from recsys_platform.data.input.importers.folder import SourceFolder, base_name
from recsys_platform.data.input.importers.formats import Format
from recsys_platform.data.input.importers.layout import require_one, with_places
from recsys_platform.data.input.importers.p5 import ATTRIBUTES, COLUMNS, SEQUENCES, describe_sequences, has_numbers
from recsys_platform.data.input.importers.prefixes import iter_sequence
from recsys_platform.data.input.importers.source import Entry, RowTable, Source
from recsys_platform.data.input.listing import ending_of
from recsys_platform.data.input.records import MalformedLine

ID = re.compile(r"[A-Za-z]*[0-9][A-Za-z0-9_-]*")
"""A number, or an id of a shop: it has a digit, which words of a text have not."""
SAMPLED_LINES = 100
PAIR = 2


def find_sequences(folder: SourceFolder) -> Source | None:
    """Return the source if a text file has only lines of ids, and no file beside it makes it one of P5's.

    Raises:
        DataError: several files have such lines.
    """
    if any(base_name(name) in SEQUENCES or name.endswith(ATTRIBUTES) for name in folder.names):
        return None
    names = [name for name in folder.names if ending_of(name) == ".txt" and _has_ids(folder, name)]
    if not names:
        return None
    require_one(folder, "sequences", names)
    has_pairs = all(len(words) == PAIR for words in _sample(folder, names[0]))
    read = _read_pairs if has_pairs else _read_sequences
    return Source(
        why=f"{names[0]} has lines of a user and {'one item' if has_pairs else 'items'}, and nothing else",
        files=tuple(names),
        interactions=RowTable(columns=COLUMNS, read=lambda: read(folder, names[0])),
        items=None,
        users=None,
        counts_seconds=True,
        keeps_unused_items=False,
        notes=tuple(describe_sequences(are_numbered=has_numbers(folder, names[0]), has_titles=False)),
    )


def _sample(folder: SourceFolder, name: str) -> Iterator[list[str]]:
    return (line.split() for line in itertools.islice(filter(str.strip, folder.read_lines(name)), SAMPLED_LINES))


def _has_ids(folder: SourceFolder, name: str) -> bool:
    rows = list(_sample(folder, name))
    return bool(rows) and all(len(words) >= PAIR and all(map(ID.fullmatch, words)) for words in rows)


def _read_sequences(folder: SourceFolder, name: str) -> Iterator[Entry]:
    for line in filter(str.strip, folder.read_lines(name)):
        user, *items = line.split()
        if items:
            yield from iter_sequence(user, items)
        else:
            yield MalformedLine(line)


def _read_pairs(folder: SourceFolder, name: str) -> Iterator[Entry]:
    rows = (line.split() for line in filter(str.strip, folder.read_lines(name)))
    return with_places(_to_pair(words) for words in rows)


def _to_pair(words: list[str]) -> Entry:
    return {"user_id": words[0], "item_id": words[1]} if len(words) == PAIR else MalformedLine(" ".join(words))


FORMAT = Format(
    name="sequences",
    title="Bare sequences of the S3-Rec and SASRec families",
    marks="a .txt file of lines with only ids, `user item item ...` or `user item`",
    reads="a user's events in the order of the line, or of the lines",
    leaves_out="nothing; there are no times and no texts of items",
    find=find_sequences,
    is_fallback=True,
)
