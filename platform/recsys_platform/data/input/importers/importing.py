"""Recognise the format of `input.folder` and make its tables the run's input.

A folder with tables of our own layout is used as it is; any other becomes Parquet under `<run>/tables`,
complete or absent. That folder is kept, so that a reject can be located by its row number.
"""

import dataclasses
import logging
import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from recsys_model.errors import DataError
from recsys_platform.config.input import InputConfig, TableConfig
from recsys_platform.config.run import RunConfig
from recsys_platform.data.input.files import ENDING_TO_FORMAT
from recsys_platform.data.input.importers import mcauley, movielens, p5, recbole
from recsys_platform.data.input.importers.folder import SourceFolder, open_folder
from recsys_platform.data.input.importers.source import Source
from recsys_platform.data.input.importers.writing import write_source

logger = logging.getLogger(__name__)

FORMATS: dict[str, tuple[Callable[[SourceFolder], Source | None], str]] = {
    "mcauley": (mcauley.find_mcauley, mcauley.NEEDS),
    "movielens": (movielens.find_movielens, movielens.NEEDS),
    "recbole": (recbole.find_recbole, recbole.NEEDS),
    "p5": (p5.find_p5, p5.NEEDS),
}
"""Name -> the function that finds the format in a folder, and the files that it needs."""
TABLES_NEED = "interactions and items, and if wanted users, as .parquet, .csv or .jsonl"


@dataclass(frozen=True, kw_only=True, slots=True)
class InputReport:
    """Where the tables of a run came from."""

    format: str
    """`tables`, or the format that was imported."""
    why: str
    """Reason of the recognition."""
    files: tuple[str, ...] = ()
    """Names of the files that were read."""
    notes: tuple[str, ...] = ()
    """Notes for the user about the reading."""
    rows: dict[str, int] = field(default_factory=dict)
    """Rows that were imported, by table."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON types."""
        return {**dataclasses.asdict(self), "files": list(self.files), "notes": list(self.notes)}


def resolve_input(config: RunConfig) -> tuple[RunConfig, InputReport]:
    """Return the run with tables in place of its folder, and where they came from.

    Raises:
        DataError: the folder cannot be read, or its format is ambiguous or not `input.format`.
    """
    if config.input.folder is None:
        return config, InputReport(format="tables", why="input.interactions and input.items name them")
    folder = open_folder(config.input.folder)
    name, source = recognise(folder, config.input.format)
    if source is None:
        tables, report = use_tables(config.input, folder)
    else:
        logger.info("importing %s as %s: %s", folder.path, name, source.why)
        tables, report = _import(config, name, source)
    return dataclasses.replace(config, input=tables), report


def recognise(folder: SourceFolder, wanted: str) -> tuple[str, Source | None]:
    """Return the name of the folder's format and what it holds, None for tables of our own layout.

    Raises:
        DataError: no format fits, or several do.
    """
    candidates = FORMATS if wanted == "auto" else {name: FORMATS[name] for name in FORMATS if name == wanted}
    sources = {name: source for name, (find, _) in candidates.items() if (source := find(folder)) is not None}
    matches: dict[str, Source | None] = dict(sources)
    if wanted in ("auto", "tables") and {"interactions", "items"} <= set(_find_tables(folder)):
        matches["tables"] = None
    if len(matches) == 1:
        return next(iter(matches.items()))
    names = list(folder.names[:20])
    if matches:
        raise DataError(
            f"input.folder {folder.path} fits the formats {sorted(matches)}; set input.format to one of them"
        )
    needs = {name: need for name, (_, need) in FORMATS.items()} | {"tables": TABLES_NEED}
    expected = "; ".join(f"{name} needs {need}" for name, need in needs.items() if wanted in ("auto", name))
    raise DataError(f"input.folder {folder.path} is in no format known here: {expected}. It has the files {names}")


def use_tables(settings: InputConfig, folder: SourceFolder) -> tuple[InputConfig, InputReport]:
    """Return the settings with the tables of our own layout that a folder has, and where they came from."""
    tables = _find_tables(folder)
    configs = {name: TableConfig(path=f"{folder.path.rstrip('/')}/{file}") for name, file in tables.items()}
    report = InputReport(
        format="tables", why="files called interactions and items are tables of our own", files=tuple(tables.values())
    )
    return _with_tables(settings, configs), report


def _find_tables(folder: SourceFolder) -> dict[str, str]:
    """Return table -> file name, for the files that are called like our tables."""
    table_to_file: dict[str, str] = {}
    for name in folder.names:
        path = PurePosixPath(name.removesuffix(".gz"))
        if path.stem in ("interactions", "items", "users") and path.suffix in ENDING_TO_FORMAT:
            if path.stem in table_to_file:
                raise DataError(
                    f"input.folder {folder.path} must have one file called {path.stem}, got "
                    f"{table_to_file[path.stem]} and {name}; move one away"
                )
            table_to_file[path.stem] = name
    return table_to_file


def _import(config: RunConfig, name: str, source: Source) -> tuple[InputConfig, InputReport]:
    target = config.tables_folder
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.partial")
    partial.mkdir()
    try:
        counts = write_source(source, partial)
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    written = ["interactions", "items", *(["users"] if source.users is not None else [])]
    configs = {table: TableConfig(path=str(target / f"{table}.parquet")) for table in written}
    rows = {table: counts[table] for table in written}
    notes = (*source.notes, *_describe_items(counts))
    report = InputReport(format=name, why=source.why, files=source.files, notes=notes, rows=rows)
    return _with_tables(config.input, configs), report


def _describe_items(counts: dict[str, int]) -> list[str]:
    notes = []
    if counts["items_unused"]:
        notes.append(f"{counts['items_unused']} items without any interaction were left out")
    if counts["items_added"]:
        notes.append(f"{counts['items_added']} items of the interactions are described nowhere and have no title")
    return notes


def _with_tables(settings: InputConfig, configs: dict[str, TableConfig]) -> InputConfig:
    return dataclasses.replace(
        settings, interactions=configs["interactions"], items=configs["items"], users=configs.get("users")
    )
