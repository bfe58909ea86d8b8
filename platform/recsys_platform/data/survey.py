"""Count all sequences before examples are written: users, rejects, ties in time, validation users."""

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import ray

from recsys_platform.config.run import RunConfig
from recsys_platform.data.input.arrow import flatten, pc
from recsys_platform.data.input.rejects import NUM_SAMPLES, Reject, RejectSummary
from recsys_platform.data.sequences import REJECT, iter_buckets
from recsys_platform.data.tie_counts import build_item_keys, count_ties
from recsys_platform.data.unknown_ids import count_described
from recsys_platform.data.user_sequences import rank_of
from recsys_platform.splits import DatasetSplit

MAX_UNDESCRIBED = 1000
SURVEY_SCHEMA = pa.schema(
    [
        ("num_users", pa.int64()),
        ("num_short_users", pa.int64()),
        ("num_interactions", pa.int64()),
        ("longest", pa.int64()),
        ("reasons", pa.list_(pa.struct([("reason", pa.string()), ("count", pa.int64())]))),
        ("samples", pa.list_(REJECT)),
        ("ranks", pa.list_(pa.uint64())),
        ("earliest", pa.float64()),
        ("latest", pa.float64()),
        ("num_described", pa.int64()),
        ("undescribed", pa.list_(pa.string())),
        ("ties", pa.list_(pa.struct([("name", pa.string()), ("count", pa.int64())]))),
    ]
)


@dataclass(slots=True)
class Survey:
    """Sums over all buckets."""

    num_users: int = 0
    """Users with an accepted interaction."""
    num_short_users: int = 0
    """Users with too few interactions for an example."""
    num_interactions: int = 0
    """Accepted interactions."""
    longest: int = 0
    """Accepted interactions of the user who has most."""
    rejects: RejectSummary = field(default_factory=RejectSummary)
    """Rejected interactions."""
    ties: Counter[str] = field(default_factory=Counter)
    """Ties in time, as `tie_counts.count_ties` counts them."""
    earliest: float = np.inf
    """The smallest time of an accepted interaction, in unix seconds."""
    latest: float = -np.inf
    """The largest."""
    num_described: int = 0
    """Users with a row in the users table."""
    undescribed: list[str] = field(default_factory=list)
    """Some of the others."""
    max_eval_rank: int | None = None
    """Largest `rank_of` of the validation users; None: all users."""


def survey_sequences(
    sequences: ray.data.Dataset,
    config: RunConfig,
    dataset_split: DatasetSplit,
    item_ids: Sequence[str],
    bucket_to_features_ref: Mapping[int, ray.ObjectRef],
) -> Survey:
    """Survey in one pass over the sequences; the data that returns to the driver does not grow with the table."""
    look = partial(
        _survey_block,
        min_interactions=config.data.min_user_interactions,
        max_eval_users=config.data.max_eval_users,
        seed=config.seed,
        dataset_split=dataset_split,
        item_keys_ref=ray.put(build_item_keys(item_ids)),
        bucket_to_features_ref=dict(bucket_to_features_ref),
    )
    survey = Survey()
    ranks: list[int] = []
    for row in sequences.map_batches(look, batch_size=None, batch_format="pyarrow").take_all():
        survey.num_users += row["num_users"]
        survey.num_short_users += row["num_short_users"]
        survey.num_interactions += row["num_interactions"]
        survey.longest = max(survey.longest, row["longest"])
        reasons = Counter({entry["reason"]: entry["count"] for entry in row["reasons"]})
        survey.rejects.add(reasons, (Reject(**sample) for sample in row["samples"]))
        survey.ties.update({entry["name"]: entry["count"] for entry in row["ties"]})
        ranks = heapq.nsmallest(config.data.max_eval_users, [*ranks, *row["ranks"]])
        _add_times_and_users(survey, row)
    if config.data.max_eval_users > 0 and ranks:
        survey.max_eval_rank = ranks[-1]
    return survey


def _add_times_and_users(survey: Survey, row: Mapping[str, Any]) -> None:
    if row["earliest"] is not None:
        survey.earliest = min(survey.earliest, row["earliest"])
        survey.latest = max(survey.latest, row["latest"])
    survey.num_described += row["num_described"]
    survey.undescribed = [*survey.undescribed, *row["undescribed"]][:MAX_UNDESCRIBED]


def _survey_block(
    block: pa.Table,
    min_interactions: int,
    max_eval_users: int,
    seed: int,
    dataset_split: DatasetSplit,
    item_keys_ref: ray.ObjectRef,
    bucket_to_features_ref: Mapping[int, ray.ObjectRef],
) -> pa.Table:
    """Return one row per bucket of the block."""
    item_keys = ray.get(item_keys_ref)
    rows = []
    for bucket, users, rejects in iter_buckets(block):
        ties = count_ties(users, item_keys, min_interactions, dataset_split)
        row = _survey_bucket(users, rejects, min_interactions, max_eval_users, seed, dataset_split)
        features_ref = bucket_to_features_ref.get(bucket)
        features = {} if features_ref is None else ray.get(features_ref)
        described = count_described(users["user_id"].to_pylist(), features, MAX_UNDESCRIBED)
        rows.append(
            row
            | {"ties": [{"name": name, "count": count} for name, count in ties.items()]}
            | dict(zip(("num_described", "undescribed"), described, strict=True))
        )
    return pa.Table.from_pylist(rows, schema=SURVEY_SCHEMA)


def _survey_bucket(
    users: pa.Table,
    rejects: pa.Table,
    min_interactions: int,
    max_eval_users: int,
    seed: int,
    dataset_split: DatasetSplit,
) -> dict[str, Any]:
    lengths = pc.list_value_length(users["items"])
    is_short = pc.less(lengths, min_interactions)
    ranks: list[int] = []
    if max_eval_users > 0:
        long_enough = users.filter(pc.invert(is_short))
        user_times = zip(long_enough["user_id"].to_pylist(), long_enough["timestamps"].to_pylist(), strict=True)
        users_to_ask = (user_id for user_id, times in user_times if dataset_split.target(times, "valid") is not None)
        ranks = heapq.nsmallest(max_eval_users, (rank_of(seed, user_id) for user_id in users_to_ask))
    reasons = Counter(rejects["reason"].to_pylist())
    bounds = pc.min_max(flatten(users["timestamps"]).flatten())
    return {
        "earliest": bounds["min"].as_py(),
        "latest": bounds["max"].as_py(),
        "num_users": users.num_rows,
        "num_short_users": pc.sum(is_short, min_count=0).as_py(),
        "num_interactions": pc.sum(lengths, min_count=0).as_py(),
        "longest": pc.max(lengths).as_py() or 0,
        "reasons": [{"reason": reason, "count": count} for reason, count in reasons.items()],
        "samples": rejects.slice(0, NUM_SAMPLES).to_pylist(),
        "ranks": ranks,
    }
