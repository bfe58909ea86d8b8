"""Compare two evaluations user by user: is one run better than the other?

Both evaluations must have the same dataset, protocol, users and targets. Differences are paired: the bootstrap draws
both runs' gains of a user together, which detects far smaller differences than a comparison of two intervals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recsys_model.errors import DataError
from recsys_model.evaluation.metrics import measure, measure_difference
from recsys_platform.artifacts import open_artifact
from recsys_platform.evaluate.ranking.metrics import TITLES
from recsys_platform.evaluate.ranking.rankings import RANKS_FILE, rank_column
from recsys_platform.evaluate.report.comparison import (
    ComparedGroup,
    ComparedMetrics,
    ComparedRanking,
    ComparedRun,
    Comparison,
    format_comparison,
)
from recsys_platform.evaluate.report.content import Report
from recsys_platform.evaluate.report.json_format import from_json, to_json, write_json
from recsys_platform.evaluate.report.measured import Competitors, measured_values
from recsys_platform.evaluate.report.wording import MODEL, verdict
from recsys_platform.evaluate.report.write import JSON_FILE

MARKDOWN_OUT = "compare.md"
JSON_OUT = "compare.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """The parts of an evaluation artifact that are compared."""

    folder: Path
    """Folder of the artifact."""
    report: Report
    """Its report."""
    dataset: str
    """Digest of the dataset that was evaluated."""
    ranks: pa.Table
    """Its ranks.parquet, users in order."""


def compare_evaluations(first: Path, second: Path) -> Comparison:
    """Return the comparison of the model of evaluation `first` with that of `second`.

    The intervals use the number of resamples and the seed of `first`.

    Raises:
        CheckpointError: A folder is not an evaluation, or one of its files was changed.
        DataError: A report cannot be read, or protocol, users or targets differ.
    """
    one, other = load_evaluation(first), load_evaluation(second)
    check_comparable(one, other)
    settings = one.report.config
    sampling = {"num_samples": settings["evaluate"]["bootstrap_samples"], "seed": settings["seed"]}
    return Comparison(
        first=ComparedRun(name=one.report.name, folder=str(first)),
        second=ComparedRun(name=other.report.name, folder=str(second)),
        num_users=one.ranks.num_rows,
        statements=one.report.statements,
        rankings=tuple(
            _compare_ranking(one, other, competitors, sampling) for competitors in one.report.protocol.competitors
        ),
    )


def load_evaluation(folder: Path) -> Evaluation:
    """Open an evaluation artifact.

    Raises:
        CheckpointError: it is missing or damaged.
        DataError: its report is none that this version reads.
    """
    manifest = open_artifact(folder, "evaluation")
    file = folder / JSON_FILE
    report = from_json(file.read_text(encoding="utf-8"), str(file))
    ranks = pq.read_table(folder / RANKS_FILE).sort_by("user_id")
    return Evaluation(folder=folder, report=report, dataset=str(manifest.parents.get("dataset")), ranks=ranks)


def check_comparable(one: Evaluation, other: Evaluation) -> None:
    """Check that two evaluations have the same protocol, users and targets.

    Raises:
        DataError: The message has the first difference.
    """
    others = _conditions(other)
    for what, value in _conditions(one).items():
        if value != others[what]:
            raise DataError(
                f"evaluations that are compared must have the same {what}, got {value} in {one.folder} and "
                f"{others[what]} in {other.folder}; evaluate one of the runs again"
            )
    for name, what in (("user_id", "user"), ("target_item", "target of each user")):
        if not one.ranks[name].equals(other.ranks[name]):
            place = _first_difference(one.ranks[name].to_pylist(), other.ranks[name].to_pylist())
            raise DataError(
                f"evaluations that are compared must be of the same {what}, {one.folder} and {other.folder} differ "
                f"at case {place} in the order of users; use the same evaluate.num_users and seed"
            )


def write_comparison(folder: Path, comparison: Comparison) -> None:
    """Write `compare.md` and `compare.json` into a folder, which is created if necessary."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKDOWN_OUT).write_text(format_comparison(comparison) + "\n", encoding="utf-8")
    write_json(folder / JSON_OUT, comparison)


def _conditions(evaluation: Evaluation) -> dict[str, object]:
    """Return the conditions that must be equal, by their names in errors."""
    protocol = evaluation.report.protocol
    conditions: dict[str, object] = {
        "dataset (digest)": evaluation.dataset,
        "split of the dataset": to_json(protocol.dataset_split),
        "evaluate.split": protocol.split,
        "evaluate.competitors": list(protocol.competitors),
        "evaluate.exclude_seen": protocol.exclude_seen,
    }
    if "sampled" in protocol.competitors:
        conditions |= {
            "evaluate.num_negatives": protocol.num_negatives,
            "evaluate.negatives_seed": protocol.negatives_seed,
        }
    if "given" in protocol.competitors:
        conditions["table evaluate.candidates (digest)"] = protocol.candidates_digest
    return {**conditions, "number of users": evaluation.ranks.num_rows}


def _compare_ranking(
    one: Evaluation, other: Evaluation, competitors: Competitors, sampling: Mapping[str, int]
) -> ComparedRanking:
    column = rank_column(competitors, MODEL)
    first_U, second_U = (np.asarray(evaluation.ranks[column].to_numpy()) for evaluation in (one, other))
    figures = _compare_ranks(first_U, second_U, sampling)
    return ComparedRanking(
        title=TITLES[competitors],
        competitors=competitors,
        first=figures.first,
        second=figures.second,
        difference=figures.difference,
        verdicts=figures.verdicts,
        own_time=_compare_own_time(first_U, second_U, _has_own_time(one.ranks), sampling),
    )


def _compare_own_time(
    first_U: np.ndarray, second_U: np.ndarray, own_U: np.ndarray, sampling: Mapping[str, int]
) -> ComparedGroup | None:
    """Compare users whose held-out event has a time of its own; None where these are all users or none."""
    if not own_U.any() or own_U.all():
        return None
    figures = _compare_ranks(first_U[own_U], second_U[own_U], sampling)
    return ComparedGroup(
        num_users=int(own_U.sum()),
        first=figures.first,
        second=figures.second,
        difference=figures.difference,
        verdicts=figures.verdicts,
    )


def _compare_ranks(first_U: np.ndarray, second_U: np.ndarray, sampling: Mapping[str, int]) -> ComparedMetrics:
    difference = measured_values(measure_difference(first_U, second_U, **sampling))
    return ComparedMetrics(
        first=measured_values(measure(first_U, **sampling)),
        second=measured_values(measure(second_U, **sampling)),
        difference=difference,
        verdicts={metric: verdict(metric, figure) for metric, figure in difference.items()},
    )


def _has_own_time(ranks: pa.Table) -> np.ndarray:
    """Return for each user whether the held-out event has a time of its own; False where the file does not say it."""
    if "has_own_time" not in ranks.column_names:
        return np.zeros(ranks.num_rows, dtype=bool)
    return np.asarray(ranks["has_own_time"].to_numpy(), dtype=bool)


def _first_difference(one: Sequence[object], other: Sequence[object]) -> int:
    return next(place for place, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1])
