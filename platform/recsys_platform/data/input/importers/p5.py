"""The sequence files of P5, OpenP5, GRAM and S3-Rec: one user a line, `user item item ...`, in the order of the events.

P5 and S3-Rec number the items in the order in which the sequences visit them, so a model that sees the numbers can guess
the next one. `datamaps.json` maps them to the ids of the shop. OpenP5 and GRAM keep those ids. Metadata, or GRAM's
`item_plain_text.txt`, give titles.
"""

import json
import re
from collections.abc import Iterator, Mapping

from recsys_model.errors import DataError
from recsys_platform.data.input.importers.amazon_records import is_metadata
from recsys_platform.data.input.importers.folder import SourceFolder
from recsys_platform.data.input.importers.formats import Format
from recsys_platform.data.input.importers.layout import NO_TIMES, require_one
from recsys_platform.data.input.importers.mcauley import first_records, metadata_table
from recsys_platform.data.input.importers.prefixes import iter_sequence
from recsys_platform.data.input.importers.source import Entry, RowTable, Source
from recsys_platform.data.input.importers.values import split_labels, to_plain, to_price
from recsys_platform.data.input.records import MalformedLine

SEQUENCES = ("sequential_data.txt", "user_sequence.txt")
ID_MAPS = "datamaps.json"
ATTRIBUTES = "_item2attributes.json"
ITEM_TEXTS = "item_plain_text.txt"
COLUMNS = ("user_id", "item_id", "timestamp", "position")
TEXT_COLUMNS = ("item_id", "title", "brand", "categories", "price", "description")
FIELD = re.compile(r"(?:^|; )(title|name|brand|city|categories|description|price|salesrank|[a-z_]{3,20}): ")
"""Begins a field of GRAM's texts."""
MIN_DIGITS_OF_ID = 8
NOT_KNOWN = ("na", "n/a", "nan", "")


def find_p5(folder: SourceFolder) -> Source | None:
    """Return the source if the folder has a file of sequences.

    Raises:
        DataError: it has several, or several files of metadata, or damaged maps of ids.
    """
    sequence_files = [name for name in folder.names if name in SEQUENCES or _attributes_of(name) in folder.names]
    if not sequence_files:
        return None
    metadata = [name for name, record in first_records(folder).items() if is_metadata(record)]
    texts = [ITEM_TEXTS] if ITEM_TEXTS in folder.names else []
    for kind, names in (("sequences", sequence_files), ("metadata", [*metadata, *texts])):
        require_one(folder, kind, names)
    maps = (ID_MAPS,) if ID_MAPS in folder.names else ()
    user_ids, item_ids = (_read_map(folder, name) if maps else {} for name in ("id2user", "id2item"))
    return Source(
        why=f"{sequence_files[0]} has lines of a user and items",
        files=(*sequence_files, *maps, *metadata, *texts),
        interactions=RowTable(columns=COLUMNS, read=lambda: _read(folder, sequence_files[0], user_ids, item_ids)),
        items=_text_table(folder) if texts else metadata_table(folder, metadata),
        users=None,
        counts_seconds=True,
        keeps_unused_items=False,
        notes=tuple(
            describe_sequences(
                are_numbered=not maps and has_numbers(folder, sequence_files[0]), has_titles=bool(metadata or texts)
            )
        ),
    )


def _attributes_of(name: str) -> str:
    """Return the name of S3-Rec's attributes file for `NAME.txt`."""
    return name.removesuffix(".txt") + ATTRIBUTES if name.endswith(".txt") else ""


def describe_sequences(*, are_numbered: bool, has_titles: bool) -> Iterator[str]:
    """Yield what a user must know of sequences without times."""
    yield NO_TIMES
    if are_numbered:
        yield f"without {ID_MAPS} items keep the numbers that the sequences gave them"
    if not has_titles:
        yield "without metadata items have no titles and are told by their ids"


def has_numbers(folder: SourceFolder, name: str) -> bool:
    """Return whether the items of the first sequence are numbers of up to seven digits, not ids of a shop."""
    _, *items = next(folder.read_lines(name), "").split() or [""]
    return all(item.isdigit() and len(item) < MIN_DIGITS_OF_ID for item in items)


def _text_table(folder: SourceFolder) -> RowTable:
    def read() -> Iterator[Entry]:
        for line in filter(str.strip, folder.read_lines(ITEM_TEXTS)):
            item_id, separator, text = line.partition(" ")
            yield {"item_id": item_id, **parse_item_text(text)} if separator else MalformedLine(line)

    return RowTable(columns=TEXT_COLUMNS, read=read)


def parse_item_text(text: str) -> dict[str, str | list[str] | None]:
    """Return the fields of one of GRAM's texts of items; a text without fields is the title.

    Example:
        >>> parse_item_text("title: pan; brand: na; categories: home, pans; price: 9.5")["categories"]
        ['home', 'pans']
        >>> parse_item_text("a pan")["title"]
        'a pan'
    """
    _, *parts = FIELD.split(text)
    values = dict(zip(parts[::2], parts[1::2], strict=True))
    fields = {name: None if value.strip() in NOT_KNOWN else value.strip() for name, value in values.items()}
    return {
        "title": to_plain(fields.get("title") or fields.get("name") or (None if fields else text)),
        "brand": to_plain(fields.get("brand") or fields.get("city")),
        "categories": split_labels(",")(fields.get("categories")),
        "price": to_price(fields.get("price")),
        "description": to_plain(fields.get("description")),
    }


def _read_map(folder: SourceFolder, name: str) -> dict[str, str]:
    try:
        document = json.loads(folder.read_text(ID_MAPS))
        return {str(number): str(original) for number, original in document[name].items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{ID_MAPS} in input.folder {folder.path} must be JSON with {name}: {error!r}") from error


def _read(folder: SourceFolder, name: str, user_ids: Mapping[str, str], item_ids: Mapping[str, str]) -> Iterator[Entry]:
    for line in filter(str.strip, folder.read_lines(name)):
        user, *items = line.split()
        if not items:
            yield MalformedLine(line)
            continue
        originals = (_original(item, item_ids, "id2item") for item in items)
        yield from iter_sequence(_original(user, user_ids, "id2user"), originals)


def _original(number: str, originals: Mapping[str, str], name: str) -> str:
    if not originals:
        return number
    if number not in originals:
        raise DataError(f"{ID_MAPS} has no {number} in {name}, but a sequence does; the files do not belong together")
    return originals[number]


FORMAT = Format(
    name="p5",
    title="Sequences of P5, OpenP5, GRAM; S3-Rec with attributes",
    marks="sequential_data.txt, or user_sequence.txt, or NAME.txt with NAME_item2attributes.json beside it",
    reads="a user's events in the order of the line; ids by datamaps.json; titles of item_plain_text.txt or McAuley's metadata",
    leaves_out="items without an event; negative samples, indexing files, pickles; there are no times",
    find=find_p5,
)
