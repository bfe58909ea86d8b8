"""Headers, items and users of RecBole's atomic files.

A file of items may have several rows of an item, of which the first counts, or one row for each property of an item. A year
of release is told only where titles are equal.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from recsys_model.errors import DataError
from recsys_platform.data.input.importers.folder import SourceFolder
from recsys_platform.data.input.importers.layout import Column, Layout, Record, Rows, build_table
from recsys_platform.data.input.importers.lines import Dialect
from recsys_platform.data.input.importers.recbole_fields import (
    ITEM_FIELDS,
    USER_FIELDS,
    choose_columns,
    to_single_category,
    unquote,
)
from recsys_platform.data.input.importers.source import Entry, LeftOut, RowTable
from recsys_platform.data.input.records import MalformedLine

TAB = "\t"
YEAR = "release_year"
SPECIAL_ITEM_FIELDS = (YEAR, "property", "sub_category")
FURTHER_ROWS = LeftOut("further rows of an item")
OTHER_PROPERTIES = LeftOut("properties other than categoryid")


def read_header(folder: SourceFolder, name: str) -> dict[str, str]:
    """Return field -> type, in the order of the file.

    Raises:
        DataError: the first line is no header.
    """
    fields = [field.rpartition(":") for field in next(folder.read_lines(name), "").split(TAB)]
    if not all(field and separator for field, separator, _ in fields):
        raise DataError(
            f"{name} in input.folder {folder.path} needs a header such as user_id:token, tabs between fields"
        )
    return {field: kind for field, _, kind in fields}


def atomic_dialect(header: Mapping[str, str]) -> Dialect:
    """Return how an atomic file with this header separates its fields."""
    return Dialect(delimiter=TAB, names=tuple(header), has_quotes=False)


def require_columns(
    folder: SourceFolder,
    table: str,
    name: str,
    header: Mapping[str, str],
    columns: Mapping[str, Column],
    required: Mapping[str, tuple[str, ...]],
) -> None:
    """Raise unless the required columns (ours -> known fields) were found in a header.

    Raises:
        DataError: with the fields that the file has, and how to name one of them.
    """
    lacking = {ours: names for ours, names in required.items() if ours not in columns}
    if lacking:
        ours = next(iter(lacking))
        raise DataError(
            f"{name} in input.folder {folder.path} lacks a field of {lacking}; it has {list(header)}. Name it in "
            f"input.{table}.columns, such as `{ours}: {next(iter(header))}`"
        )


def read_items(folder: SourceFolder, name: str, id_field: str) -> RowTable:
    """Return the items of a file; `id_field` is the interactions' field of items, which the file may call otherwise.

    Raises:
        DataError: the file has no field of item ids.
    """
    header = read_header(folder, name)
    columns = _item_columns(folder, name, header, id_field)
    table = build_table(
        folder, "items", [name], Layout(columns=columns, rows=_item_rows, dialect=atomic_dialect(header))
    )
    if YEAR not in header or "title" not in columns:
        return replace(table, read=lambda: _first_rows(table.read()))
    return replace(table, read=lambda: _first_rows(_with_years(folder, name, header, columns, table)))


def describe_unread_items(folder: SourceFolder, name: str, id_field: str) -> Iterator[str]:
    """Yield a note on the fields of a file of items that no column comes from."""
    header = read_header(folder, name)
    yield from describe_unread(name, header, _item_columns(folder, name, header, id_field), SPECIAL_ITEM_FIELDS)


def describe_unread(
    name: str, header: Mapping[str, str], columns: Mapping[str, Column], special: Iterable[str]
) -> Iterator[str]:
    """Yield a note on the fields of a file that no column comes from and that have no meaning of their own."""
    taken = {field for source in columns.values() for field in source.fields} | set(special)
    unread = [field for field in header if field not in taken]
    if unread:
        yield f"fields of {name} that were not read: {', '.join(unread)}"


def _item_columns(folder: SourceFolder, name: str, header: Mapping[str, str], id_field: str) -> dict[str, Column]:
    ids = (id_field,) if id_field in header else ITEM_FIELDS["item_id"]
    names = (
        ITEM_FIELDS | {"item_id": ids} | {ours: (theirs,) for ours, theirs in folder.columns.get("items", {}).items()}
    )
    first_category = next((field for field in names["categories"] if field in header), "")
    readers = {"categories": to_single_category} if header.get(first_category) == "token" else {}
    columns = choose_columns(names, header, readers)
    if "property" in header and "value" in header:
        columns["categories"] = Column(fields=("value",), read=to_single_category)
    require_columns(folder, "items", name, header, columns, {"item_id": names["item_id"]})
    return columns


def _item_rows(record: Record) -> Rows:
    """Return an item; of a file with a property a row, the categories alone."""
    if record.get("property") not in (None, "categoryid"):
        return (OTHER_PROPERTIES,)
    category, part = record.get("category"), record.get("sub_category")
    path = f"{category} {part}" if category and part and " " not in category + part else category
    return (unquoted({**record, "category": path}) if part else unquoted(record),)


def _first_rows(entries: Iterator[Entry]) -> Iterator[Entry]:
    """Yield the first row of each item."""
    seen: set[str] = set()
    for entry in entries:
        item_id = None if isinstance(entry, (MalformedLine, LeftOut)) else entry.get("item_id")
        if not isinstance(item_id, str):
            yield entry
        elif item_id in seen:
            yield FURTHER_ROWS
        else:
            seen.add(item_id)
            yield entry


def _with_years(
    folder: SourceFolder, name: str, header: Mapping[str, str], columns: Mapping[str, Column], table: RowTable
) -> Iterator[Entry]:
    """Append the year of release to titles that several items have."""
    titles = Counter(str(entry["title"]) for entry in table.read() if isinstance(entry, dict))
    by_year = build_table(
        folder,
        "items",
        [name],
        Layout(columns={**columns, YEAR: Column(fields=(YEAR,))}, rows=_item_rows, dialect=atomic_dialect(header)),
    )
    for entry in by_year.read():
        if isinstance(entry, dict):
            year = entry.pop(YEAR)
            if year and entry["title"] and titles[str(entry["title"])] > 1:
                entry["title"] = f"{entry['title']} ({year})"
        yield entry


def read_users(folder: SourceFolder, name: str, id_field: str) -> RowTable:
    """Return the users of a file with all their fields; `id_field` is the interactions' field of users.

    Raises:
        DataError: the file has no field of user ids.
    """
    header = read_header(folder, name)
    ids = (id_field,) if id_field in header else USER_FIELDS["user_id"]
    columns = choose_columns({"user_id": ids}, header, {})
    require_columns(folder, "users", name, header, columns, {"user_id": ids})
    others = {field: Column(fields=(field,)) for field in header if field not in columns["user_id"].fields}
    return build_table(
        folder,
        "users",
        [name],
        Layout(columns=columns | others, rows=lambda record: (unquoted(record),), dialect=atomic_dialect(header)),
    )


def unquoted(record: Record) -> Record:
    """Return a record whose values lack the quotes of pandas."""
    return {field: unquote(value) for field, value in record.items()}
