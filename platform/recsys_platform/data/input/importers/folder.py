"""A folder of a published data set: its files by name, and their lines as text."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.fs

from recsys_model.errors import DataError
from recsys_platform.data.input.files import filesystem_of


@dataclass(frozen=True, slots=True)
class SourceFolder:
    """The files directly in a folder, without hidden files and subfolders."""

    path: str
    """As the configuration has it: a local path or a URI."""
    name_to_path: dict[str, str]
    """File name -> path inside the filesystem of `path`, by name."""

    @property
    def names(self) -> tuple[str, ...]:
        """File names in ascending order."""
        return tuple(self.name_to_path)

    def read_lines(self, name: str) -> Iterator[str]:
        """Yield the lines of a file without their ends, `.gz` unpacked.

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

    def read_text(self, name: str) -> str:
        """Return a whole file; for small ones, such as maps of ids."""
        return "\n".join(self.read_lines(name))


def open_folder(path: str) -> SourceFolder:
    """List the files of a folder.

    Raises:
        DataError: it does not exist, cannot be reached or has no file.
    """
    try:
        filesystem, root = filesystem_of(path)
        is_folder = filesystem.get_file_info(root).type == pyarrow.fs.FileType.Directory
        entries = filesystem.get_file_info(pyarrow.fs.FileSelector(root)) if is_folder else []
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"input.folder {path} cannot be read: {error}") from error
    paths = [info.path for info in entries if info.type == pyarrow.fs.FileType.File]
    names = {PurePosixPath(file).name: file for file in sorted(paths)}
    visible = {name: file for name, file in names.items() if not name.startswith((".", "_"))}
    if not visible:
        raise DataError(
            f"input.folder {path} must be a folder with files in it, got {'none' if is_folder else 'no folder'}"
        )
    return SourceFolder(path, visible)


def _decode(raw: bytes) -> str:
    line = raw.rstrip(b"\r\n")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")
