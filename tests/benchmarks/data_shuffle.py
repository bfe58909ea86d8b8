"""Compare the shuffles of Ray Data that group the rows of each user, on the same rows in the same run.

    python -m tests.benchmarks.data_shuffle [--copies 5] [--pairs 5] [--data FOLDER] [--out FOLDER] [--json FILE]
                                            [--quick]

The data stage sorts by bucket with given boundaries, so it samples nothing. The alternatives: the same sort with sampled
boundaries, the push-based sort, and the hash shuffles, which do not sort. All start from rows in the object store.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import ray
from ray.data.context import DataContext, ShuffleStrategy

from recsys_platform.data.input.contract import bucket_of
from recsys_platform.data.sequences import count_buckets, count_partitions, partition_boundaries
from tests.benchmarks.beauty_copies import BEAUTY, write_copies
from tests.benchmarks.pairs import Row, time_pairs
from tests.benchmarks.report import Report

NUM_CPUS, OBJECT_STORE_BYTES = 4, 1 << 30
"""As in `data_pipeline`."""
OURS = ShuffleStrategy.SORT_SHUFFLE_PULL_BASED
HASHES = (ShuffleStrategy.HASH_SHUFFLE, ShuffleStrategy.SHUFFLE_V2)


def main() -> None:
    """Print a row of each alternative."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--copies", type=int, default=5, help="of Amazon Beauty (default 5)")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--data", type=Path, default=BEAUTY)
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "recsys-data-pipeline")
    parser.add_argument("--json", type=Path, help="keeps the rows")
    parser.add_argument("--quick", action="store_true", help="1 copy, 1 pair")
    options = parser.parse_args()
    copies, pairs = (1, 1) if options.quick else (options.copies, options.pairs)
    options.out.mkdir(parents=True, exist_ok=True)
    path = write_copies(options.data, options.out, float(copies))
    report = Report(options.json, {"copies": copies, "pairs": pairs})
    ray.init(address="local", num_cpus=NUM_CPUS, include_dashboard=False, object_store_memory=OBJECT_STORE_BYTES)
    report.measure("shuffle", lambda: rows_of(path, pairs))


def rows_of(path: Path, pairs: int) -> Iterator[Row]:
    """Compare the stage's shuffle with each other one."""
    num_rows = ray.data.read_parquet(str(path)).count()
    num_buckets = count_buckets(num_rows)
    checked = (
        ray.data.read_parquet(str(path))
        .map_batches(partial(_with_bucket, num_buckets=num_buckets), batch_format="pyarrow")
        .materialize()
    )
    num_blocks = count_partitions(num_rows, NUM_CPUS)
    boundaries = partition_boundaries(num_buckets, num_blocks)
    alternatives: dict[str, Callable[[], object]] = {
        "sort, boundaries sampled": lambda: shuffle(OURS, checked.sort("bucket")),
        "push-based sort": lambda: shuffle(
            ShuffleStrategy.SORT_SHUFFLE_PUSH_BASED, checked.sort("bucket", boundaries=boundaries)
        ),
    }
    for strategy in HASHES:
        alternatives[strategy.value] = partial(_hash, strategy, checked, num_blocks)
    for name, other in alternatives.items():
        yield time_pairs(
            f"shuffle of {num_rows:,} rows into {num_blocks} blocks, sort with given boundaries",
            name,
            lambda: shuffle(OURS, checked.sort("bucket", boundaries=boundaries)),
            other,
            pairs=pairs,
        )


def shuffle(strategy: ShuffleStrategy, dataset: ray.data.Dataset) -> None:
    """Run a dataset that is not run yet, and check that no user is in two blocks."""
    DataContext.get_current().shuffle_strategy = strategy
    dataset.context.shuffle_strategy = strategy
    refs = dataset.materialize().to_arrow_refs()
    buckets = [set(pc.unique(table["bucket"]).to_pylist()) for table in ray.get(refs) if table.num_rows]
    if sum(map(len, buckets)) != len(set().union(*buckets)):
        raise SystemExit(f"{strategy.value} left a bucket in two blocks")


def _hash(strategy: ShuffleStrategy, checked: ray.data.Dataset, num_blocks: int) -> None:
    DataContext.get_current().shuffle_strategy = strategy
    shuffle(strategy, checked.repartition(num_blocks, keys=["bucket"]))


def _with_bucket(table: pa.Table, num_buckets: int) -> pa.Table:
    users = table["user_id"].to_pylist()
    bucket = {user: bucket_of(user, num_buckets) for user in set(users)}
    return table.append_column("bucket", pa.array([bucket[user] for user in users], pa.int32()))


if __name__ == "__main__":
    main()
