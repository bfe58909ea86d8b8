"""Write one bucket's files: interactions, rejects, and the examples of each split.

A file's name and bytes depend on its bucket alone: rows are sorted by user and target, row groups have
a fixed size, and no bucket shares a file with another. Any number of blocks writes the same files.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import ray

from recsys_model.entities.catalog import Catalog
from recsys_model.text.batch_texts import BatchTextualizer
from recsys_model.text.explanations import FeatureWords
from recsys_model.text.tokenizer import load_tokenizer
from recsys_platform.config.run import RunConfig
from recsys_platform.data.examples import ROWS_PER_TABLE, ExampleTableBuilder
from recsys_platform.data.input.rejects import REJECTS_SCHEMA
from recsys_platform.data.sequences import iter_buckets
from recsys_platform.data.task_rows import FactWriter
from recsys_platform.file_names import TOKENIZER_FOLDER
from recsys_platform.splits import SPLIT_NAMES, DatasetSplit

ROWS_PER_GROUP = ROWS_PER_TABLE
"""Small enough to stream in training, large enough to compress."""
INTERACTIONS_SCHEMA = pa.schema(
    [("user_id", pa.string()), ("items", pa.list_(pa.int32())), ("timestamps", pa.list_(pa.float64()))]
)

ASKED = pa.struct([("split", pa.string()), ("task", pa.string()), ("count", pa.int64())])
WRITTEN_SCHEMA = pa.schema(
    [*((split, pa.int64()) for split in SPLIT_NAMES), ("events_too_long", pa.int64()), ("asked", pa.list_(ASKED))]
)
"""Examples of each split, events that were left out of their texts, and examples of each task."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shared:
    """The data that every writer needs, put into the object store once."""

    catalog: Catalog
    """Items and attributes."""
    item_categories: list[tuple[str, ...]]
    """Categories of each item of the catalogue."""
    words: FeatureWords | None
    """Features of explanations; None without tasks."""
    dataset_split: DatasetSplit
    """Which events train, validate and test."""


class BucketWriter:
    """A callable for `map_batches` that writes the buckets of a block and returns their counts.

    It runs as an actor, so the tokenizer and the catalogue are loaded once per worker. They are loaded at its first
    block, not before: Ray may still start a worker after the last block was written and the folder got its final name.
    """

    def __init__(
        self,
        config: RunConfig,
        folder: str,
        shared_ref: ray.ObjectRef,
        bucket_to_features_ref: Mapping[int, ray.ObjectRef],
        max_eval_rank: int | None,
    ) -> None:
        self._config = config
        self._folder = Path(folder)
        self._shared_ref = shared_ref
        self._bucket_to_features_ref = bucket_to_features_ref
        self._max_eval_rank = max_eval_rank

    @cached_property
    def _shared(self) -> Shared:
        return ray.get(self._shared_ref)

    @cached_property
    def _facts(self) -> FactWriter | None:
        shared = self._shared
        return None if shared.words is None else FactWriter(self._config.tasks, shared.words, shared.dataset_split)

    @cached_property
    def _builder(self) -> ExampleTableBuilder:
        config, shared = self._config, self._shared
        tokenizer = load_tokenizer(self._folder / TOKENIZER_FOLDER)
        return ExampleTableBuilder(
            BatchTextualizer(tokenizer, shared.catalog, config.text, shared.item_categories),
            config.window,
            config.data,
            config.seed,
            self._max_eval_rank,
            facts=self._facts,
            dataset_split=shared.dataset_split,
        )

    def __call__(self, block: pa.Table) -> pa.Table:
        """Write all buckets of the block; the result has one row per bucket, in the layout of `WRITTEN_SCHEMA`."""
        rows = [self._write_bucket(*bucket) for bucket in iter_buckets(block)]
        return pa.Table.from_pylist(rows, schema=WRITTEN_SCHEMA)

    def _write_bucket(self, bucket: int, users: pa.Table, rejects: pa.Table) -> dict[str, Any]:
        name = f"part-{bucket:05d}.parquet"
        write_table(self._folder / "interactions" / name, users.select(INTERACTIONS_SCHEMA.names))
        if rejects.num_rows > 0:
            table = pa.array(["interactions"] * rejects.num_rows, pa.string())
            rejects = rejects.add_column(0, "table", table).cast(REJECTS_SCHEMA)
            write_table(self._folder / "rejects" / f"interactions-{bucket:05d}.parquet", rejects)
        features_ref = self._bucket_to_features_ref.get(bucket)
        features = {} if features_ref is None else ray.get(features_ref)
        examples = self._builder.open(users, features)
        counts: dict[str, Any] = {}
        for split in SPLIT_NAMES:
            path = self._folder / "examples" / split / name
            counts[split] = write_tables(path, self._builder.schema, examples.iter_tables(split))
        return {**counts, "events_too_long": examples.num_too_long, "asked": self._take_task_counts()}

    def _take_task_counts(self) -> list[dict[str, Any]]:
        """Return the task counts of the examples since the last call, and reset them."""
        if self._facts is None:
            return []
        task_counts = [
            {"split": split, "task": task, "count": count} for (split, task), count in self._facts.counts.items()
        ]
        self._facts.counts.clear()
        return task_counts


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table with row groups of the fixed size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=ROWS_PER_GROUP, compression="zstd")


def write_tables(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> int:
    """Write tables as they come, one row group each, holding one in memory; return the number of rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    num_rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table)
            num_rows += table.num_rows
    return num_rows
