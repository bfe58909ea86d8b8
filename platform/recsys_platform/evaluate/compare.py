"""Two evaluations of the same cases, user by user: is one run better than the other?

Only evaluations that asked the same users for the same items, of the same dataset and under the same protocol, can be
compared. Both runs' gains of a user are drawn together, which tells far smaller differences than two intervals do.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recsys_model.errors import DataError
from recsys_model.evaluation.metrics import measure, measure_difference
from recsys_platform.artifacts import open_artifact
from recsys_platform.evaluate.ranking.breakdowns import OWN_TIME
from recsys_platform.evaluate.ranking.metrics import TITLES, plain
from recsys_platform.evaluate.ranking.rankings import CATALOGUE, Competitors
from recsys_platform.evaluate.report.document import Table
from recsys_platform.evaluate.report.markdown import escape, format_table
from recsys_platform.evaluate.report.wording import MODEL, estimate, metric_title, verdict
from recsys_platform.evaluate.report.write import JSON_FILE

MARKDOWN_OUT = "compare.md"
JSON_OUT = "compare.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """What of an evaluation artifact is compared."""

    folder: Path
    """The artifact."""
    report: Mapping[str, Any]
    """Its report.json."""
    dataset: str
    """Digest of the dataset that was evaluated."""
    ranks: pa.Table
    """Its ranks.parquet, users in order."""


def compare_evaluations(first: Path, second: Path) -> dict[str, Any]:
    """Return how the model of the evaluation `first` does against that of `second`, as plain JSON.

    Resamples and seed of the intervals are those of `first`.

    Raises:
        CheckpointError: a folder is no evaluation, or a file of it was changed.
        DataError: the two did not ask the same users for the same items in the same way.
    """
    one, other = load_evaluation(first), load_evaluation(second)
    check_comparable(one, other)
    settings = one.report["config"]
    sampling = {"num_samples": settings["evaluate"]["bootstrap_samples"], "seed": settings["seed"]}
    return {
        "first": {"name": one.report["name"], "folder": str(first)},
        "second": {"name": other.report["name"], "folder": str(second)},
        "num_users": one.ranks.num_rows,
        "statements": list(one.report["statements"]),
        "rankings": [
            _compare_ranking(one, other, competitors, sampling) for competitors in one.report["protocol"]["competitors"]
        ],
    }


def load_evaluation(folder: Path) -> Evaluation:
    """Open an evaluation artifact.

    Raises:
        CheckpointError: it is missing or damaged.
        DataError: it was written before reports named their protocol.
    """
    manifest = open_artifact(folder, "evaluation")
    report = json.loads((folder / JSON_FILE).read_text(encoding="utf-8"))
    if not isinstance(report.get("protocol"), dict):
        raise DataError(f"{folder / JSON_FILE} must name its protocol, it has none; evaluate the run again")
    ranks = pq.read_table(folder / "ranks.parquet").sort_by("user_id")
    return Evaluation(folder=folder, report=report, dataset=str(manifest.parents.get("dataset")), ranks=ranks)


def check_comparable(one: Evaluation, other: Evaluation) -> None:
    """Raise unless both asked the same users for the same items in the same way.

    Raises:
        DataError: naming the first thing that differs.
    """
    for what, found in _conditions(one).items():
        others = _conditions(other)[what]
        if found != others:
            raise DataError(
                f"evaluations that are compared must have the same {what}, got {found} in {one.folder} and {others} "
                f"in {other.folder}; evaluate one of the runs again"
            )
    for name, what in (("user_id", "user"), ("target_item", "target of each user")):
        if not one.ranks[name].equals(other.ranks[name]):
            place = _first_difference(one.ranks[name].to_pylist(), other.ranks[name].to_pylist())
            raise DataError(
                f"evaluations that are compared must be of the same {what}, {one.folder} and {other.folder} differ "
                f"at case {place} in the order of users; use the same evaluate.num_users and seed"
            )


def format_comparison(comparison: Mapping[str, Any]) -> str:
    """Return a comparison as Markdown, which is also what the terminal shows."""
    names = _names(comparison)
    parts = [
        f"# {escape(names[0])} compared with {escape(names[1])}",
        f"{comparison['num_users']:,} users, the same in both. Brackets: 95 % intervals. A difference is the first minus "
        "the second, paired over the same users; where its interval holds 0, the two cannot be told apart.",
        "\n".join(f"- {escape(statement)}" for statement in comparison["statements"]),
    ]
    for ranking in comparison["rankings"]:
        head = ["metric", *names, "difference", f"{names[0]} is"]
        parts += [f"## {escape(ranking['title'])}", format_table(Table(ranking["title"], head, _rows(ranking)))]
        own = ranking.get("own_time")
        if own is not None:
            group = f"Users with a {OWN_TIME}: {own['num_users']:,} of {comparison['num_users']:,}"
            parts += [f"### {group}", format_table(Table(group, head, _rows(own)))]
    return "\n\n".join(parts)


def write_comparison(folder: Path, comparison: Mapping[str, Any]) -> None:
    """Write `compare.md` and `compare.json` into a folder, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKDOWN_OUT).write_text(format_comparison(comparison) + "\n", encoding="utf-8")
    text = json.dumps(comparison, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / JSON_OUT).write_text(text + "\n", encoding="utf-8")


def _conditions(evaluation: Evaluation) -> dict[str, Any]:
    """Return what must be equal, by the name that an error gives it."""
    protocol = evaluation.report["protocol"]
    competitors = protocol["competitors"]
    found = {
        "dataset (digest)": evaluation.dataset,
        "split of the dataset": protocol["dataset_split"],
        **{f"evaluate.{name}": protocol[name] for name in ("split", "competitors", "exclude_seen")},
    }
    if "sampled" in competitors:
        found |= {
            "evaluate.num_negatives": protocol["num_negatives"],
            "evaluate.negatives_seed": protocol["negatives_seed"],
        }
    if "given" in competitors:
        found["table evaluate.candidates (digest)"] = protocol["candidates_digest"]
    return {**found, "number of users": evaluation.ranks.num_rows}


def _compare_ranking(
    one: Evaluation, other: Evaluation, competitors: Competitors, sampling: Mapping[str, int]
) -> dict[str, Any]:
    column = f"rank_{MODEL}" if competitors == CATALOGUE else f"rank_{competitors}_{MODEL}"
    first_U, second_U = (np.asarray(evaluation.ranks[column].to_numpy()) for evaluation in (one, other))
    compared = {
        "title": TITLES[competitors],
        "competitors": competitors,
        **_compare_ranks(first_U, second_U, sampling),
    }
    own_U = _find_own_time(one.ranks)
    if not own_U.any() or own_U.all():
        return compared
    own = _compare_ranks(first_U[own_U], second_U[own_U], sampling)
    return {**compared, "own_time": {"num_users": int(own_U.sum()), **own}}


def _compare_ranks(first_U: np.ndarray, second_U: np.ndarray, sampling: Mapping[str, int]) -> dict[str, Any]:
    difference = plain(measure_difference(first_U, second_U, **sampling))
    return {
        "first": plain(measure(first_U, **sampling)),
        "second": plain(measure(second_U, **sampling)),
        "difference": difference,
        "verdicts": {metric: verdict(metric, entry) for metric, entry in difference.items()},
    }


def _find_own_time(ranks: pa.Table) -> np.ndarray:
    """Return for each user whether the held-out event has a time of its own; False where the file does not say it."""
    if "has_own_time" not in ranks.column_names:
        return np.zeros(ranks.num_rows, dtype=bool)
    return np.asarray(ranks["has_own_time"].to_numpy(), dtype=bool)


def _rows(compared: Mapping[str, Any]) -> list[list[str]]:
    """Return one row a metric: both figures, the difference and the verdict."""
    return [
        [
            metric_title(metric),
            *(estimate(compared[side][metric]) for side in ("first", "second")),
            estimate(compared["difference"][metric], sign=True),
            compared["verdicts"][metric],
        ]
        for metric in compared["difference"]
    ]


def _names(comparison: Mapping[str, Any]) -> list[str]:
    """Return the runs' names, with letters where they are equal."""
    names = [str(comparison[side]["name"]) for side in ("first", "second")]
    return names if names[0] != names[1] else [f"{names[0]} (A)", f"{names[1]} (B)"]


def _first_difference(one: list[Any], other: list[Any]) -> int:
    return next(place for place, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1])
