"""RecBole's atomic files: NAME.inter, and NAME.item and NAME.user where they exist.

The header gives each field a type: `token` (an id or one value), `token_seq` (blanks between values), `float`,
`float_seq`. Field names are free; common ones are recognised.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from recsys_model.errors import DataError
from recsys_platform.data.input.importers.folder import SourceFolder
from recsys_platform.data.input.importers.source import Row, RowTable, Source, Value
from recsys_platform.data.input.records import MalformedLine

NEEDS = "NAME.inter with a header such as user_id:token"
TAB = "\t"
INTERACTION_FIELDS = {
    "user_id": ("user_id", "uid", "user"),
    "item_id": ("item_id", "iid", "item"),
    "timestamp": ("timestamp", "time"),
    "rating": ("rating", "stars"),
    "review_text": ("review_text", "review"),
    "summary": ("summary",),
}
ITEM_FIELDS = {
    "item_id": ("item_id", "iid", "item"),
    "title": ("title", "movie_title", "item_name", "name"),
    "brand": ("brand", "store"),
    "categories": ("categories", "category", "genre", "genres", "class"),
    "price": ("price",),
    "description": ("description",),
}
USER_FIELDS = {"user_id": ("user_id", "uid", "user")}


def find_recbole(folder: SourceFolder) -> Source | None:
    """Return the source if the folder has a `.inter` file.

    Raises:
        DataError: it has several, or one without user, item or time.
    """
    names = [name for name in folder.names if name.endswith(".inter")]
    if not names:
        return None
    if len(names) > 1:
        raise DataError(f"input.folder {folder.path} must have one .inter file, got {names}; move the others away")
    stem = PurePosixPath(names[0]).stem
    item_name, user_name = (name if name in folder.names else None for name in (f"{stem}.item", f"{stem}.user"))
    interactions = _table(folder, names[0], INTERACTION_FIELDS, ("user_id", "item_id", "timestamp"))
    return Source(
        why=f"{names[0]} is an atomic file whose first field is {next(folder.read_lines(names[0])).split(TAB)[0]}",
        files=(*names, *(name for name in (item_name, user_name) if name is not None)),
        interactions=interactions,
        items=None if item_name is None else _table(folder, item_name, ITEM_FIELDS, ("item_id",)),
        users=None if user_name is None else _table(folder, user_name, USER_FIELDS, ("user_id",), keeps_others=True),
        keeps_unused_items=True,
    )


def _table(
    folder: SourceFolder,
    name: str,
    ours_to_names: Mapping[str, tuple[str, ...]],
    required: tuple[str, ...],
    *,
    keeps_others: bool = False,
) -> RowTable:
    header = _read_header(folder, name)
    ours_to_field = {
        ours: next((field for field in fields if field in header), None) for ours, fields in ours_to_names.items()
    }
    lacking = {ours: ours_to_names[ours] for ours in required if ours_to_field[ours] is None}
    if lacking:
        raise DataError(f"{name} in input.folder {folder.path} lacks a field of {lacking}; it has {list(header)}")
    field_to_ours = {field: ours for ours, field in ours_to_field.items() if field is not None}
    if keeps_others:
        field_to_ours |= {field: field for field in header if field not in field_to_ours}
    return RowTable(columns=tuple(field_to_ours.values()), read=lambda: _read(folder, name, header, field_to_ours))


def _read_header(folder: SourceFolder, name: str) -> dict[str, str]:
    """Return field -> type, in the order of the file."""
    fields = [field.rpartition(":") for field in next(folder.read_lines(name), "").split(TAB)]
    if not all(field and separator for field, separator, _ in fields):
        raise DataError(
            f"{name} in input.folder {folder.path} needs a header such as user_id:token, tabs between fields"
        )
    return {field: kind for field, _, kind in fields}


def _read(
    folder: SourceFolder, name: str, header: Mapping[str, str], field_to_ours: Mapping[str, str]
) -> Iterator[Row | MalformedLine]:
    lines = folder.read_lines(name)
    next(lines, None)
    for line in filter(str.strip, lines):
        values = line.split(TAB)
        if len(values) != len(header):
            yield MalformedLine(line)
            continue
        named = zip(header.items(), values, strict=True)
        yield {
            field_to_ours[field]: _convert(field_to_ours[field], kind, value)
            for (field, kind), value in named
            if field in field_to_ours
        }


def _convert(ours: str, kind: str, value: str) -> Value:
    if ours == "categories":
        return split_categories(value) if kind == "token_seq" else [value] if value else []
    return value or None


def split_categories(text: str) -> list[str]:
    """Return the values of a `token_seq`: quoted ones with commas between them, else words.

    Example:
        >>> split_categories("'Beauty', 'Hair Care'"), split_categories("Animation Children's")
        (['Beauty', 'Hair Care'], ['Animation', "Children's"])
    """
    stripped = text.strip().removeprefix("[").removesuffix("]")
    if stripped.startswith(("'", '"')):
        try:
            return [str(value) for value in ast.literal_eval(f"[{stripped}]")]
        except (ValueError, SyntaxError):
            return text.split()
    return text.split()
