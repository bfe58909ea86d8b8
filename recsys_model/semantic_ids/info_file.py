"""MiniOneRec's `info/NAME.txt`: semantic id, title and item id of an item a line, with tabs in between."""

import html
from pathlib import Path

from recsys_model.errors import DataError
from recsys_model.semantic_ids.documents import read_text
from recsys_model.semantic_ids.index import SemanticId, SemanticIndex, split_tokens


def looks_like_info(line: str) -> bool:
    r"""Return whether a first line has a semantic id, a title and an item id.

    >>> looks_like_info("<a_1><b_2><c_3>\tTent\t0"), looks_like_info("B0 <CI1><CI12>")
    (True, False)
    """
    return line.count("\t") > 1 and split_tokens(line.partition("\t")[0]) is not None


def read_info_file(path: Path) -> SemanticIndex:
    """Return the index of an info file; a title may hold tabs.

    Raises:
        DataError: a line is no item.
    """
    rows = [_read_line(path, n, line) for n, line in enumerate(read_text(path).split("\n"), start=1) if line.strip()]
    item_ids = tuple(item_id for _, _, item_id in rows)
    return SemanticIndex(
        source=str(path),
        layout="minionerec",
        why=f"{path.name} has semantic id, title and item id in each line",
        keys=item_ids,
        item_ids=item_ids,
        semantic_ids=tuple(semantic_id for semantic_id, _, _ in rows),
        titles=tuple(html.unescape(title) or None for _, title, _ in rows),
    )


def _read_line(path: Path, number: int, line: str) -> tuple[SemanticId, str, str]:
    text, _, rest = line.rstrip("\r").partition("\t")
    title, tab, item_id = rest.rpartition("\t")
    semantic_id = split_tokens(text.strip())
    if semantic_id is None or not tab or not item_id.strip():
        raise DataError(
            f"{path} line {number} must be a semantic id, a title and an item id with tabs in between, got {line!r}; "
            "a title must not hold a line break"
        )
    return semantic_id, title.strip(), item_id.strip()
