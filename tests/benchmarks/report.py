"""Print each row of a benchmark as it is measured, and keep all rows in a JSON file that is complete after every row."""

import importlib.metadata
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

from tests.benchmarks.pairs import HEAD, Row, interval_of_median

PACKAGES = ("torch", "transformers", "ray", "polars", "tokenizers", "pygtrie")
"""Whose versions are told."""


class Report:
    """Prints and keeps rows, section by section; sections that the file has whole are printed and not run again.

    A file of other settings is begun anew.
    """

    def __init__(self, path: Path | None, settings: dict[str, Any]) -> None:
        self._path = path
        self._document: dict[str, Any] = {"settings": settings, "machine": machine(), "sections": {}}
        if path is not None and path.is_file():
            document = json.loads(path.read_text(encoding="utf-8"))
            if document["settings"] == settings:
                self._document["sections"] = {
                    key: kept for key, kept in document["sections"].items() if kept["seconds"]
                }
        print(f"{self._document['machine']}\n\n{_line(HEAD)}\n{_line(['---'] * len(HEAD))}", flush=True)

    def measure(self, section: str, work: Callable[[], Iterable[Row]]) -> None:
        """Print the rows of a section as they come, and write the file after each."""
        sections = self._document["sections"]
        if section in sections:
            for row in sections[section]["rows"]:
                print(_line(row["cells"]), flush=True)
            return
        started = time.monotonic()
        sections[section] = {"seconds": None, "rows": []}
        for row in work():
            print(_line(row.cells()), flush=True)
            sections[section]["rows"].append(as_json(row))
            self._write()
        sections[section]["seconds"] = round(time.monotonic() - started, 1)
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
    names = [line.partition(":")[2].strip() for line in _cpu_lines() if line.startswith("model name")]
    versions = [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES if _is_installed(name)]
    processor = names[0] if names else platform.machine()
    return f"{processor}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, {', '.join(versions)}"


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _line(cells: list[str] | tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"
