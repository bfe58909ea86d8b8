"""Find the files of a table: files or folders, on a local disk or in object storage, through pyarrow."""

import itertools
from dataclasses import dataclass
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.fs

from recsys_model.errors import DataError
from recsys_platform.config.input import TableConfig

ENDING_TO_FORMAT = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
}
COMPRESSION_ENDINGS = (".gz", ".bz2", ".zst", ".lz4")


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

    def open_filesystem(self) -> pyarrow.fs.FileSystem:
        """Connect to the filesystem; every process does so for itself."""
        return filesystem_of(self.path)[0]


def find_files(table: str, config: TableConfig) -> TableFiles:
    """List the files of a table.

    Raises:
        DataError: nothing is there, it cannot be reached, or its format is unclear.
    """
    try:
        paths = _list_files(*filesystem_of(config.path))
        further = [_further_files(table, config, path) for path in config.further_paths]
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"input.{table}.path {config.path} cannot be read: {error}") from error
    if not paths:
        raise DataError(f"input.{table}.path {config.path} does not exist or is an empty folder")
    paths = tuple(itertools.chain(paths, *further))
    if config.format != "auto":
        return TableFiles(table=table, path=config.path, format=config.format, paths=paths)
    formats = {ENDING_TO_FORMAT.get(_ending(path), "") for path in paths}
    if len(formats) > 1 or "" in formats:
        raise DataError(
            f"input.{table}.path {config.path}: the format is unclear, files end in "
            f"{sorted({_ending(path) for path in paths})}; set input.{table}.format to parquet, csv or jsonl"
        )
    return TableFiles(table=table, path=config.path, format=formats.pop(), paths=paths)


def filesystem_of(path: str) -> tuple[pyarrow.fs.FileSystem, str]:
    """Return the filesystem that a local path or a URI names, and the path inside it."""
    if "://" in path:
        return pyarrow.fs.FileSystem.from_uri(path)
    return pyarrow.fs.LocalFileSystem(), path


def _further_files(table: str, config: TableConfig, path: str) -> tuple[str, ...]:
    filesystem, root = filesystem_of(path)
    if not filesystem.equals(filesystem_of(config.path)[0]):
        raise DataError(f"input.{table}.further_paths must lie where {config.path} does, got {path}; copy it there")
    paths = _list_files(filesystem, root)
    if not paths:
        raise DataError(f"input.{table}.further_paths {path} does not exist or is an empty folder")
    return paths


def _list_files(filesystem: pyarrow.fs.FileSystem, root: str) -> tuple[str, ...]:
    """Return the file itself, or all files below a folder but hidden ones (`_SUCCESS`, `.crc`)."""
    info = filesystem.get_file_info(root)
    if info.type == pyarrow.fs.FileType.File:
        return (info.path,)
    if info.type != pyarrow.fs.FileType.Directory:
        return ()
    below = filesystem.get_file_info(pyarrow.fs.FileSelector(root, recursive=True))
    files = [entry.path for entry in below if entry.type == pyarrow.fs.FileType.File and entry.size != 0]
    return tuple(sorted(path for path in files if not _is_hidden(path, root)))


def _is_hidden(path: str, root: str) -> bool:
    return any(part.startswith((".", "_")) for part in PurePosixPath(path).relative_to(root).parts)


def _ending(path: str) -> str:
    name = PurePosixPath(path)
    if name.suffix in COMPRESSION_ENDINGS:
        name = name.with_suffix("")
    return name.suffix.lower()
