"""Folders of published data sets, written by tests, and what an importer makes of them."""

import gzip
import json
from pathlib import Path
from typing import Any

from recsys_platform.data.input.importers.folder import open_folder
from recsys_platform.data.input.importers.recognition import recognise
from recsys_platform.data.input.importers.source import LeftOut, RowTable, Source
from recsys_platform.data.input.records import MalformedLine


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    """Write files, those that end in .gz compressed; a name may lie in a subfolder."""
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return folder


def find(folder: Path, wanted: str = "auto", columns: dict[str, dict[str, str]] | None = None) -> tuple[str, Source]:
    """Return the name of a folder's format and what it holds."""
    name, _, source = recognise(open_folder(str(folder), columns), wanted)
    assert source is not None
    return name, source


def rows(table: RowTable | None) -> list[Any]:
    """Return the rows of a table; a malformed line as its text."""
    assert table is not None
    entries = [row for row in table.read() if not isinstance(row, LeftOut)]
    return [row.text if isinstance(row, MalformedLine) else row for row in entries]


def left_out(table: RowTable | None) -> list[str]:
    """Return the reasons of the records of a table that do not count, in the order of the files."""
    assert table is not None
    return [row.reason for row in table.read() if isinstance(row, LeftOut)]


def events(source: Source) -> list[tuple[Any, ...]]:
    """Return user, item and time of the interactions, in the order of the files."""
    table = [row for row in rows(source.interactions) if isinstance(row, dict)]
    return [(row["user_id"], row["item_id"], row["timestamp"]) for row in table]


def lines(*records: object) -> str:
    """Return text as it is and everything else as JSON, a line each."""
    return "".join((record if isinstance(record, str) else json.dumps(record)) + "\n" for record in records)
