"""The file of API keys: JSON that `recsys keys` writes and that a running endpoint reads again when it changes."""

import dataclasses
import json
import logging
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from recsys_model.config import require
from recsys_model.errors import ConfigError
from recsys_platform.config.strict import build_section
from recsys_platform.serve.gate.keys import ApiKey, check_names

logger = logging.getLogger(__name__)

KEYS_VARIABLE = "RECSYS_KEYS"
"""Environment variable that may hold the content of a file of keys."""
CREATE = "make one with `recsys keys create FILE --name NAME --scope read`"
CHECK_INTERVAL_S = 1.0
"""How often a running endpoint looks whether its file of keys has changed."""


class KeySource(Protocol):
    """Where the keys come from."""

    def current(self) -> Sequence[ApiKey]:
        """Return the keys that are valid now."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class FixedKeys:
    """Keys that do not change while the endpoint runs."""

    keys: tuple[ApiKey, ...]

    def current(self) -> Sequence[ApiKey]:
        """Return the keys."""
        return self.keys


class WatchedKeyFile:
    """The keys of a file, read again when the file changes."""

    def __init__(self, path: Path, interval_s: float = CHECK_INTERVAL_S) -> None:
        """Read the file.

        Raises:
            ConfigError: The file cannot be read or is not valid.
        """
        self._path = path
        self._interval_s = interval_s
        self._stamp = _stamp_of(path)
        self._keys = read_keys(path)
        self._checked_at = time.monotonic()

    def current(self) -> Sequence[ApiKey]:
        """Return the keys of the file; those read last while it is damaged, none once it is gone."""
        now = time.monotonic()
        if now - self._checked_at >= self._interval_s:
            self._checked_at = now
            self._look()
        return self._keys

    def _look(self) -> None:
        stamp = _stamp_of(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        if stamp is None:
            self._keys = ()
            logger.error("%s is gone: every key is refused until it is back", self._path)
            return
        try:
            self._keys = read_keys(self._path)
        except ConfigError as error:
            # not refusing all: an editor that writes in two steps must not take the shop down
            logger.error("the keys stay as they were: %s", error)
        else:
            logger.warning("%s has changed: %d keys are valid", self._path, len(self._keys))


def read_keys(path: Path) -> tuple[ApiKey, ...]:
    """Return the keys of a file.

    Raises:
        ConfigError: The file cannot be read, is not JSON, or a key is not valid.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the file of keys {path} cannot be read: {error}; {CREATE}") from error
    return parse_keys(text, str(path))


def parse_keys(text: str, source: str) -> tuple[ApiKey, ...]:
    """Return the keys in the content of a file of keys; errors name `source` as its place.

    Raises:
        ConfigError: The text is not JSON, or a key is not valid.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{source} is not JSON: {error}; {CREATE}") from error
    entries = document.get("keys") if isinstance(document, Mapping) else None
    is_list = isinstance(entries, list) and all(isinstance(each, Mapping) for each in entries)
    require(is_list and set(document) == {"keys"}, f'{source} must hold {{"keys": [...]}} with objects; {CREATE}')
    keys = tuple(build_section(ApiKey, each, f"{source}, key {place}") for place, each in enumerate(entries or [], 1))
    check_names(keys, source)
    return keys


def write_keys(path: Path, keys: Sequence[ApiKey]) -> None:
    """Replace the file as one step; only its owner may read it.

    Raises:
        ConfigError: Two keys share a name, or the file cannot be written.
    """
    check_names(keys, str(path))
    content = json.dumps({"keys": [_entry_of(key) for key in keys]}, indent=2) + "\n"
    try:
        # mkstemp makes files of mode 600
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
        Path(partial).replace(path)
    except OSError as error:
        raise ConfigError(f"the file of keys {path} cannot be written: {error}") from error


def _entry_of(key: ApiKey) -> dict[str, Any]:
    return {name: value for name, value in dataclasses.asdict(key).items() if value is not None}


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    """Return what changes with the content of a file, also one that is replaced behind a link; None if it is gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
