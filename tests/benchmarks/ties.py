"""Measure the effect of the order of ties in time on a counting method: last-item co-occurrence on real tables.

    python -m tests.benchmarks.ties [--data ../shared/data] [--max-gap 200] [--seed 0] [--counted test]

Each user's last event is the target; items of the history are excluded. Events with equal times are in the order of the
table, or in seeded order as with `data.tie_order: seeded`. Co-occurrence counts later items, or both directions. Rows are
all users, users whose target has a time of its own, and the others.
"""

import argparse
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recsys_model.evaluation.baselines import CoOccurrence, rank_targets
from recsys_platform.data.input.contract import check_interactions
from recsys_platform.data.input.sources import MALFORMED, ROW
from recsys_platform.data.sequences import group_by_user, iter_buckets

SETS = ("amazon_beauty", "amazon_toys")
COLUMNS = ("user_id", "item_id", "timestamp", "position")
HELD_BACK = {"test": 1, "both": 2}
"""Option `--counted` -> last events of a user that co-occurrence does not count."""
HEAD = ("set", "order of ties", "counted", "all users", "target with a time of its own", "target shares its time")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sequences:
    """The users of a table, with two events or more."""

    items: list[np.ndarray]
    """Catalogue indices of each user's events, in order."""
    has_own_time: np.ndarray
    """For each user, whether no other event has the time of the last one."""
    num_items: int
    """Size of the catalogue."""


def main() -> None:
    """Print one row per set, order of ties and direction: HR@10 / HR@1 and the number of users."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the tables")
    parser.add_argument("--max-gap", type=int, default=200, help="events between two items of a pair, at most")
    parser.add_argument("--seed", type=int, default=0, help="seed of the seeded order")
    parser.add_argument(
        "--counted", choices=sorted(HELD_BACK), default="test", help="hold back the test event, or validation too"
    )
    options = parser.parse_args()
    print(_line(HEAD), _line(["---"] * len(HEAD)), sep="\n", flush=True)
    for name, (order, seed) in itertools.product(
        SETS, {"table": None, f"seeded, {options.seed}": options.seed}.items()
    ):
        sequences = load_sequences(options.data / name, seed)
        for direction, cells in measure(sequences, HELD_BACK[options.counted], options.max_gap):
            print(_line([name, order, direction, *cells]), flush=True)


def load_sequences(folder: Path, tie_seed: int | None) -> Sequences:
    """Return a table's sequences as the data stage makes them."""
    item_ids = pa.array(pq.read_table(folder / "items.parquet", columns=["item_id"])["item_id"].to_pylist())
    rows = pq.read_table(folder / "interactions.parquet", columns=list(COLUMNS))
    rows = rows.append_column(ROW, pa.array(range(rows.num_rows))).append_column(
        MALFORMED, pa.nulls(rows.num_rows, pa.string())
    )
    checked = check_interactions(rows, item_ids, 1, uses_rating=False)
    ((_, users, _),) = iter_buckets(group_by_user(checked, item_ids, tie_seed))
    times = users["timestamps"].to_pylist()
    return Sequences(
        items=[np.array(items) for items in users["items"].to_pylist()],
        has_own_time=np.array([own.count(own[-1]) == 1 for own in times]),
        num_items=len(item_ids),
    )


def measure(sequences: Sequences, num_held_back: int, max_gap: int) -> Iterator[tuple[str, list[str]]]:
    """Yield, for each direction that is counted, the cells of the groups of users."""
    counted_sequences = [items[:-num_held_back] for items in sequences.items]
    for direction, counted in (
        ("later", counted_sequences),
        ("both directions", [*counted_sequences, *(items[::-1] for items in counted_sequences)]),
    ):
        ranker = CoOccurrence(counted, sequences.num_items, max_gap)
        histories = [items[:-1] for items in sequences.items]
        targets = [int(items[-1]) for items in sequences.items]
        rank_U = rank_targets(ranker, histories, targets, [set(history.tolist()) for history in histories])
        own_U = sequences.has_own_time
        yield direction, [_cell(rank_U), _cell(rank_U[own_U]), _cell(rank_U[~own_U])]


def _cell(rank_G: np.ndarray) -> str:
    hit_rates = [f"{np.mean((rank_G >= 1) & (rank_G <= k)):.4f}" for k in (10, 1)]
    return f"{' / '.join(hit_rates)} ({len(rank_G):,})"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
