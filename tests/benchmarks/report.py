"""Rows of a benchmark: printed as each is measured, and kept in a JSON file that is whole after every row."""

import json
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import torch

from tests.benchmarks.pairs import HEAD, Row, interval_of_median


class Report:
    """Prints and keeps rows, section by section; with `resume` sections that the file has whole are not run again."""

    def __init__(self, path: Path | None, settings: dict[str, Any], *, resume: bool = False) -> None:
        self._path = path
        self._document: dict[str, Any] = {"settings": settings, "machine": machine(), "sections": {}}
        if resume and path is not None and path.is_file():
            found = json.loads(path.read_text(encoding="utf-8"))
            if found["settings"] == settings:
                self._document["sections"] = {key: kept for key, kept in found["sections"].items() if kept["seconds"]}
        print(f"{self._document['machine']}\n\n{_line(HEAD)}\n{_line(['---'] * len(HEAD))}", flush=True)
        self._section = ""
        self._started = 0.0

    def begin(self, section: str) -> bool:
        """Start a section; false if it was measured before, and then print what it had."""
        kept = self._document["sections"].get(section)
        if kept is not None:
            for row in kept["rows"]:
                print(_line(row["cells"]), flush=True)
            return False
        self._section, self._started = section, time.monotonic()
        self._document["sections"][section] = {"seconds": None, "rows": []}
        return True

    def add(self, row: Row) -> None:
        """Print a row and write the file."""
        print(_line(row.cells()), flush=True)
        self._document["sections"][self._section]["rows"].append(as_json(row))
        self._write()

    def end(self) -> None:
        """Note that the section is whole."""
        self._document["sections"][self._section]["seconds"] = round(time.monotonic() - self._started, 1)
        self._write()

    def _write(self) -> None:
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_suffix(".new")
        partial.write_text(json.dumps(self._document, indent=1) + "\n", encoding="utf-8")
        partial.rename(self._path)


def as_json(row: Row) -> dict[str, Any]:
    """Return what a row says and every number behind it."""
    document = {
        "work": row.work,
        "alternative": row.alternative,
        "unit": row.unit,
        "note": row.note,
        "ours": row.ours,
        "others": row.others,
        "cells": row.cells(),
    }
    if row.others:
        low, high = interval_of_median(row.ratios)
        document |= {"ratio": statistics.median(row.ratios), "ratio_low": low, "ratio_high": high}
    return document


def machine() -> str:
    """Say on what was measured."""
    return f"{platform.machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads"


def _line(cells: list[str] | tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"
