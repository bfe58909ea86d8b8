"""Times the data stage on copies of Amazon Beauty, against polars in one process and against `map_groups`.

Run from the root of the project: python -m tests.benchmarks.data_pipeline [--copies 50] [--quick] [--out FOLDER]

Rows a second are those beyond the fixed start: two sizes, and the difference of rows over that of seconds. Every
measurement is printed and kept in FOLDER/measured.jsonl as it is made; the same command goes on after a kill.
The alternatives leave out what the stage does besides: judging every row, writing the interactions, looking for leaks.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.beauty_copies import BEAUTY, write_copies
from tests.benchmarks.pairs import interval_of_median

Measured = dict[str, Any]
METHODS = ("stage", "polars")
MAX_SECONDS = 660
"""No further repetition begins after so long."""


def main() -> None:
    """Measure what is not measured yet, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", type=int, default=50)
    parser.add_argument("--quick", action="store_true", help="2 copies, one repetition")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--data", type=Path, default=BEAUTY)
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "recsys-data-pipeline")
    options = parser.parse_args()
    copies, repetitions = (2, 1) if options.quick else (options.copies, options.repetitions)
    sizes = (max(1, copies // 10), copies)
    measure = Measuring(options.out, options.data)
    for repetition in range(repetitions):
        if repetition and time.monotonic() - measure.started > MAX_SECONDS:
            break
        # in turn, so that what else the machine does slows all of them
        for size in sizes:
            for method in METHODS:
                measure.run(method, float(size), repetition)
    for share in (0.02, 0.06) if options.quick else (0.05, 0.2):
        measure.run("map_groups", share, 0)
    print(report(measure.rows, sizes))


class Measuring:
    """Runs measurements in processes of their own and remembers them."""

    def __init__(self, out: Path, data: Path) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self.started = time.monotonic()
        """When it began."""
        self._out = out
        self._data = data
        self._log = out / "measured.jsonl"
        self.rows: list[Measured] = []
        """What was measured so far."""
        if self._log.is_file():
            self.rows = [json.loads(line) for line in self._log.read_text().splitlines()]

    def run(self, method: str, copies: float, repetition: int) -> None:
        """Measure one method on so many copies, unless that is known."""
        key = {"method": method, "copies": copies, "repetition": repetition}
        if any(key.items() <= row.items() for row in self.rows):
            return
        table = write_copies(self._data, self._out, copies)
        result = self._out / "result.json"
        result.unlink(missing_ok=True)
        call = [sys.executable, "-m", "tests.benchmarks.data_methods", method, table, self._data, self._out, result]
        with (self._out / f"{method}.log").open("a") as log:
            subprocess.run([str(part) for part in call], check=True, stdout=log, stderr=log)
        row = key | json.loads(result.read_text())
        self.rows.append(row)
        with self._log.open("a") as log:
            log.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)


def report(rows: list[Measured], sizes: tuple[int, int]) -> str:
    """Return rows a second, ratios and memory in words."""
    small, large = sizes
    ours, others = (slopes(rows, method, small, large) for method in METHODS)
    shares = sorted({row["copies"] for row in rows if row["method"] == "map_groups"})
    (grouped,) = slopes(rows, "map_groups", shares[0], shares[-1])
    ratios = [own / other for own, other in zip(ours, others, strict=True)]
    low, high = interval_of_median(ratios)
    lines = [
        f"rows/s beyond the start: stage {statistics.median(ours):,.0f}, polars {statistics.median(others):,.0f}, "
        f"map_groups {grouped:,.0f} (on {shares[0]:g} and {shares[-1]:g} copies)",
        f"stage / polars: {statistics.median(ratios):.2f} [{low:.2f}, {high:.2f}] over {len(ratios)} repetitions",
        f"stage / map_groups: {statistics.median(ours) / grouped:.1f}",
    ]
    for method in METHODS:
        peaks = ", ".join(f"{peak(rows, method, size):,.0f} MiB at {size} copies" for size in sizes)
        lines.append(f"peak memory, {method}: {peaks}")
    digests = [{row["digest"] for row in rows if row["copies"] == size and row["method"] in METHODS} for size in sizes]
    lines.append(f"the same bytes: {all(len(found) == 1 for found in digests)}")
    return "\n".join(lines)


def slopes(rows: list[Measured], method: str, small: float, large: float) -> list[float]:
    """Return the rows a second beyond the fixed start, one of each repetition that has both sizes."""
    known = {(row["copies"], row["repetition"]): row for row in rows if row["method"] == method}
    repetitions = sorted(r for copies, r in known if copies == large and (small, r) in known)
    pairs = [(known[small, r], known[large, r]) for r in repetitions]
    return [(b["rows"] - a["rows"]) / (b["seconds"] - a["seconds"]) for a, b in pairs]


def peak(rows: list[Measured], method: str, copies: float) -> float:
    """Return the median of the most memory held, in MiB."""
    return statistics.median(row["peak_mib"] for row in rows if (row["method"], row["copies"]) == (method, copies))


if __name__ == "__main__":
    main()
