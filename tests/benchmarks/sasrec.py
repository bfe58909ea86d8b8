"""Train SASRec, or the last item alone, on a published data set; print its test metrics and the public range.

    python -m tests.benchmarks.sasrec [FOLDER] [--model sasrec|last_item] [--seed 0] [--passes 200] [--patience 20]
        [--state FILE] [--json FILE] [--quick]

FOLDER holds `interactions.parquet` with user_idx, item_idx and position, as `../shared/data/amazon_beauty` does, which is
taken by default. Leave-one-out: the last event of every user is ranked against all items but those of the user's other
events, which are what is known, the validation event included. Each pass is printed. With a state file a training that
was interrupted goes on, and one that has ended is tested without any training.
"""

import argparse
import dataclasses
import json
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from recsys_model.evaluation.baselines import rank_by_keys
from recsys_model.evaluation.metrics import measure
from recsys_model.evaluation.public_figures import recognise
from recsys_model.evaluation.sasrec import SASRec, SASRecRanker
from recsys_model.evaluation.sasrec_training import Pass, train_sasrec
from recsys_platform.evaluate.baselines.sasrec import SASREC_MODELS
from tests.benchmarks.beauty_copies import BEAUTY

SAMPLES = 1000


def load_sequences(folder: Path) -> tuple[list[np.ndarray], int]:
    """Return every user's items in order, numbered from 0, and how many items there are."""
    table = pq.read_table(folder / "interactions.parquet", columns=["user_idx", "item_idx", "position"])
    users, items, positions = (table[name].to_numpy() for name in table.column_names)
    order = np.lexsort((positions, users))
    distinct, numbers = np.unique(items, return_inverse=True)
    return np.split(numbers[order].astype(np.int64), np.flatnonzero(np.diff(users[order])) + 1), len(distinct)


def train(sequences: list[np.ndarray], num_items: int, arguments: argparse.Namespace) -> tuple[SASRec, dict]:
    """Train on all events but each user's last two and tell every pass."""
    start = time.monotonic()

    def tell(each: Pass) -> None:
        figures = f"loss {each.loss:.4f}, validation NDCG@10 {each.validation_ndcg:.4f}"
        print(f"pass {each.number}: {figures}, {time.monotonic() - start:.0f} s", flush=True)

    config = dataclasses.replace(
        SASREC_MODELS[arguments.model], max_passes=arguments.passes, patience=arguments.patience
    )
    trained = train_sasrec(
        [sequence[:-2] for sequence in sequences],
        [int(sequence[-2]) for sequence in sequences],
        num_items,
        config,
        seed=arguments.seed,
        on_pass=tell,
        state_file=arguments.state,
    )
    record = {"passes": len(trained.passes), "kept_pass": trained.kept_pass, "minutes": (time.monotonic() - start) / 60}
    return trained.model, record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=BEAUTY)
    parser.add_argument("--model", choices=sorted(SASREC_MODELS), default="sasrec")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--passes", type=int, default=200)
    parser.add_argument("--patience", type=int, default=20)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true", help="two passes, some 1,000 test users")
    arguments = parser.parse_args()
    arguments.passes = 2 if arguments.quick else arguments.passes
    sequences, num_items = load_sequences(arguments.folder)
    dataset = recognise(len(sequences), num_items, sum(map(len, sequences)))
    model, record = train(sequences, num_items, arguments)
    ranker = SASRecRanker(model)
    # every n-th user: Beauty's first users are far harder than its last (HR@10 .043 and .145 of a thousand each)
    evaluated = sequences[:: max(1, len(sequences) // 1000)] if arguments.quick else sequences
    ranks = np.array(
        [rank_by_keys(ranker.sort_keys(each[:-1]), each[-1], set(each[:-1].tolist())) for each in evaluated]
    )
    metrics = measure(ranks, num_samples=SAMPLES, seed=0)
    public = {} if dataset is None else dataset.figures.get(arguments.model, {})
    print(
        f"{arguments.model}, {'no published data set' if dataset is None else dataset.name}, {len(evaluated):,} users"
    )
    print(f"{record['passes']} passes in {record['minutes']:.1f} minutes, pass {record['kept_pass']} kept")
    for name, estimate in metrics.items():
        other = f", public {public[name]}" if name in public else ""
        print(f"{name} {estimate.value:.4f} ({estimate.low:.4f} to {estimate.high:.4f}){other}")
    if arguments.json is not None:
        figures = {name: dataclasses.asdict(estimate) for name, estimate in metrics.items()}
        arguments.json.write_text(json.dumps({**record, "metrics": figures}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
