"""Run the leak checks of `leaks` over all users of a run, on Ray Data.

Each test case returns some 30 bytes to the driver, which holds the users' features anyway.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import ray

from recsys_model.entities.catalog import Catalog
from recsys_platform.data.leaks import (
    CASES_SCHEMA,
    Finding,
    collect_cases,
    find_trained_on,
    judge_cases,
)
from recsys_platform.data.numbered_items import names_of_items
from recsys_platform.data.sequences import iter_buckets
from recsys_platform.splits import DatasetSplit

TRAINED_SCHEMA = pa.schema([("example", pa.uint64())])


@dataclass(frozen=True, kw_only=True, slots=True)
class Lookups:
    """The data that every worker needs to collect cases."""

    name_to_item: Mapping[str, int]
    """Texts that name one item -> its catalogue index."""
    feature_names: tuple[str, ...]
    """Features in the texts of the model."""
    min_interactions: int
    """Users with fewer events have no case."""
    dataset_split: DatasetSplit
    """The training events and the target of each user."""


def find_leaks(
    sequences: ray.data.Dataset,
    catalog: Catalog,
    features: Mapping[int, ray.ObjectRef],
    feature_names: Sequence[str],
    min_interactions: int,
    dataset_split: DatasetSplit,
) -> list[Finding]:
    """Read the sequences twice and return the finding of every check.

    Args:
        sequences: Buckets of users, materialised.
        catalog: Items by catalogue index.
        features: Bucket -> features of its users.
        feature_names: Features in the texts of the model.
        min_interactions: Users with fewer events have no case.
        dataset_split: The training events and the target of each user.
    """
    ids, titles, texts = zip(*((item.item_id, item.title, item.text) for item in catalog.items), strict=True)
    lookups = Lookups(
        name_to_item=names_of_items(ids, titles, texts),
        feature_names=tuple(feature_names),
        min_interactions=min_interactions,
        dataset_split=dataset_split,
    )
    lookups_ref = ray.put(lookups)
    cases = _run(sequences, partial(_collect_block, lookups_ref=lookups_ref, features=features), CASES_SCHEMA)
    examples_ref = ray.put(np.unique(cases["example"].to_numpy()))
    search = partial(_search_block, examples_ref=examples_ref, lookups_ref=lookups_ref)
    trained_on = np.unique(_run(sequences, search, TRAINED_SCHEMA)["example"].to_numpy())
    return judge_cases(cases, trained_on, ids, texts, feature_names)


def _run(sequences: ray.data.Dataset, look: partial[pa.Table], schema: pa.Schema) -> pa.Table:
    results = sequences.map_batches(look, batch_size=None, batch_format="pyarrow", zero_copy_batch=True)
    blocks: list[Any] = list(results.iter_batches(batch_size=None, batch_format="pyarrow"))
    return pa.concat_tables([schema.empty_table(), *(block.cast(schema) for block in blocks if block.num_rows > 0)])


def _collect_block(block: pa.Table, lookups_ref: ray.ObjectRef, features: Mapping[int, ray.ObjectRef]) -> pa.Table:
    lookups: Lookups = ray.get(lookups_ref)
    tables = [CASES_SCHEMA.empty_table()]
    for bucket, users, _ in iter_buckets(block):
        user_features = ray.get(features[bucket]) if bucket in features else {}
        tables.append(
            collect_cases(
                users,
                user_features,
                lookups.feature_names,
                lookups.name_to_item,
                lookups.min_interactions,
                lookups.dataset_split,
            )
        )
    return pa.concat_tables(tables)


def _search_block(block: pa.Table, examples_ref: ray.ObjectRef, lookups_ref: ray.ObjectRef) -> pa.Table:
    test_examples, lookups = ray.get([examples_ref, lookups_ref])
    hashes = [
        find_trained_on(users, test_examples, lookups.min_interactions, lookups.dataset_split)
        for _, users, _ in iter_buckets(block)
    ]
    return pa.table({"example": pa.chunked_array(hashes, pa.uint64())}, schema=TRAINED_SCHEMA)
