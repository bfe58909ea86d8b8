"""The log of catalogue edits on disk, one JSON line per edit; it survives a restart of the endpoint.

The file is next to the bundle and carries the bundle's digest in its name, so another bundle starts without edits.
"""

import json
import logging
from pathlib import Path
from typing import Any

from recsys_model.entities.catalog import CatalogItem
from recsys_model.entities.live_catalog import CatalogEdit
from recsys_model.errors import CheckpointError
from recsys_platform.json_lines import append_json_line, drop_unfinished_line, read_whole_lines

logger = logging.getLogger(__name__)

FOLDER_NAME = "catalog_edits"
DIGEST_CHARACTERS = 16


def log_path(bundle: Path, digest: str) -> Path:
    """Return the path of the edit log of a bundle.

    Example:
        >>> log_path(Path("/runs/shop/bundle"), "0123456789abcdef0123").as_posix()
        '/runs/shop/catalog_edits/0123456789abcdef.jsonl'
    """
    return bundle.parent / FOLDER_NAME / f"{digest[:DIGEST_CHARACTERS]}.jsonl"


class EditLog:
    """Edits in order. The first edit creates the file and its folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[CatalogEdit]:
        """Return all edits, and remove an incomplete last line from the file.

        A crash during a write leaves such a line. Its edit was never confirmed to a client.

        Raises:
            CheckpointError: A line is not an edit.
        """
        num_dropped = drop_unfinished_line(self._path)
        if num_dropped > 0:
            logger.warning("%s ended with %d bytes of an incomplete edit; removed them", self._path, num_dropped)
        return [self._edit(number, line) for number, line in enumerate(read_whole_lines(self._path), start=1)]

    def append(self, edit: CatalogEdit) -> None:
        """Write an edit durably (fsync).

        Raises:
            OSError: The edit cannot be written; the file is unchanged.
        """
        added = [
            [item.item_id, item.title, item.text, list(item.token_ids), list(item.field_token_ids)]
            for item in edit.added
        ]
        cells = {"cells": dict(edit.cells)} if edit.cells else {}
        append_json_line(self._path, {"id": edit.edit_id, "removed": edit.removed, "added": added, **cells})

    def _edit(self, number: int, line: bytes) -> CatalogEdit:
        try:
            document: Any = json.loads(line)
            # lines written before entity heads existed have no field tokens
            added = (
                CatalogItem(item_id, title, text, tuple(tokens), *map(tuple, fields))
                for item_id, title, text, tokens, *fields in document["added"]
            )
            return CatalogEdit(
                removed=tuple(document["removed"]),
                added=tuple(added),
                cells=tuple((str(item_id), dict(cells)) for item_id, cells in document.get("cells", {}).items()),
                edit_id=str(document.get("id", "")),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"{self._path}:{number} is not an edit of a catalogue: {error!r}; restore the file, or move it away to "
                "serve the bundle without edits"
            ) from error
