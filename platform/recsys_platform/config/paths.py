"""Paths of a run file: local ones become absolute, `~` is expanded, and `{storage}` replaced."""

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from recsys_model.errors import ConfigError
from recsys_platform.config.input import InputConfig, TableConfig


@dataclass(frozen=True, slots=True)
class Paths:
    """Resolves the paths of one run; those in object storage, with `://`, stay."""

    storage: str
    """Absolute path that `{storage}` stands for."""

    @overload
    def of(self, path: str, key: str) -> str: ...

    @overload
    def of(self, path: None, key: str) -> None: ...

    @overload
    def of(self, path: str | None, key: str) -> str | None: ...

    def of(self, path: str | None, key: str) -> str | None:
        """Return the absolute path of the setting `key`, None where it is not set."""
        if path is None or "://" in path:
            return path
        return absolute(path.replace("{storage}", self.storage), key)

    def of_table(self, table: TableConfig, key: str) -> TableConfig:
        """Return a table whose paths are absolute."""
        further = tuple(self.of(path, f"{key}.further_paths") for path in table.further_paths)
        return dataclasses.replace(table, path=self.of(table.path, f"{key}.path"), further_paths=further)

    def of_tables(self, tables: InputConfig) -> InputConfig:
        """Return input settings whose paths are absolute."""
        items = tables.items
        return dataclasses.replace(
            tables,
            interactions=self.of_table(tables.interactions, "input.interactions"),
            items=self.of_table(items, "input.items") if isinstance(items, TableConfig) else items,
            users=None if tables.users is None else self.of_table(tables.users, "input.users"),
            folder=self.of(tables.folder, "input.folder"),
        )


def absolute(path: str, key: str) -> str:
    """Return the absolute form of a local path, `~` expanded.

    Raises:
        ConfigError: `key` is `storage` and the path is relative inside a Ray job, whose working directory is temporary.
    """
    expanded = Path(path).expanduser()
    if not expanded.is_absolute() and key == "storage" and "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ:
        raise ConfigError(
            f"storage must be an absolute path inside a Ray job, got {path!r}: the job runs in a temporary copy "
            "of the working directory, and what it writes there is lost"
        )
    return str(expanded.absolute())
