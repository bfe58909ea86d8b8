"""What the finished runs say together: each variant against the base, on the same users and seeds."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from recsys_model.errors import DataError
from recsys_model.evaluation.metrics import METRIC_NAMES, gains
from recsys_model.evaluation.seeds import SeedComparison, compare_over_seeds
from recsys_platform.evaluate.ranking.rankings import RANKS_FILE, rank_column
from recsys_platform.evaluate.report.measured import CATALOGUE
from recsys_platform.evaluate.report.wording import MODEL

RANK_COLUMN = rank_column(CATALOGUE, MODEL)
"""Column of the model's ranks in the whole catalogue."""
DECIDING = "ndcg_at_10"
"""The metric that the verdict is about: it uses the place of every hit."""

UserRanks = Mapping[str, int]
"""User id -> rank of the user's item, 0 if it was not returned."""
SeedRanks = Mapping[int, UserRanks]
"""Seed -> ranks of that run."""


def load_ranks(evaluation_folder: Path, column: str = RANK_COLUMN) -> dict[str, int]:
    """Return every user's rank from an evaluation artifact."""
    table = pq.read_table(evaluation_folder / RANKS_FILE, columns=["user_id", column])
    return dict(zip(table["user_id"].to_pylist(), table[column].to_pylist(), strict=True))


def load_baselines(evaluation_folder: Path) -> dict[str, float]:
    """Return HR@10 of every other method that an evaluation artifact holds ranks of."""
    names = [name for name in pq.read_schema(evaluation_folder / RANKS_FILE).names if name.startswith("rank_")]
    ranks = {
        name: np.array(list(load_ranks(evaluation_folder, name).values())) for name in names if name != RANK_COLUMN
    }
    return {name.removeprefix("rank_"): float(gains(ranks[name], "hr_at_10").mean()) for name in ranks}


def summarize_metrics(ranks: SeedRanks) -> dict[str, Any]:
    """Return, for every metric, its mean over the seeds, their standard deviation and each seed's own figure."""
    return {metric: _over_seeds(_matrix(ranks, sorted(ranks), metric).mean(axis=1)) for metric in METRIC_NAMES}


def summarize_differences(ranks: SeedRanks, base: SeedRanks, *, num_samples: int, seed: int) -> dict[str, Any]:
    """Return, for every metric, how far the runs lie from the base's on the seeds that both have.

    Raises:
        DataError: no seed is in both, or two runs have different users.
    """
    seeds = sorted(set(ranks) & set(base))
    if not seeds:
        raise DataError(f"runs to compare need a seed in common, got {sorted(ranks)} and {sorted(base)}")
    _check_users({**{f"seed {number}": base[number] for number in seeds}, **{str(n): ranks[n] for n in seeds}})
    compared = {
        metric: compare_over_seeds(
            _matrix(ranks, seeds, metric), _matrix(base, seeds, metric), num_samples=num_samples, seed=seed
        )
        for metric in METRIC_NAMES
    }
    return {metric: {"seeds": seeds, **_plain(comparison)} for metric, comparison in compared.items()}


def _matrix(ranks: SeedRanks, seeds: list[int], metric: str) -> np.ndarray:
    """Return each user's contribution to a metric, [S, U], users in ascending order of their ids."""
    return np.stack([gains(np.array([ranks[seed][user] for user in sorted(ranks[seed])]), metric) for seed in seeds])


def _check_users(runs: Mapping[str, UserRanks]) -> None:
    first, *others = (set(users) for users in runs.values())
    if any(users != first for users in others):
        raise DataError("paired runs must be evaluated on the same users; evaluate them again with the same settings")


def _over_seeds(value_S: np.ndarray) -> dict[str, Any]:
    spread = float(value_S.std(ddof=1)) if len(value_S) > 1 else None
    return {"mean": float(value_S.mean()), "sd_over_seeds": spread, "by_seed": value_S.tolist()}


def _plain(comparison: SeedComparison) -> dict[str, Any]:
    """Return a comparison as plain JSON types, its verdict included."""
    return {
        **dataclasses.asdict(comparison.over_users),
        "by_seed": list(comparison.by_seed),
        "over_seeds": None if comparison.over_seeds is None else dataclasses.asdict(comparison.over_seeds),
        "verdict": comparison.verdict,
    }
