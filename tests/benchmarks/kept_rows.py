"""Rows of a benchmark that is told to go on after a kill: what was measured is kept in a file and not measured again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


class KeptRows:
    """Prints each row as soon as it is there; without a path nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._rows: dict[str, dict[str, Any]] = {}
        if path is not None and path.exists():
            for line in path.read_text().splitlines():
                row = json.loads(line)
                self._rows[row["name"]] = row

    def measure(self, name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return the row `name`, measured unless it is kept, and print it."""
        if name not in self._rows:
            self._rows[name] = {"name": name, **work()}
            if self._path is not None:
                with self._path.open("a") as file:
                    file.write(json.dumps(self._rows[name]) + "\n")
        row = self._rows[name]
        print("  ".join(f"{key}: {_told(value)}" for key, value in row.items()), flush=True)
        return row


def _told(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
