"""Amazon reviews of McAuley's group, 2014 and 2018: a file of reviews or ratings and, if there is one, of metadata.

The first record identifies the kind of a file, not its name. Files of ratings have no header: 2014's lines begin with
the user, 2018's with the item. Metadata describe a whole department; only reviewed items become the catalogue, as in
the published protocols.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from recsys_platform.data.input.importers.amazon_records import (
    ITEM_COLUMNS,
    REVIEW_COLUMNS,
    is_metadata,
    is_review,
    to_interaction,
    to_item,
)
from recsys_platform.data.input.importers.folder import SourceFolder
from recsys_platform.data.input.importers.formats import Format
from recsys_platform.data.input.importers.layout import Layout, build_table, column, require_one
from recsys_platform.data.input.importers.lines import Dialect, iter_objects
from recsys_platform.data.input.importers.source import Entry, Row, RowTable, Source
from recsys_platform.data.input.listing import ending_of
from recsys_platform.data.input.records import MalformedLine

ASIN = re.compile(r"[0-9A-Z]{10}")
USER = re.compile(r"A[0-9A-Z]{10,}")
RATING_COLUMNS = ("user_id", "item_id", "rating", "timestamp")


def find_mcauley(folder: SourceFolder) -> Source | None:
    """Return the source if a file of the folder has reviews, or ratings without a header.

    Raises:
        DataError: several files have reviews, ratings or metadata.
    """
    records = first_records(folder)
    reviews = [name for name, record in records.items() if is_review(record)]
    metadata = [name for name, record in records.items() if is_metadata(record)]
    dialects = {} if reviews else _find_ratings(folder)
    if not reviews and not dialects:
        return None
    for kind, names in (("reviews", reviews), ("ratings", list(dialects)), ("metadata", metadata)):
        require_one(folder, kind, names)
    name = next(iter((*reviews, *dialects)))
    return Source(
        why=_explain(name, records.get(name)),
        files=(name, *metadata),
        interactions=_ratings_table(folder, name, dialects[name]) if dialects else _review_table(folder, name),
        items=metadata_table(folder, metadata),
        users=None,
        keeps_unused_items=False,
    )


def first_records(folder: SourceFolder) -> dict[str, dict[str, Any]]:
    """Return the first record of each file of JSON lines or Python literals, by file name."""
    return {name: record for name in folder.names if (record := folder.first_record(name)) is not None}


def _explain(name: str, record: dict[str, Any] | None) -> str:
    if record is None:
        return f"{name} begins with a line of user, item, rating and time"
    years = "2018" if {"verified", "vote", "style"} & set(record) else "2014"
    return f"{name} begins with a review that has reviewerID and asin, as in the files of {years}"


def _find_ratings(folder: SourceFolder) -> dict[str, Dialect]:
    """Return the files of ratings without a header, and the names of their fields."""
    dialects: dict[str, Dialect] = {}
    for name in folder.names:
        fields = folder.fields(name) if ending_of(name) == ".csv" else ()
        if len(fields) == len(RATING_COLUMNS) and fields[3].isdigit() and fields[2].replace(".", "").isdigit():
            user, item, *rest = RATING_COLUMNS
            if USER.fullmatch(fields[0]) and ASIN.fullmatch(fields[1]):
                dialects[name] = Dialect(names=(user, item, *rest), has_header=False)
            elif ASIN.fullmatch(fields[0]) and USER.fullmatch(fields[1]):
                dialects[name] = Dialect(names=(item, user, *rest), has_header=False)
    return dialects


def _ratings_table(folder: SourceFolder, name: str, dialect: Dialect) -> RowTable:
    layout = Layout(columns={ours: column(ours) for ours in RATING_COLUMNS}, dialect=dialect)
    return build_table(folder, "interactions", [name], layout)


def _review_table(folder: SourceFolder, name: str) -> RowTable:
    return RowTable(columns=REVIEW_COLUMNS, read=lambda: _read(folder, name, to_interaction))


def metadata_table(folder: SourceFolder, names: Sequence[str]) -> RowTable | None:
    """Return the items that the first of these files describes, if there is one."""
    if not names:
        return None
    return RowTable(columns=ITEM_COLUMNS, read=lambda: _read(folder, names[0], to_item))


def _read(folder: SourceFolder, name: str, convert: Callable[[dict[str, Any]], Row]) -> Iterator[Entry]:
    for record in iter_objects(folder.read_lines(name)):
        yield record if isinstance(record, MalformedLine) else convert(record)


FORMAT = Format(
    name="mcauley",
    title="Amazon reviews 2014 and 2018 (McAuley)",
    marks="a .json or .jsonl file (also .gz) of lines with reviewerID and asin; or a .csv file without header: user, item, rating, time (2014) or item, user, rating, time (2018)",
    reads="reviews with their texts, or ratings; title, brand, longest path of categories, price and description of the metadata",
    leaves_out="items without a review; related items, sales ranks, images",
    find=find_mcauley,
)
