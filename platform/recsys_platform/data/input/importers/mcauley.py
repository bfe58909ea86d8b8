"""Amazon reviews of McAuley's group: a file of reviews and, where there is one, a file of metadata.

The first record identifies the kind of a file, not its name. Metadata describe a whole department; only reviewed items
become the catalogue, as in the published protocols.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from recsys_model.errors import DataError
from recsys_platform.data.input.importers.amazon_records import (
    ITEM_COLUMNS,
    REVIEW_COLUMNS,
    is_metadata,
    is_review,
    parse_record,
    to_interaction,
    to_item,
)
from recsys_platform.data.input.importers.folder import SourceFolder
from recsys_platform.data.input.importers.source import Row, RowTable, Source
from recsys_platform.data.input.records import MalformedLine

NEEDS = "a file of lines with reviewerID and asin (.json, .jsonl, also .gz)"
ENDINGS = (".json", ".json.gz", ".jsonl", ".jsonl.gz")


def find_mcauley(folder: SourceFolder) -> Source | None:
    """Return the source if a file of the folder has reviews.

    Raises:
        DataError: several files have reviews, or several have metadata.
    """
    records = first_records(folder)
    reviews = [name for name, record in records.items() if is_review(record)]
    metadata = [name for name, record in records.items() if is_metadata(record)]
    if not reviews:
        return None
    for kind, names in (("reviews", reviews), ("metadata", metadata)):
        if len(names) > 1:
            raise DataError(
                f"input.folder {folder.path} must have one file of {kind}, got {names}; move the others away"
            )
    years = "2018" if {"verified", "vote", "style"} & set(records[reviews[0]]) else "2014"
    return Source(
        why=f"{reviews[0]} begins with a review that has reviewerID and asin, as in the files of {years}",
        files=(*reviews, *metadata),
        interactions=RowTable(columns=REVIEW_COLUMNS, read=lambda: _read(folder, reviews[0], to_interaction)),
        items=metadata_table(folder, metadata),
        users=None,
        keeps_unused_items=False,
    )


def first_records(folder: SourceFolder) -> dict[str, dict[str, Any]]:
    """Return the first record of each file of JSON lines or Python literals, by file name."""
    names = [name for name in folder.names if name.endswith(ENDINGS)]
    firsts = {name: parse_record(next(folder.read_lines(name), "")) for name in names}
    return {name: record for name, record in firsts.items() if record is not None}


def metadata_table(folder: SourceFolder, names: Sequence[str]) -> RowTable | None:
    """Return the items that the first of these files describes, if there is one."""
    if not names:
        return None
    return RowTable(columns=ITEM_COLUMNS, read=lambda: _read(folder, names[0], to_item))


def _read(folder: SourceFolder, name: str, convert: Callable[[dict[str, Any]], Row]) -> Iterator[Row | MalformedLine]:
    for line in filter(str.strip, folder.read_lines(name)):
        record = parse_record(line)
        yield MalformedLine(line) if record is None else convert(record)
