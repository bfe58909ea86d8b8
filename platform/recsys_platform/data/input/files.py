"""Find the files of a table and their format."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.fs

from recsys_model.errors import DataError
from recsys_platform.config.input import TableConfig
from recsys_platform.data.input.layouts import TextLayout
from recsys_platform.data.input.listing import (
    Listing,
    describe_names,
    ending_of,
    filesystem_of,
    has_wildcards,
    list_files,
    partitions_of,
)

ENDING_TO_FORMAT = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
}
ENDINGS_OF_ANY_TEXT = (".txt", ".dat", ".data", ".text")
"""The first line decides what these are."""
PARQUET_MARK = b"PAR1"


@dataclass(frozen=True, kw_only=True, slots=True)
class TableFiles:
    """The files of one table, sorted by path below each configured one, which is the order of its rows."""

    table: str
    """`interactions`, `items` or `users`."""
    path: str
    """As the configuration has it."""
    format: str
    """`parquet`, `csv` or `jsonl`."""
    paths: tuple[str, ...]
    """Paths inside the filesystem of `path`."""
    layout: TextLayout = field(default_factory=TextLayout)
    """How the lines of text files are read."""
    partitions: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    """Path -> columns that its folders give (`day=2019-10-07`)."""
    notes: tuple[str, ...] = ()
    """What was left out, for the user."""

    @property
    def where(self) -> str:
        """The setting and its value, for messages."""
        return f"input.{self.table}.path {self.path}"

    def open_filesystem(self) -> pyarrow.fs.FileSystem:
        """Connect to the filesystem; every process does so for itself."""
        return filesystem_of(self.path)[0]


def find_files(table: str, config: TableConfig) -> TableFiles:
    """List the files of a table.

    Raises:
        DataError: nothing is there, it cannot be reached, or its format is unclear.
    """
    try:
        listings = [_list(table, "path", config.path)]
        listings += [_list_further(table, config, path) for path in config.further_paths]
        paths = tuple(itertools.chain.from_iterable(listing.paths for listing in listings))
        kind = config.format if config.format != "auto" else _find_format(table, config, paths)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"input.{table}.path {config.path} cannot be read: {error}") from error
    partitions: dict[str, Mapping[str, str | None]] = {}
    for listing in listings:
        partitions |= partitions_of(listing)
    _check_partitions(table, paths, partitions)
    return TableFiles(
        table=table,
        path=config.path,
        format=kind,
        paths=paths,
        layout=TextLayout(header=config.header, encoding=config.encoding),
        partitions=partitions,
        notes=tuple(_notes(table, listings)),
    )


def _list(table: str, key: str, path: str) -> Listing:
    listing = list_files(path)
    if listing.paths:
        return listing
    if has_wildcards(path):
        raise DataError(f"input.{table}.{key} {path} matches no file below {listing.root}")
    beside = f"; beside it are {describe_names(_names_beside(path))}" if _names_beside(path) else ""
    only = f"; it has only {describe_names(listing.skipped)}" if listing.skipped else ""
    raise DataError(f"input.{table}.{key} {path} does not exist or is an empty folder{only or beside}")


def _names_beside(path: str) -> list[str]:
    """Return the visible names in the folder of a missing file."""
    filesystem, inside = filesystem_of(path)
    selector = pyarrow.fs.FileSelector(str(PurePosixPath(inside).parent), allow_not_found=True)
    names = (PurePosixPath(entry.path).name for entry in filesystem.get_file_info(selector))
    return sorted(name for name in names if not name.startswith("."))


def _list_further(table: str, config: TableConfig, path: str) -> Listing:
    if not filesystem_of(path)[0].equals(filesystem_of(config.path)[0]):
        raise DataError(f"input.{table}.further_paths must lie where {config.path} does, got {path}; copy it there")
    return _list(table, "further_paths", path)


def _find_format(table: str, config: TableConfig, paths: tuple[str, ...]) -> str:
    """Return the one format of all files, by their endings, or by the content of a file whose ending says nothing."""
    formats = {ENDING_TO_FORMAT.get(ending_of(path)) or _look_into(config.path, path) for path in paths}
    if len(formats) == 1 and (kind := formats.pop()) is not None:
        return kind
    endings = sorted({ending_of(path) or PurePosixPath(path).name for path in paths})
    raise DataError(
        f"input.{table}.path {config.path}: the format is unclear, files end in {endings}; "
        f"set input.{table}.format to parquet, csv (any text with delimiters) or jsonl, or name the files by a pattern "
        "such as events/*.csv"
    )


def _look_into(table_path: str, path: str) -> str | None:
    """Return the format of a file by its first bytes; None if the ending says that it is something else."""
    if ending_of(path) not in ENDINGS_OF_ANY_TEXT:
        return None
    with filesystem_of(table_path)[0].open_input_stream(path) as stream:
        start = stream.read(1024).removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(PARQUET_MARK):
        return "parquet"
    return "jsonl" if start.startswith((b"{", b"[")) else "csv"


def _check_partitions(table: str, paths: tuple[str, ...], partitions: Mapping[str, Mapping[str, str | None]]) -> None:
    """Raise unless all files lie in folders of the same columns."""
    names = {path: tuple(partitions.get(path, ())) for path in paths}
    for path in paths:
        if names[path] != names[paths[0]]:
            raise DataError(
                f"input.{table}: the folders of {path} give the columns {list(names[path])}, those of {paths[0]} give "
                f"{list(names[paths[0]])}; name the files of one kind, by a pattern if they lie together"
            )


def _notes(table: str, listings: list[Listing]) -> Iterator[str]:
    for listing in listings:
        if listing.skipped:
            yield f"{table}: not read as a table in {listing.root}: {describe_names(listing.skipped)}"
