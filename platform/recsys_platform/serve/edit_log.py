"""The edits of a served catalogue on disk, one JSON line each, so that they outlive the process that keeps them.

The file lies beside the bundle and is named by the bundle's digest: another bundle starts without edits.
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
    """Return where the edits of a bundle are kept.

    Example:
        >>> log_path(Path("/runs/shop/bundle"), "0123456789abcdef0123").as_posix()
        '/runs/shop/catalog_edits/0123456789abcdef.jsonl'
    """
    return bundle.parent / FOLDER_NAME / f"{digest[:DIGEST_CHARACTERS]}.jsonl"


class EditLog:
    """Edits in their order; the file and its folder are made with the first one."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[CatalogEdit]:
        """Return all edits; a line that a crash cut off, which nobody was told of, is taken out of the file.

        Raises:
            CheckpointError: the file holds anything else.
        """
        num_dropped = drop_unfinished_line(self._path)
        if num_dropped > 0:
            logger.warning("%s ends in %d bytes of an unfinished edit; dropped", self._path, num_dropped)
        return [self._edit(number, line) for number, line in enumerate(read_whole_lines(self._path), start=1)]

    def append(self, edit: CatalogEdit) -> None:
        """Write an edit so that it survives a crash of the machine.

        Raises:
            OSError: it cannot be kept; the file is as before.
        """
        added = [
            [item.item_id, item.title, item.text, list(item.token_ids), list(item.field_token_ids)]
            for item in edit.added
        ]
        append_json_line(self._path, {"id": edit.edit_id, "removed": edit.removed, "added": added})

    def _edit(self, number: int, line: bytes) -> CatalogEdit:
        try:
            document: Any = json.loads(line)
            # lines of versions before entity heads have no fields
            added = (
                CatalogItem(item_id, title, text, tuple(tokens), *map(tuple, fields))
                for item_id, title, text, tokens, *fields in document["added"]
            )
            return CatalogEdit(
                removed=tuple(document["removed"]), added=tuple(added), edit_id=str(document.get("id", ""))
            )
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"{self._path}:{number} is no edit of a catalogue: {error!r}; restore the file, or move it away to "
                "serve the bundle without edits"
            ) from error
