"""List the files of a table: a file, a folder or a pattern, on a local disk or in object storage.

What lies beside the tables' files is told from them here: hidden files, empty files, a README. A folder whose files
are versions of one table (Delta Lake, Iceberg, Hudi) is refused, since it also holds deleted and replaced rows.
"""

import re
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import pyarrow.fs

from recsys_model.errors import DataError

COMPRESSION_ENDINGS = (".gz", ".bz2", ".zst", ".lz4")
DOCUMENT_NAMES = re.compile(
    r"(readme|license|licence|notice|changelog|citation|manifest|checksums?)\b.*", re.IGNORECASE
)
DOCUMENT_ENDINGS = frozenset(
    f".{ending}"
    for ending in (
        *("md", "rst", "html", "htm", "pdf", "doc", "docx", "png", "jpg", "jpeg", "svg", "gif", "log", "bib", "lock"),
        *("yaml", "yml", "toml", "cfg", "ini", "py", "ipynb", "sh", "sql", "crc", "md5", "sha256"),
    )
)
LAKEHOUSES = (
    ("Delta Lake", re.compile(r"(^|/)_delta_log(/|$)"), "deltalake.DeltaTable(folder).to_pyarrow_table()"),
    ("Iceberg", re.compile(r"(^|/)metadata/[^/]*\.metadata\.json(\.gz)?$"), "pyiceberg's table.scan().to_arrow()"),
    ("Hudi", re.compile(r"(^|/)\.hoodie(/|$)"), "spark.read.format('hudi').load(folder)"),
)
"""Format, what betrays it among the paths of a folder, and what reads its current version."""
PARTITION = re.compile(r"([^=/]+)=([^/]*)")
NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
WILDCARDS = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Listing:
    """The files below one configured path."""

    paths: tuple[str, ...]
    """Their paths inside the filesystem, in ascending order."""
    root: str
    """The folder below which they were found, or the file."""
    skipped: tuple[str, ...] = ()
    """Names of files that hold no rows: documents and empty files."""


def filesystem_of(path: str) -> tuple[pyarrow.fs.FileSystem, str]:
    """Return the filesystem that a local path or a URI names, and the path inside it."""
    if "://" not in path:
        return pyarrow.fs.LocalFileSystem(), path
    if not has_wildcards(path):
        return pyarrow.fs.FileSystem.from_uri(path)
    location, mark, options = path.partition("?")
    base, pattern = split_pattern(location)
    filesystem, root = pyarrow.fs.FileSystem.from_uri(base + mark + options)
    return filesystem, f"{root.rstrip('/')}/{pattern}"


def list_files(path: str) -> Listing:
    """Return the file itself, all files below a folder, or those that a pattern matches, without hidden ones.

    In a pattern `*` and `?` stand for characters of one name, `[ab]` for one of them, `**` for any folders.

    Raises:
        DataError: the folder is a table of Delta Lake, Iceberg or Hudi.
    """
    filesystem, root = filesystem_of(path)
    info = filesystem.get_file_info(root)
    if info.type == pyarrow.fs.FileType.File:
        return Listing((info.path,), root)
    if info.type == pyarrow.fs.FileType.Directory:
        return _below(filesystem, root, None)
    if not has_wildcards(path):
        return Listing((), root)
    base, pattern = split_pattern(root)
    is_folder = filesystem.get_file_info(base).type == pyarrow.fs.FileType.Directory
    return _below(filesystem, base, to_regex(pattern)) if is_folder else Listing((), base)


def has_wildcards(path: str) -> bool:
    """Whether a path may be a pattern; in a URI `?` starts the options of the filesystem."""
    return not WILDCARDS.isdisjoint(path.partition("?")[0] if "://" in path else path)


def split_pattern(path: str) -> tuple[str, str]:
    """Return the folder before the first wildcard, and the pattern below it.

    Example:
        >>> split_pattern("s3://shop/events/day=*/part-?.csv")
        ('s3://shop/events', 'day=*/part-?.csv')
    """
    parts = path.split("/")
    first = next(index for index, part in enumerate(parts) if has_wildcards(part))
    return "/".join(parts[:first]) or ("/" if path.startswith("/") else "."), "/".join(parts[first:])


def to_regex(pattern: str) -> re.Pattern[str]:
    """Return what the path of a file, or of a folder above it, has to match.

    Example:
        >>> bool(to_regex("**/part-?.csv").fullmatch("a/b/part-1.csv")), bool(to_regex("*.csv").fullmatch("a/b.csv"))
        (True, False)
    """
    pieces = re.split(r"(\*\*/|\*|\?|\[[^\]]*\])", pattern)
    table = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    texts = [table.get(piece) or (_one_of(piece) if piece.startswith("[") else re.escape(piece)) for piece in pieces]
    return re.compile("".join(texts))


def partition_values(path: str, root: str) -> dict[str, str | None]:
    """Return the columns that the folders between `root` and a file give, as Hive and Spark write them.

    Example:
        >>> partition_values("shop/events/day=2019-10-07/part-0.parquet", "shop/events")
        {'day': '2019-10-07'}
    """
    below = path.removeprefix(root.rstrip("/") + "/")
    pairs = [PARTITION.fullmatch(part) for part in below.split("/")[:-1]]
    texts = {pair[1]: urllib.parse.unquote(pair[2]) for pair in pairs if pair}
    return {name: None if text == NULL_PARTITION else text for name, text in texts.items()}


def ending_of(path: str) -> str:
    """Return the ending of a file's name in lower case, without that of a compression."""
    name = PurePosixPath(path)
    if name.suffix.lower() in COMPRESSION_ENDINGS:
        name = name.with_suffix("")
    return name.suffix.lower()


def describe_names(names: Sequence[str], limit: int = 5) -> str:
    """Return some names for a message."""
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def _one_of(piece: str) -> str:
    inner = piece[1:-1].replace("\\", "\\\\").replace("[", "\\[")
    return f"[^{inner[1:]}]" if inner.startswith("!") else f"[{inner}]" if inner else re.escape(piece)


def _below(filesystem: pyarrow.fs.FileSystem, root: str, pattern: re.Pattern[str] | None) -> Listing:
    entries = filesystem.get_file_info(pyarrow.fs.FileSelector(root, recursive=True))
    sizes = {entry.path: entry.size for entry in entries if entry.type == pyarrow.fs.FileType.File}
    below = {path: path.removeprefix(root.rstrip("/") + "/").lstrip("/") for path in sorted(sizes)}
    refuse_lakehouse(root, below.values())
    visible = {path: name for path, name in below.items() if not _is_hidden(name)}
    if pattern is not None:
        visible = {path: name for path, name in visible.items() if _matches(pattern, name)}
    skipped = {path for path, name in visible.items() if sizes[path] == 0 or is_document(name)}
    if skipped == set(visible):
        skipped = {path for path in visible if sizes[path] == 0}
    return Listing(
        paths=tuple(path for path in visible if path not in skipped),
        root=root,
        skipped=tuple(_describe_skipped(name, sizes[path]) for path, name in visible.items() if path in skipped),
    )


def refuse_lakehouse(root: str, names: Iterable[str]) -> None:
    """Raise if the paths below a folder are those of a table format with versions.

    Raises:
        DataError: they are; it names the format and the way out.
    """
    for name in names:
        for kind, mark, reader in LAKEHOUSES:
            if mark.search(name):
                raise DataError(
                    f"{root} is a table of {kind} (it has {name}), whose files also hold rows that were deleted or "
                    f"replaced. Write its current version as Parquet, for example with {reader}, and name that folder"
                )


def is_document(name: str) -> bool:
    """Whether a file is about the data, by its name.

    Example:
        >>> is_document("README.txt"), is_document("events/notes.md"), is_document("events/part-0.txt")
        (True, True, False)
    """
    path = PurePosixPath(name)
    return path.suffix.lower() in DOCUMENT_ENDINGS or (
        DOCUMENT_NAMES.fullmatch(path.stem) is not None and (path.suffix.lower() in ("", ".txt", ".json", ".cff"))
    )


def partitions_of(listing: Listing) -> Mapping[str, Mapping[str, str | None]]:
    """Return path -> columns that its folders give, for the files that have some."""
    values = {path: partition_values(path, listing.root) for path in listing.paths}
    return {path: columns for path, columns in values.items() if columns}


def _matches(pattern: re.Pattern[str], name: str) -> bool:
    """Whether a pattern matches a file or a folder above it."""
    parts = name.split("/")
    return any(pattern.fullmatch("/".join(parts[: index + 1])) for index in range(len(parts)))


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "_")) for part in name.split("/"))


def _describe_skipped(name: str, size: int) -> str:
    return f"{name} (empty)" if size == 0 else name
