"""Time one method of building training examples from interactions, in this process; called by `data_pipeline`.

    python -m tests.benchmarks.data_methods METHOD TABLE DATA FOLDER RESULT

All methods use the tokenizer and the catalogue of the first data stage in FOLDER, so they write the same tokens.
"""

import hashlib
import json
import shutil
import sys
import time
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import ray

from recsys_platform.config.run import RunConfig, load_config
from recsys_platform.data.sequences import count_buckets
from recsys_platform.data.stage import run_data
from tests.benchmarks.group_examples import load_rules, tell_user
from tests.benchmarks.memory import PeakMemory
from tests.benchmarks.polars_examples import write_examples

CONFIG = Path("tests/benchmarks/beauty_tokens.yaml")
OBJECT_STORE_BYTES = 1 << 30
EXAMPLE_FOLDER = "examples"


def main(method: str, table: Path, data: Path, folder: Path, result: Path) -> None:
    """Run one method and write its rows, seconds, peak memory and the digest of its files."""
    rows = pq.ParquetFile(table).metadata.num_rows
    config = load_config(
        CONFIG,
        [
            f"storage={folder}",
            f"name={method}",
            f"input.interactions.path={table.absolute()}",
            f"input.items.path={(data / 'items.parquet').absolute()}",
        ],
    )
    shutil.rmtree(config.folder, ignore_errors=True)
    if method != "polars":
        ray.init(
            address="local", num_cpus=config.num_cpus, include_dashboard=False, object_store_memory=OBJECT_STORE_BYTES
        )
    with PeakMemory() as memory:
        start = time.perf_counter()
        written = METHODS[method](config, table, rows)
        seconds = time.perf_counter() - start
    row = {"rows": rows, "seconds": seconds, "peak_mib": memory.peak_mib, "digest": digest_of(written)}
    if method == "stage":
        keep_vocabulary(written, folder / "vocabulary")
    shutil.rmtree(written)
    result.write_text(json.dumps(row))


def run_stage(config: RunConfig, table: Path, rows: int) -> Path:
    """Run the data stage."""
    del table, rows
    return Path(run_data(config, overwrite=True)["dataset"])


def run_polars(config: RunConfig, table: Path, rows: int) -> Path:
    """Write the examples with polars."""
    indices, rules = load_rules(config)
    write_examples(
        table,
        list(indices),
        rules,
        config.folder,
        num_buckets=count_buckets(rows),
        max_eval_users=config.data.max_eval_users,
    )
    return config.folder


def run_map_groups(config: RunConfig, table: Path, rows: int) -> Path:
    """Write the examples of every user with a function of one group; the files are other ones."""
    del rows
    examples = (
        ray.data.read_parquet(str(table))
        .groupby("user_id")
        .map_groups(partial(tell_user, config=config), batch_format="pyarrow")
    )
    examples.write_parquet(str(config.folder / EXAMPLE_FOLDER))
    return config.folder


def keep_vocabulary(dataset: Path, folder: Path) -> None:
    """Copy tokenizer and catalogue, which are the same for all sizes, to where the alternatives find them."""
    folder.mkdir(exist_ok=True)
    shutil.copytree(dataset / "tokenizer", folder / "tokenizer", dirs_exist_ok=True)
    for path in dataset.glob("*.jsonl"):
        shutil.copy(path, folder)


def digest_of(folder: Path) -> str:
    """Return one SHA-256 over the examples' files and their names."""
    digest = hashlib.sha256()
    for path in sorted((folder / EXAMPLE_FOLDER).rglob("*.parquet")):
        digest.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return digest.hexdigest()


METHODS = {"stage": run_stage, "polars": run_polars, "map_groups": run_map_groups}

if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:]))
