"""Runs every benchmark in turn: `python -m tests.benchmarks [--quick] [--only NAME ...] [--out FOLDER]`.

Each one is a process of its own, whose rows appear as they are measured; its JSON file lies in the folder. What lacks its
data or its module is skipped with a line that says so, and a failure of one does not keep the others from running.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

STORAGE = Path("~/recsys-runs").expanduser()
BEAUTY = STORAGE / "beauty"
OUT = STORAGE / "benchmarks"
AMAZON_BEAUTY = Path("../shared/data/amazon_beauty")
"""Or as `--data` of `data_pipeline` says."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Benchmark:
    """One module of this folder and how it is called."""

    module: str
    """Name in this folder; skipped where it does not exist."""
    arguments: tuple[str, ...] = ()
    """Always given."""
    full: tuple[str, ...] = ()
    """Given without `--quick`."""
    quick: tuple[str, ...] | None = ("--quick",)
    """Given with `--quick`; None leaves the benchmark out then."""
    needs: tuple[Path, ...] = ()
    """Files and folders without which it cannot run."""
    json_option: str | None = "--json"
    """Option that takes the file for the numbers; None if it has none."""
    minutes: int = 15
    """It is stopped after so long."""


BENCHMARKS = (
    Benchmark(
        module="generation",
        arguments=(str(BEAUTY / "dataset"), "--checkpoint", str(BEAUTY / "checkpoint")),
        full=("--plots", str(OUT / "plots")),
        needs=(BEAUTY / "dataset" / "manifest.json", BEAUTY / "checkpoint" / "manifest.json"),
        minutes=25,
    ),
    Benchmark(
        module="training_step",
        arguments=(str(BEAUTY / "dataset"),),
        needs=(BEAUTY / "dataset" / "manifest.json",),
    ),
    Benchmark(module="data_pipeline", needs=(AMAZON_BEAUTY,)),
    Benchmark(module="catalogue_edits"),
    Benchmark(module="serving_overhead"),
    Benchmark(module="infilling_examples", json_option=None),
)
"""In the order in which they are run. `smollm2_beauty` trains models for 40 minutes and is called by itself."""


def main() -> int:
    """Run them; return how many failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes, few repetitions")
    parser.add_argument("--only", nargs="+", metavar="NAME")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    outcomes = {
        benchmark.module: _run(benchmark, options)
        for benchmark in BENCHMARKS
        if options.only is None or benchmark.module in options.only
    }
    print("\n" + "\n".join(f"{module}: {outcome}" for module, outcome in outcomes.items()))
    name = "outcomes-quick.json" if options.quick else "outcomes.json"
    (options.out / name).write_text(json.dumps(outcomes, indent=1) + "\n", encoding="utf-8")
    return sum(outcome.startswith("failed") for outcome in outcomes.values())


def _run(benchmark: Benchmark, options: argparse.Namespace) -> str:
    """Run one in a process of its own and say how it went."""
    reason = _reason_to_skip(benchmark, quick=options.quick)
    print(f"\n## {benchmark.module}" + (f"\n\nskipped: {reason}" if reason else "\n"), flush=True)
    if reason:
        return f"skipped: {reason}"
    further = benchmark.quick if options.quick else benchmark.full
    command = [sys.executable, "-m", f"tests.benchmarks.{benchmark.module}", *benchmark.arguments, *(further or ())]
    if benchmark.json_option is not None:
        suffix = "-quick" if options.quick else ""
        command += [benchmark.json_option, str(options.out / f"{benchmark.module}{suffix}.json")]
    start = time.monotonic()
    try:
        code = subprocess.run(command, check=False, timeout=60 * benchmark.minutes).returncode
    except subprocess.TimeoutExpired:
        return f"failed: stopped after {benchmark.minutes} minutes"
    seconds = time.monotonic() - start
    return f"done in {seconds:.0f} s" if code == 0 else f"failed with exit status {code} after {seconds:.0f} s"


def _reason_to_skip(benchmark: Benchmark, *, quick: bool) -> str | None:
    if importlib.util.find_spec(f"tests.benchmarks.{benchmark.module}") is None:
        return f"tests/benchmarks/{benchmark.module}.py does not exist"
    missing = [str(path) for path in benchmark.needs if not path.exists()]
    if missing:
        hint = "; run the stages of ray_configs/laptop/beauty.yaml first" if missing[0].startswith(str(STORAGE)) else ""
        return f"{missing[0]} does not exist{hint}"
    return "too long for --quick" if quick and benchmark.quick is None else None


if __name__ == "__main__":
    sys.exit(main())
