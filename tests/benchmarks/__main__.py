"""Run all benchmarks: `python -m tests.benchmarks [--quick] [--only NAME ...] [--out FOLDER] [--resume]`.

Each benchmark is a process of its own. Benchmarks with one thread run two at a time, one per core; those that use the
whole machine run one by one. Each measured row is printed on stderr, whole tables on stdout at the end; the folder has
numbers and logs. A benchmark without its data or module is skipped with a message. If one fails, the others still run.
An existing Amazon Beauty run of the user is used; without one, dataset and weights (two minutes of training) are built
in the folder.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.beauty_copies import BEAUTY as TABLES

STORAGE = Path("~/recsys-runs").expanduser()
OUT = STORAGE / "benchmarks"
CONFIG = Path("tests/benchmarks/beauty_tokens.yaml")
DATASET = "{beauty}/dataset"
SEARCH_SECTIONS = ("requests", "passes", "memory", "step", "returning", "exact")
SIZE_SECTIONS = ("misses", "ranking", "trie", "growth")
PROXIES = ("ray-proxy", "ray-haproxy")
TRAINED_MINUTES = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Benchmark:
    """One module of this folder and how it is called; `{beauty}` and `{out}` stand for folders."""

    name: str
    module: str = ""
    """Name in this folder, where it is another."""
    arguments: tuple[str, ...] = ()
    """Always given."""
    full: tuple[str, ...] = ()
    """Given without `--quick`."""
    quick: tuple[str, ...] | None = ("--quick",)
    """Given with `--quick`; None leaves the benchmark out then."""
    needs_beauty: bool = False
    """Whether it reads the dataset."""
    needs_tables: bool = False
    """Whether it reads the tables that the dataset is made of."""
    json_option: str | None = "--json"
    """Option that takes the file for the numbers; None if it has none."""
    alone: bool = False
    """Whether it uses more than one core."""
    minutes: int = 40
    """It is stopped after so long."""


BENCHMARKS = (
    Benchmark(
        name="smollm2",
        module="generation",
        arguments=("{beauty}", "--only", "smollm2", "--smollm2", "{out}/smollm2-135m"),
        quick=None,
        needs_beauty=True,
    ),
    Benchmark(
        name="generation_sizes",
        module="generation",
        arguments=("{beauty}",),
        full=("--plots", "{out}/plots", "--only", *SIZE_SECTIONS),
        quick=("--quick", "--only", "trie"),
        needs_beauty=True,
    ),
    Benchmark(name="training_step", arguments=(DATASET,), needs_beauty=True),
    Benchmark(
        name="generation",
        arguments=("{beauty}",),
        full=("--only", *SEARCH_SECTIONS),
        quick=("--quick", "--only", *SEARCH_SECTIONS),
        needs_beauty=True,
    ),
    Benchmark(
        name="catalogue_edits",
        arguments=("--dataset", DATASET),
        full=("--titles", "100000"),
        needs_beauty=True,
    ),
    Benchmark(name="infilling_examples", json_option=None),
    Benchmark(name="data_pipeline", arguments=("--out", "{out}/data_pipeline"), needs_tables=True, alone=True),
    Benchmark(
        name="data_shuffle", arguments=("--out", "{out}/data_pipeline"), quick=None, needs_tables=True, alone=True
    ),
    Benchmark(name="serving_overhead", full=("--only", *PROXIES), quick=None, alone=True),
)
"""In the order in which they are begun, the longest first. Called by themselves, since they take long: `sasrec`,
which trains for an hour, `smollm2_beauty`, which trains models for 40 minutes, `generation --only smollm2
--smollm2-together`, in which the alternative takes 18 minutes a call, `catalogue_edits` of a million titles and `serving_overhead` of every way to serve."""


class Runs:
    """The benchmarks of one call."""

    def __init__(self, out: Path, beauty: Path | None, *, quick: bool, resume: bool) -> None:
        """`beauty` has a dataset, and a checkpoint unless `quick`."""
        self._folders = {"beauty": str(beauty), "out": str(out)}
        self._out, self._beauty, self._quick, self._resume = out, beauty, quick, resume
        self._printing = threading.Lock()

    def run(self, benchmark: Benchmark) -> str:
        """Run one in a process of its own and say how it went."""
        reason = self._reason_to_skip(benchmark)
        if reason:
            return f"skipped: {reason}"
        self._tell(benchmark, "begins")
        start = time.monotonic()
        with self.log(benchmark).open("w", encoding="utf-8") as log:
            process = subprocess.Popen(
                self._command(benchmark),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env={**os.environ, "TQDM_DISABLE": "1"},  # the log is a table
            )
            # the output ends with the process, which the timer ends where it takes too long
            timer = threading.Timer(60 * benchmark.minutes, process.kill)
            timer.start()
            for line in process.stdout or ():
                log.write(line)
                log.flush()
                self._tell(benchmark, line.rstrip())
            code = process.wait()
            in_time = timer.is_alive()
            timer.cancel()
        seconds = time.monotonic() - start
        if not in_time:
            return f"failed: stopped after {benchmark.minutes} minutes"
        return f"done in {seconds:.0f} s" if code == 0 else f"failed with exit status {code} after {seconds:.0f} s"

    def log(self, benchmark: Benchmark) -> Path:
        """Return the file of what it printed."""
        return self._out / f"{self._stem(benchmark)}.log"

    def _stem(self, benchmark: Benchmark) -> str:
        return f"{benchmark.name}-quick" if self._quick else benchmark.name

    def _command(self, benchmark: Benchmark) -> list[str]:
        further = benchmark.quick if self._quick else benchmark.full
        arguments = [text.format(**self._folders) for text in (*benchmark.arguments, *(further or ()))]
        if benchmark.json_option is not None:
            file = self._out / f"{self._stem(benchmark)}.json"
            if not self._resume:
                for kept in (file, file.with_suffix(".jsonl")):
                    kept.unlink(missing_ok=True)
            arguments += [benchmark.json_option, str(file)]
        return [sys.executable, "-u", "-m", f"tests.benchmarks.{benchmark.module or benchmark.name}", *arguments]

    def _reason_to_skip(self, benchmark: Benchmark) -> str | None:
        module = benchmark.module or benchmark.name
        if importlib.util.find_spec(f"tests.benchmarks.{module}") is None:
            return f"tests/benchmarks/{module}.py does not exist"
        if self._quick and benchmark.quick is None:
            return "too long for --quick"
        if benchmark.needs_beauty and self._beauty is None:
            return f"neither {STORAGE / 'beauty-tokens'} nor the tables in {TABLES} are there"
        if benchmark.needs_tables and not TABLES.is_dir():
            return f"{TABLES} does not exist"
        return None

    def _tell(self, benchmark: Benchmark, line: str) -> None:
        with self._printing:
            print(f"{benchmark.name}: {line}", file=sys.stderr, flush=True)


def main() -> int:
    """Run them; return how many failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few rows of each")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[each.name for each in BENCHMARKS])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--resume", action="store_true", help="go on behind the rows that an earlier run has kept")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    chosen = [each for each in BENCHMARKS if options.only is None or each.name in options.only]
    beauty = find_beauty(options.out, quick=options.quick) if any(each.needs_beauty for each in chosen) else None
    runs = Runs(options.out.resolve(), beauty, quick=options.quick, resume=options.resume)
    outcomes = run_all(runs, chosen)
    for benchmark in chosen:
        log = runs.log(benchmark)
        table = (
            f"{log.read_text(encoding='utf-8')}\n"
            if log.is_file() and "skipped" not in outcomes[benchmark.name]
            else ""
        )
        print(f"\n## {benchmark.name}\n\n{table}{outcomes[benchmark.name]}", flush=True)
    name = "outcomes-quick.json" if options.quick else "outcomes.json"
    (options.out / name).write_text(json.dumps(outcomes, indent=1) + "\n", encoding="utf-8")
    return sum(outcome.startswith("failed") for outcome in outcomes.values())


def run_all(runs: Runs, chosen: Sequence[Benchmark]) -> dict[str, str]:
    """Return how each one went: first those of one core, two at a time, then those that need the machine."""
    shared = [each for each in chosen if not each.alone]
    with ThreadPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as lanes:
        outcomes = dict(zip((each.name for each in shared), lanes.map(runs.run, shared), strict=True))
    return outcomes | {each.name: runs.run(each) for each in chosen if each.alone}


def find_beauty(out: Path, *, quick: bool) -> Path | None:
    """Return the folder of a run on Amazon Beauty, made in `out` where the user has none; None without the tables."""
    stages = ("dataset",) if quick else ("dataset", "checkpoint")
    for folder in (STORAGE / "beauty-tokens", out / "beauty-tokens"):
        if all((folder / stage / "manifest.json").is_file() for stage in stages):
            return folder
    if not TABLES.is_dir():
        return None
    settings = ["--set", f"storage={out.resolve()}", "--set", f"train.max_minutes={TRAINED_MINUTES}"]
    for stage in ("data",) if quick else ("data", "train"):
        command = [sys.executable, "-m", "recsys_platform.cli", stage, str(CONFIG), *settings, "--overwrite"]
        subprocess.run(command, check=True, stdout=sys.stderr)
    return out / "beauty-tokens"


if __name__ == "__main__":
    sys.exit(main())
