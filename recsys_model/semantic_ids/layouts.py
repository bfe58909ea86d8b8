"""Read an index file of semantic ids; its own marks decide which project it belongs to."""

from pathlib import Path

from recsys_model.errors import ConfigError, DataError
from recsys_model.semantic_ids.documents import read_json_object
from recsys_model.semantic_ids.index import LAYOUT_TITLES, Layout, SemanticIndex
from recsys_model.semantic_ids.index_json import ENDING, read_index_json
from recsys_model.semantic_ids.info_file import looks_like_info, read_info_file
from recsys_model.semantic_ids.pid_maps import looks_like_pid_map, read_pid_json
from recsys_model.semantic_ids.unsupported import SERVED, refuse_codes, refuse_index_suffix, refuse_line

MARKS = (
    'MiniOneRec and LC-Rec: NAME.index.json with {"0": ["<a_1>", "<b_2>", ...], ...}; '
    "MiniOneRec: a .txt file with semantic id, title and item id in each line; "
    "OpenOneRec: a .parquet file with pid and sid, or a JSON map from codes to lists of pid"
)


def read_semantic_index(path: Path, layout: Layout | None = None) -> SemanticIndex:
    """Read an index file of MiniOneRec, LC-Rec or OpenOneRec.

    Args:
        path: The file.
        layout: Decides between MiniOneRec and LC-Rec if the number of levels does not; it must fit any other file.

    Raises:
        ConfigError: the file belongs to a project that cannot be served, or `layout` does not fit it.
        DataError: the file is in no known layout, or damaged.
    """
    if path.is_dir():
        names = sorted(each.name for each in path.iterdir() if each.name.endswith((ENDING, ".parquet")))
        raise DataError(f"{path} is a folder; name its index file: {', '.join(names) or 'it has none'}")
    if not path.is_file():
        raise DataError(f"{path} does not exist; an index file is needed: {MARKS}")
    refuse_index_suffix(path)
    index = _read(path, layout)
    if layout not in (None, index.layout):
        raise ConfigError(
            f"the layout must be {index.layout} ({LAYOUT_TITLES[index.layout]}), got {layout}: {index.why}; leave it out"
        )
    return index


def _read(path: Path, layout: Layout | None) -> SemanticIndex:
    if path.suffix == ".parquet":
        from recsys_model.semantic_ids.pid_parquet import read_pid_parquet  # only these files need pyarrow

        return read_pid_parquet(path)
    if path.suffix == ".json":
        return _read_json(path, layout)
    line = _first_line(path)
    refuse_line(path, line)
    if looks_like_info(line):
        return read_info_file(path)
    raise DataError(f"{path} is in no known layout, its first line is {line[:80]!r}; known are {MARKS}")


def _read_json(path: Path, layout: Layout | None) -> SemanticIndex:
    document = read_json_object(path)
    if not document:
        raise DataError(f"{path} must have at least 1 item, got 0")
    key, value = next(iter(document.items()))
    if looks_like_pid_map(key, value):
        return read_pid_json(path, document)
    refuse_codes(path, key, value)
    if isinstance(value, list):
        return read_index_json(path, document, layout)
    raise DataError(f"{path} is in no known layout, its first entry is {key!r}: {str(value)[:80]}; known are {MARKS}")


def _first_line(path: Path) -> str:
    try:
        with path.open(encoding="utf-8-sig") as file:
            return file.readline().rstrip("\r\n")
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is in no known layout and no UTF-8 text: {error}; {SERVED}") from error
