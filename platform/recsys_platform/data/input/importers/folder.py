"""A folder of a published data set: its files by name, their lines as text, and the fields of their records."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq

from recsys_model.errors import DataError
from recsys_platform.data.input.importers.lines import Dialect, sniff_dialect
from recsys_platform.data.input.json_records import parse_object
from recsys_platform.data.input.listing import ending_of, filesystem_of

OBJECT_ENDINGS = (".json", ".jsonl", ".ndjson")
DELIMITED_ENDINGS = (".csv", ".tsv", ".dat")
MAX_OBJECT_CHARACTERS = 1_000_000
"""A longer first line is one document and no record."""


@dataclass(frozen=True, slots=True)
class SourceFolder:
    """The files of a folder, without hidden files."""

    path: str
    """As the configuration has it: a local path or a URI."""
    name_to_path: dict[str, str]
    """File name -> path inside the filesystem of `path`, by name. Files of subfolders have names such as `train/a.csv`."""
    subfolders: tuple[str, ...] = ()
    """Names of the folders in it whose files are not in `name_to_path`."""
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Table -> our name -> field of its files, from `input.*.columns`."""
    _first_records: dict[str, dict[str, Any] | None] = field(default_factory=dict, repr=False, compare=False)
    _dialects: dict[str, Dialect] = field(default_factory=dict, repr=False, compare=False)
    _fields: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def names(self) -> tuple[str, ...]:
        """File names in ascending order."""
        return tuple(self.name_to_path)

    def read_raw_lines(self, name: str) -> Iterator[str]:
        """Yield the lines of a file with their ends, `.gz` unpacked.

        A line that is not UTF-8 is read as Latin-1, as in the published MovieLens files.

        Raises:
            DataError: the file cannot be read.
        """
        filesystem, _ = filesystem_of(self.path)
        try:
            with filesystem.open_input_stream(self.name_to_path[name]) as stream:
                for number, raw in enumerate(io.BufferedReader(stream)):
                    yield _decode(raw.removeprefix(b"\xef\xbb\xbf") if number == 0 else raw)
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"{name} in input.folder {self.path} cannot be read: {error}") from error

    def read_lines(self, name: str) -> Iterator[str]:
        """Yield the lines of a file without their ends, as `read_raw_lines` reads them."""
        return (line.rstrip("\r\n") for line in self.read_raw_lines(name))

    def read_text(self, name: str) -> str:
        """Return a whole file; for small ones, such as maps of ids."""
        return "\n".join(self.read_lines(name))

    def open_parquet(self, name: str) -> pq.ParquetFile:
        """Open a Parquet file.

        Raises:
            DataError: it cannot be read.
        """
        filesystem, _ = filesystem_of(self.path)
        try:
            return pq.ParquetFile(self.name_to_path[name], filesystem=filesystem)
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"{name} in input.folder {self.path} cannot be read: {error}") from error

    def first_record(self, name: str) -> dict[str, Any] | None:
        """Return the first record of a file of JSON lines or Python literals, None where it begins with none."""
        if name not in self._first_records:
            line = next(self.read_lines(name), "") if ending_of(name) in OBJECT_ENDINGS else ""
            self._first_records[name] = parse_object(line) if len(line) <= MAX_OBJECT_CHARACTERS else None
        return self._first_records[name]

    def dialect(self, name: str) -> Dialect:
        """Return how the first line of a file separates its fields, and their names if the line is a header."""
        if name not in self._dialects:
            self._dialects[name] = sniff_dialect(next(self.read_lines(name), ""))
        return self._dialects[name]

    def fields(self, name: str) -> tuple[str, ...]:
        """Return the fields of a file's records, empty where its kind has none or is unknown."""
        if name not in self._fields:
            self._fields[name] = self._read_fields(name)
        return self._fields[name]

    def _read_fields(self, name: str) -> tuple[str, ...]:
        ending = ending_of(name)
        if ending in OBJECT_ENDINGS:
            return tuple(self.first_record(name) or ())
        if ending == ".parquet":
            with self.open_parquet(name) as file:
                return tuple(file.schema_arrow.names)
        return self.dialect(name).names if ending in DELIMITED_ENDINGS else ()


def open_folder(
    path: str, columns: Mapping[str, Mapping[str, str]] | None = None, *, with_subfolders: bool = False
) -> SourceFolder:
    """List the files of a folder, and if asked for those of its subfolders.

    Raises:
        DataError: it does not exist, cannot be reached or has no file.
    """
    try:
        filesystem, root = filesystem_of(path)
        is_folder = filesystem.get_file_info(root).type == pyarrow.fs.FileType.Directory
        selector = pyarrow.fs.FileSelector(root, recursive=with_subfolders)
        entries = filesystem.get_file_info(selector) if is_folder else []
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"input.folder {path} cannot be read: {error}") from error
    name_to_path = {_relative(info.path, root): info.path for info in sorted(entries, key=lambda info: info.path)}
    visible = {name: file for name, file in name_to_path.items() if not _is_hidden(name)}
    folders = {info.path for info in entries if info.type == pyarrow.fs.FileType.Directory}
    files = {name: file for name, file in visible.items() if file not in folders}
    subfolders = () if with_subfolders else tuple(name for name, file in visible.items() if file in folders)
    if not files and not subfolders:
        raise DataError(
            f"input.folder {path} must be a folder with files in it, got {'none' if is_folder else 'no folder'}"
        )
    return SourceFolder(path, files, subfolders, columns or {})


def base_name(name: str) -> str:
    """Return a file's name without its subfolder."""
    return PurePosixPath(name).name


def _relative(path: str, root: str) -> str:
    return str(PurePosixPath(path).relative_to(root))


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "_")) for part in PurePosixPath(name).parts)


def _decode(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
