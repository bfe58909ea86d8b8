"""The log of requests: one JSON line each, without a user's data unless it is asked for."""

import itertools
import json
import logging
import logging.handlers
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

LogPlace = Literal["file", "stderr", "off"]
FILE_BYTES, NUM_OLD_FILES = 50_000_000, 4
_count = itertools.count()


class RequestLog:
    """Writes lines of JSON to a file that is rotated, or to standard error."""

    def __init__(self, handler: logging.Handler) -> None:
        # a logger of its own: the handlers of Ray and of the program must not write the lines again
        self._logger = logging.getLogger(f"{__name__}.{next(_count)}")
        self._logger.propagate = False
        self._logger.setLevel(logging.INFO)
        handler.setFormatter(logging.Formatter("%(message)s"))
        self._logger.addHandler(handler)

    def write(self, line: Mapping[str, Any]) -> None:
        """Write one line; a disk that is full costs the line, not the request."""
        self._logger.info("%s", json.dumps(line, ensure_ascii=False))


def open_request_log(place: LogPlace, folder: Path) -> RequestLog | None:
    """Return the log at a place, or None if it is off; a file lies in `folder` and has the process id in its name."""
    if place == "off":
        return None
    if place == "stderr":
        return RequestLog(logging.StreamHandler(sys.stderr))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"requests_{os.getpid()}.jsonl"
    return RequestLog(
        logging.handlers.RotatingFileHandler(path, maxBytes=FILE_BYTES, backupCount=NUM_OLD_FILES, encoding="utf-8")
    )
