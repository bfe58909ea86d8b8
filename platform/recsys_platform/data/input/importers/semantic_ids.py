"""Files around semantic ids: LC-Rec's NAME.inter.json, .item.json, .index.json; MiniOneRec's CSV files and info.txt.

Items are told by their titles, or by their semantic ids (`<a_12><b_7><c_4>`) where the folder has no titles or
`input.items.columns` says `title: semantic_id`. A published model of such a project needs the latter.
"""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from recsys_model.errors import DataError
from recsys_platform.data.input.importers.folder import SourceFolder
from recsys_platform.data.input.importers.formats import Format
from recsys_platform.data.input.importers.layout import NO_TIMES, read_records, require_one
from recsys_platform.data.input.importers.prefixes import Step, iter_events, iter_sequence
from recsys_platform.data.input.importers.source import Entry, RowTable, Source
from recsys_platform.data.input.importers.values import parse_list, split_labels, to_labels, to_plain, to_price, to_text
from recsys_platform.data.input.listing import ending_of
from recsys_platform.data.input.records import MalformedLine

EVENT_COLUMNS = ("user_id", "item_id", "timestamp", "position")
ITEM_COLUMNS = ("item_id", "title", "brand", "categories", "price", "description")
SEMANTIC_ID = "semantic_id"
STEPS = frozenset(("user_id", "history_item_id", "item_id", "item_sid"))
SPLITS = ("train", "valid", "test")
NUM_INFO_FIELDS = 3


def find_lcrec(folder: SourceFolder) -> Source | None:
    """Return the source if the folder has NAME.inter.json.

    Raises:
        DataError: it has several, or `input.*.columns` asks for more than `title: semantic_id`.
    """
    names = [name for name in folder.names if name.endswith(".inter.json")]
    if not names:
        return None
    require_one(folder, "sequences", names)
    stem = names[0].removesuffix(".inter.json")
    item, index, user_ids, item_ids = (
        name if name in folder.names else None
        for name in (f"{stem}.item.json", f"{stem}.index.json", f"{stem}.user2id", f"{stem}.item2id")
    )
    by_id = _tells_semantic_ids(folder)
    return Source(
        why=f"{names[0]} has the numbers of each user's items",
        files=tuple(name for name in (*names, item, index, user_ids, item_ids) if name is not None),
        interactions=RowTable(
            columns=EVENT_COLUMNS, read=partial(_read_sequences, folder, names[0], user_ids, item_ids)
        ),
        items=RowTable(columns=ITEM_COLUMNS, read=partial(_read_items, folder, (item, index, item_ids), by_id=by_id))
        if item is not None or index is not None
        else None,
        users=None,
        keeps_unused_items=True,
        notes=(NO_TIMES, *_describe_titles(has_titles=item is not None, has_ids=index is not None, by_id=by_id)),
        counts_seconds=True,
        takes_columns=True,
    )


def find_minionerec(folder: SourceFolder) -> Source | None:
    """Return the source if CSV files have histories with semantic ids.

    Raises:
        DataError: several are no splits of one data set, or several files of items fit.
    """
    names = [name for name in folder.names if set(folder.fields(name)) >= STEPS]
    if not names:
        return None
    splits = {split: name for name in names for split in SPLITS if split in name.replace("/", ".").split(".")}
    if len(splits) < len(names):
        require_one(folder, "histories", names)
    ordered = [splits[split] for split in SPLITS if split in splits] or names
    info = [name for name in folder.names if ending_of(name) == ".txt" and _is_info(folder, name)]
    require_one(folder, "items", info)
    by_id = _tells_semantic_ids(folder)
    return Source(
        why=f"{ordered[0]} has {', '.join(sorted(STEPS))}",
        files=(*ordered, *info),
        interactions=RowTable(columns=EVENT_COLUMNS, read=lambda: iter_events(_read_steps(folder, ordered))),
        items=RowTable(columns=("item_id", "title"), read=partial(_read_info, folder, info[0], by_id=by_id))
        if info
        else None,
        users=None,
        keeps_unused_items=True,
        notes=(NO_TIMES, *_describe_titles(has_titles=bool(info), has_ids=bool(info), by_id=by_id)),
        counts_seconds=True,
        takes_columns=True,
    )


def _tells_semantic_ids(folder: SourceFolder) -> bool:
    asked = {table: dict(columns) for table, columns in folder.columns.items()}
    if asked not in ({}, {"items": {"title": SEMANTIC_ID}}):
        raise DataError(f"input.*.columns of this format can only be `items: {{title: {SEMANTIC_ID}}}`, got {asked}")
    return bool(asked)


def _describe_titles(*, has_titles: bool, has_ids: bool, by_id: bool) -> Iterator[str]:
    if has_titles and has_ids and not by_id:
        yield f"items are told by their titles; `input.items.columns: {{title: {SEMANTIC_ID}}}` tells their semantic ids"
    elif has_ids:
        yield "items are told by their semantic ids"
    elif not has_titles:
        yield "items have no titles and are told by their ids"


def _read_json(folder: SourceFolder, name: str) -> dict[str, Any]:
    try:
        document = json.loads(folder.read_text(name))
    except ValueError as error:
        raise DataError(f"{name} in input.folder {folder.path} must be one JSON document: {error}") from error
    if not isinstance(document, dict):
        raise DataError(f"{name} in input.folder {folder.path} must be an object, got {type(document).__name__}")
    return document


def _read_ids(folder: SourceFolder, name: str | None) -> dict[str, str]:
    """Return number -> original id of a file with `original, tab, number` a line."""
    pairs = (line.rpartition("\t") for line in folder.read_lines(name)) if name is not None else ()
    return {number: original for original, _, number in pairs if original}


def _read_sequences(folder: SourceFolder, name: str, user_ids: str | None, item_ids: str | None) -> Iterator[Entry]:
    users, items = _read_ids(folder, user_ids), _read_ids(folder, item_ids)
    for user, numbers in _read_json(folder, name).items():
        if isinstance(numbers, list):
            yield from iter_sequence(users.get(user, user), (items.get(str(item), str(item)) for item in numbers))
        else:
            yield MalformedLine(f"{user}: {numbers}")


def _read_items(
    folder: SourceFolder, names: tuple[str | None, str | None, str | None], *, by_id: bool
) -> Iterator[Entry]:
    item_file, index_file, id_file = names
    described = _read_json(folder, item_file) if item_file is not None else {}
    index = _read_json(folder, index_file) if index_file is not None else {}
    ids = _read_ids(folder, id_file)
    for number in dict.fromkeys((*described, *index)):
        record = described.get(number)
        codes = index.get(number)
        row = _describe(record) if isinstance(record, dict) else {}
        if by_id or item_file is None:
            row["title"] = "".join(map(str, codes)) if isinstance(codes, list) else None
        yield {"item_id": ids.get(number, number), **row}


def _describe(record: Mapping[str, Any]) -> dict[str, Any]:
    categories = record.get("categories")
    description = record.get("description")
    return {
        "title": to_plain(record.get("title")),
        "brand": to_plain(record.get("brand")),
        "categories": split_labels(",")(categories)
        if isinstance(categories, str) and not categories.startswith("[")
        else to_labels(categories),
        "price": to_price(record.get("price")),
        "description": to_plain(parse_list(description)) if isinstance(description, str) else to_plain(description),
    }


def _read_steps(folder: SourceFolder, names: list[str]) -> Iterator[Step | MalformedLine]:
    for name in names:
        for record in read_records(folder, name):
            if isinstance(record, MalformedLine):
                yield record
                continue
            user, item = to_text(record["user_id"]), to_text(record["item_id"])
            history = to_labels(record["history_item_id"] or "[]")
            yield (user, history, item) if user and item else MalformedLine(str(record))


def _is_info(folder: SourceFolder, name: str) -> bool:
    fields = next(folder.read_lines(name), "").split("\t")
    return len(fields) == NUM_INFO_FIELDS and fields[0].startswith("<") and fields[0].endswith(">")


def _read_info(folder: SourceFolder, name: str, *, by_id: bool) -> Iterator[Entry]:
    for line in filter(str.strip, folder.read_lines(name)):
        fields = line.split("\t")
        if len(fields) == NUM_INFO_FIELDS:
            semantic_id, title, item_id = fields
            yield {"item_id": item_id, "title": semantic_id if by_id else to_plain(title)}
        else:
            yield MalformedLine(line)


LCREC = Format(
    name="lcrec",
    title="LC-Rec, LETTER and MiniOneRec: JSON of sequences, items and semantic ids",
    marks="NAME.inter.json, with NAME.item.json and NAME.index.json beside it",
    reads="a user's items in order; title, brand, categories and description; original ids by NAME.user2id and NAME.item2id",
    leaves_out="semantic ids while there are titles, unless input.items.columns is {title: semantic_id}; there are no times",
    find=find_lcrec,
)
MINIONEREC = Format(
    name="minionerec",
    title="MiniOneRec: CSV files of histories with info.txt",
    marks="a .csv file with user_id, history_item_id, item_id, item_sid",
    reads="train, valid and test as one sequence for each user; titles of a .txt file of semantic id, title and item id",
    leaves_out="semantic ids while there are titles, unless input.items.columns is {title: semantic_id}; there are no times",
    find=find_minionerec,
)
