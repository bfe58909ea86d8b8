"""Read text and JSON files with errors that name the file and what is wrong in it."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from recsys_model.errors import DataError


def read_text(path: Path) -> str:
    """Return the content of a UTF-8 file; a byte order mark is left out.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as UTF-8 text: {error}") from error


def read_json_object(path: Path) -> dict[str, Any]:
    """Return the JSON object of a file.

    Raises:
        DataError: the file is no JSON, holds no object, or names a key twice, of which JSON keeps only the last.
    """
    try:
        document = json.loads(read_text(path), object_pairs_hook=_without_repeated_keys)
    except ValueError as error:
        raise DataError(f"{path} must be one JSON document: {error}") from error
    if not isinstance(document, dict):
        raise DataError(f"{path} must hold a JSON object, got {type(document).__name__}")
    return document


def _without_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        key, number = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"a key may occur once, {key!r} occurs {number} times")
    return document
