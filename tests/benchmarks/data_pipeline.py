"""Time the data stage on copies of Amazon Beauty, against polars in one process and against `map_groups`.

    python -m tests.benchmarks.data_pipeline [--copies 50] [--repetitions 5] [--out FOLDER] [--json FILE] [--quick]

Rows per second exclude the fixed start: two sizes are measured, and the difference of rows is divided by that of seconds.
Each measurement is written next to FILE or in FOLDER; after an interruption the same command continues.
The alternatives omit other work of the stage: checking rows, writing interactions, the search for leaks.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.beauty_copies import BEAUTY, write_copies
from tests.benchmarks.pairs import Row
from tests.benchmarks.report import Report

Measured = dict[str, Any]
Sizes = dict[str, tuple[float, float]]
"""Method -> a small and a large number of copies."""
ALTERNATIVES = {
    "polars": "polars and tokenizers in one process",
    "map_groups": "ray.data groupby().map_groups()",
}
MICROSECONDS = 1e6
SPREAD = 25
"""Times as many copies are large as small."""
MAX_SECONDS = 1740
"""No further repetition begins after so long."""


def main() -> None:
    """Measure what is not measured yet, and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--copies", type=int, default=50)
    parser.add_argument("--quick", action="store_true", help="4 copies, one repetition, without map_groups")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--data", type=Path, default=BEAUTY)
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "recsys-data-pipeline")
    parser.add_argument("--json", type=Path, help="keeps the rows")
    options = parser.parse_args()
    copies, repetitions = (4, 1) if options.quick else (options.copies, options.repetitions)
    large = (max(1, copies // SPREAD), copies)
    sizes: Sizes = {"stage": large, "polars": large}
    if not options.quick:
        sizes["map_groups"] = (0.01, 0.6)
    log = options.out / "measured.jsonl" if options.json is None else options.json.with_suffix(".jsonl")
    measuring = Measuring(options.out, options.data, log)
    for repetition in range(repetitions):
        if repetition and time.monotonic() - measuring.started > MAX_SECONDS:
            break
        # in turn, so that what else the machine does slows all of them
        for position in range(2):
            for method, both in sizes.items():
                measuring.run(method, float(both[position]), repetition)
    report = Report(options.json, {"copies": copies, "rows": len(measuring.rows)})
    report.measure("rows", lambda: rows_of(measuring.rows, sizes))


class Measuring:
    """Runs measurements in processes of their own and remembers them."""

    def __init__(self, out: Path, data: Path, log: Path) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self.started = time.monotonic()
        """When it began."""
        self._out = out
        self._data = data
        self._log = log
        self.rows: list[Measured] = []
        """What was measured so far."""
        if self._log.is_file():
            self.rows = [json.loads(line) for line in self._log.read_text().splitlines()]

    def run(self, method: str, copies: float, repetition: int) -> None:
        """Measure one method on so many copies, unless the file has the row already."""
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


def rows_of(measured: list[Measured], sizes: Sizes) -> Iterator[Row]:
    """Yield time a row beyond the fixed start, and memory."""
    costs = {method: costs_of(measured, method, *both) for method, both in sizes.items()}
    small, large = sizes["stage"]
    digests = [{row["digest"] for row in measured if row["copies"] == size} for size in (small, large)]
    for method, alternative in ALTERNATIVES.items():
        if method not in sizes:
            continue
        count = min(len(costs["stage"]), len(costs[method]))
        ours, others = costs["stage"][:count], costs[method][:count]
        rates = [f"{MICROSECONDS / statistics.median(found):,.0f}" for found in (ours, others)]
        note = f"{rates[0]} against {rates[1]} rows/s"
        if method == "polars":
            note += f"; the same bytes: {all(len(found) == 1 for found in digests)}"
        else:
            note += f" (of {sizes[method][0]:g} and {sizes[method][1]:g} copies)"
        yield Row(
            work=f"data stage, Beauty x {large:g}: a further row",
            alternative=alternative,
            ours=ours,
            others=others,
            unit="µs",
            note=note,
        )
    for size in (small, large):
        ours, others = (peaks_of(measured, method, size) for method in ("stage", "polars"))
        yield Row(
            work=f"data stage, Beauty x {size:g}: most memory",
            alternative=ALTERNATIVES["polars"],
            ours=ours,
            others=others,
            unit="MiB",
        )


def costs_of(measured: list[Measured], method: str, small: float, large: float) -> list[float]:
    """Return the microseconds of a row beyond the fixed start, one of each repetition that has both sizes."""
    key_to_row = {(row["copies"], row["repetition"]): row for row in measured if row["method"] == method}
    repetitions = sorted(r for copies, r in key_to_row if copies == large and (small, r) in key_to_row)
    both = [(key_to_row[small, r], key_to_row[large, r]) for r in repetitions]
    return [MICROSECONDS * (b["seconds"] - a["seconds"]) / (b["rows"] - a["rows"]) for a, b in both]


def peaks_of(measured: list[Measured], method: str, copies: float) -> list[float]:
    """Return the most memory held in each repetition, in MiB."""
    return [row["peak_mib"] for row in measured if (row["method"], row["copies"]) == (method, copies)]


if __name__ == "__main__":
    main()
