"""Recognise the format of `input.folder` and make its tables the run's input.

A folder with tables of our own layout is used as it is; any other becomes Parquet under `<run>/tables`,
complete or absent. That folder is kept, so that a reject can be located by its row number.
"""

import dataclasses
import logging
import os
import secrets
import shutil
from dataclasses import dataclass, field
from typing import Any

from recsys_platform.config.input import InputConfig, TableConfig
from recsys_platform.config.run import RunConfig
from recsys_platform.data.input.importers.folder import SourceFolder, open_folder
from recsys_platform.data.input.importers.recognition import find_tables, recognise
from recsys_platform.data.input.importers.source import Source
from recsys_platform.data.input.importers.writing import ImportCounts, write_source

logger = logging.getLogger(__name__)

MAX_NAMES = 20
"""Files that a note names."""


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
    left_out: dict[str, dict[str, int]] = field(default_factory=dict)
    """Table -> reason -> records that do not count by the rules of the format."""

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
    folder = open_folder(config.input.folder, named_columns(config.input))
    name, folder, source = recognise(folder, config.input.format)
    if source is None:
        tables, report = use_tables(config.input, folder)
    else:
        logger.info("importing %s as %s: %s", folder.path, name, source.why)
        tables, report = _import(config, name, folder, source)
    return dataclasses.replace(config, input=tables), report


def use_tables(settings: InputConfig, folder: SourceFolder) -> tuple[InputConfig, InputReport]:
    """Return the settings with the tables of our own layout that a folder has, and where they came from."""
    tables = find_tables(folder)
    columns = folder.columns
    configs = {
        name: TableConfig(path=f"{folder.path.rstrip('/')}/{file}", columns=dict(columns.get(name, {})))
        for name, file in tables.items()
    }
    report = InputReport(
        format="tables", why="files called interactions and items are tables of our own", files=tuple(tables.values())
    )
    return _with_tables(settings, configs), report


def named_columns(settings: InputConfig) -> dict[str, dict[str, str]]:
    """Return the fields that `input.*.columns` names, by table; the tables of a folder have no other settings."""
    named = {name: getattr(settings, name).columns for name in ("interactions", "items")}
    return {name: dict(columns) for name, columns in named.items() if columns}


def _import(config: RunConfig, name: str, folder: SourceFolder, source: Source) -> tuple[InputConfig, InputReport]:
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
    configs = {table: TableConfig(path=str(target / f"{table}.parquet")) for table in counts.rows}
    if source.counts_seconds:
        configs["interactions"] = dataclasses.replace(configs["interactions"], time_unit="s")
    report = InputReport(
        format=name,
        why=source.why,
        files=source.files,
        notes=(*source.notes, *_describe_counts(counts), *_describe_unread(folder, source)),
        rows=counts.rows,
        left_out={table: dict(reasons) for table, reasons in counts.left_out.items()},
    )
    return _with_tables(config.input, configs), report


def _describe_counts(counts: ImportCounts) -> list[str]:
    notes = [
        f"{number} {reason} are no rows of the {table} table"
        for table, reasons in counts.left_out.items()
        for reason, number in reasons.items()
    ]
    if counts.items_unused:
        notes.append(f"{counts.items_unused} items without any interaction were left out")
    if counts.items_added:
        notes.append(f"{counts.items_added} items of the interactions are described nowhere and have no title")
    return notes


def _describe_unread(folder: SourceFolder, source: Source) -> list[str]:
    unread = [name for name in folder.names if name not in source.files]
    more = f" and {len(unread) - MAX_NAMES} more" if len(unread) > MAX_NAMES else ""
    return [f"files that were not read: {', '.join(unread[:MAX_NAMES])}{more}"] if unread else []


def _with_tables(settings: InputConfig, configs: dict[str, TableConfig]) -> InputConfig:
    return dataclasses.replace(
        settings, interactions=configs["interactions"], items=configs["items"], users=configs.get("users")
    )
