"""Recognise the format of a folder by the marks of all formats.

`FORMATS` is the table of formats. A folder that has the marks of none of them may have them together with its
subfolders.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

from recsys_model.errors import DataError
from recsys_platform.data.input import contract
from recsys_platform.data.input.files import ENDING_TO_FORMAT
from recsys_platform.data.input.importers import (
    amazon2023,
    bookcrossing,
    goodreads,
    hm,
    kuaishou,
    lastfm,
    mcauley,
    mind,
    movielens,
    p5,
    recbole,
    semantic_ids,
    sequences,
    sessions,
    steam,
    yambda,
    yelp,
)
from recsys_platform.data.input.importers.folder import SourceFolder, open_folder
from recsys_platform.data.input.importers.formats import Format
from recsys_platform.data.input.importers.source import Source
from recsys_platform.data.input.listing import ending_of

FORMATS: dict[str, Format] = {
    item.name: item
    for item in (
        amazon2023.FORMAT,
        mcauley.FORMAT,
        movielens.FORMAT,
        mind.FORMAT,
        yelp.FORMAT,
        steam.FORMAT,
        goodreads.FORMAT,
        bookcrossing.FORMAT,
        lastfm.FORMAT,
        hm.FORMAT,
        sessions.RETAILROCKET,
        sessions.DIGINETICA,
        sessions.OTTO,
        kuaishou.KUAIREC,
        kuaishou.KUAIRAND,
        yambda.FORMAT,
        recbole.FORMAT,
        p5.FORMAT,
        sequences.FORMAT,
        semantic_ids.LCREC,
        semantic_ids.MINIONEREC,
    )
}
"""Name -> format."""
TABLES = "tables"
TABLES_MARKS = "files called interactions and items, and if wanted users, as .parquet, .csv or .jsonl"
MAX_FILES = 8
"""Files that an error describes."""
MAX_CHARACTERS = 80
OUR_COLUMNS = {
    "interactions": (*contract.INTERACTION_REQUIRED, *contract.INTERACTION_OPTIONAL),
    "items": (*contract.ITEM_REQUIRED, *contract.ITEM_OPTIONAL),
}


def recognise(folder: SourceFolder, wanted: str) -> tuple[str, SourceFolder, Source | None]:
    """Return the name of the folder's format, the folder with the files that have it, and what it holds.

    The source is None for tables of our own layout.

    Raises:
        DataError: no format fits, or several do, or `input.*.columns` cannot be followed.
    """
    _check_columns(folder)
    matches = _find_matches(folder, wanted)
    if not matches and folder.subfolders:
        folder = open_folder(folder.path, folder.columns, with_subfolders=True)
        matches = _find_matches(folder, wanted)
    if len(matches) > 1:
        raise DataError(
            f"input.folder {folder.path} fits the formats {sorted(matches)}; set input.format to one of them"
        )
    if not matches:
        raise DataError("\n".join(_describe_unknown(folder, wanted)))
    name, source = next(iter(matches.items()))
    if isinstance(source, DataError):
        raise source
    if folder.columns and source is not None and not source.takes_columns:
        raise DataError(
            f"input.folder {folder.path} has the format {name}, whose files do not name their fields; take "
            f"{', '.join(f'input.{table}.columns' for table in folder.columns)} out"
        )
    return name, folder, source


def find_tables(folder: SourceFolder) -> dict[str, str]:
    """Return table -> file name, for the files that are called like our tables.

    Raises:
        DataError: a table has two files.
    """
    table_to_file: dict[str, str] = {}
    for name in folder.names:
        path = PurePosixPath(name.removesuffix(".gz"))
        if str(path.with_suffix("")) in ("interactions", "items", "users") and path.suffix in ENDING_TO_FORMAT:
            if path.stem in table_to_file:
                raise DataError(
                    f"input.folder {folder.path} must have one file called {path.stem}, got "
                    f"{table_to_file[path.stem]} and {name}; move one away"
                )
            table_to_file[path.stem] = name
    return table_to_file


def _find_matches(folder: SourceFolder, wanted: str) -> dict[str, Source | DataError | None]:
    """Return what the folder holds in each format that fits, or why it cannot be used."""
    candidates = [item for item in FORMATS.values() if wanted in ("auto", item.name)]
    matches: dict[str, Source | DataError | None] = {}
    for is_fallback in (False, True):
        for item in candidates if not (is_fallback and matches) else ():
            match = _find(item, folder) if item.is_fallback == is_fallback else None
            if match is not None:
                matches[item.name] = match
        if wanted in ("auto", TABLES) and not is_fallback and {"interactions", "items"} <= set(find_tables(folder)):
            matches[TABLES] = None
    return matches


def _find(item: Format, folder: SourceFolder) -> Source | DataError | None:
    try:
        return item.find(folder)
    except DataError as error:
        return error


def _check_columns(folder: SourceFolder) -> None:
    for table, columns in folder.columns.items():
        unknown = sorted(set(columns) - set(OUR_COLUMNS.get(table, columns)))
        if unknown:
            raise DataError(
                f"input.{table}.columns: {unknown} are not columns of the contract; it has {list(OUR_COLUMNS[table])}"
            )


def _describe_unknown(folder: SourceFolder, wanted: str) -> Iterator[str]:
    asked = "in no format known here" if wanted == "auto" else f"not in the format {wanted}"
    yield f"input.folder {folder.path} is {asked}. It has"
    for name in folder.names[:MAX_FILES]:
        yield f"  {name}: {_describe_file(folder, name)}"
    if len(folder.names) > MAX_FILES:
        yield f"  and {len(folder.names) - MAX_FILES} more files"
    yield "What identifies a format:"
    marks = {item.name: item.marks for item in FORMATS.values()} | {TABLES: TABLES_MARKS}
    yield from (f"  {name}: {text}" for name, text in marks.items() if wanted in ("auto", name))
    yield (
        "For other files take input.folder out and name them in input.interactions.path and input.items.path, with their "
        "fields in `columns`, such as `columns: {user_id: customer, item_id: sku, timestamp: bought_at}`"
    )


def _describe_file(folder: SourceFolder, name: str) -> str:
    fields = folder.fields(name)
    if len(fields) > 1:
        return f"fields {', '.join(fields)[:MAX_CHARACTERS]}"
    if ending_of(name) == ".parquet":
        return "no fields"
    return f"begins with {next(folder.read_lines(name), '')[:MAX_CHARACTERS]!r}"
