"""The evaluation stage: dataset and checkpoint in, report out."""

import dataclasses
import json
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recsys_model.entities.catalog import Catalog, load_catalog
from recsys_model.errors import ConfigError, DataError
from recsys_model.evaluation.baselines import CoOccurrence, Popularity, Ranker, rank_targets
from recsys_model.evaluation.exposure import top_items
from recsys_model.evaluation.intervals import Estimate
from recsys_model.evaluation.metrics import METRIC_NAMES, measure, measure_difference, rank_in
from recsys_platform.artifacts import (
    Manifest,
    check_parent,
    open_artifact,
    package_versions,
    refuse_to_overwrite,
    write_artifact,
)
from recsys_platform.checkpoints import check_base
from recsys_platform.config import RunConfig, config_to_dict
from recsys_platform.evaluate.cases import Case, EvaluationData, load_evaluation_data
from recsys_platform.evaluate.details import build_breakdowns, build_examples, build_exposure, load_learning_curve
from recsys_platform.evaluate.publish import write_reports
from recsys_platform.evaluate.report import METHOD_TITLES, describe_protocol, refuse_impossible
from recsys_platform.evaluate.task_baselines import TASK_METHOD_TITLES
from recsys_platform.evaluate.task_data import chosen_tasks
from recsys_platform.evaluate.task_evaluation import evaluate_tasks
from recsys_platform.evaluate.workers import WorkerSettings, recommend_for_all, threads_per_worker

logger = logging.getLogger(__name__)

Ranks = dict[str, np.ndarray]
"""Method -> each case's rank, 1 for the first place, 0 if the item was not returned."""

LARGEST_K = 10
"""Items that are asked for: what the widest metric looks at."""


def run_evaluate(config: RunConfig, *, overwrite: bool = False) -> dict[str, Any]:
    """Rank every held-out item against the whole catalogue and write the evaluation artifact; Ray must be initialised.

    Returns the artifact's path, the metrics of every method with 95 % intervals, the paired difference
    to the best baseline, the number of users, the seconds, the protocol in words and the entries of the tasks.

    Raises:
        ConfigError: the beam is too narrow for the metrics, or a task is asked for that was not trained.
        CheckpointError: an artifact is missing, damaged or does not fit, or the evaluation exists already.
        DataError: no ranking can have the figures of a method; nothing is written.
    """
    started = time.monotonic()
    if config.decoding.num_beams < LARGEST_K:
        raise ConfigError(
            f"decoding.num_beams must be at least {LARGEST_K} to measure HR@{LARGEST_K}, got {config.decoding.num_beams}"
        )
    refuse_to_overwrite(config.evaluation_folder, overwrite=overwrite)
    dataset = open_artifact(config.dataset_folder, "dataset")
    checkpoint = open_artifact(config.checkpoint_folder, "checkpoint")
    check_parent(checkpoint, dataset)
    check_base(config.checkpoint_folder)
    asked_tasks = chosen_tasks(config.evaluate, checkpoint.config)
    split = config.evaluate.split
    data = load_evaluation_data(config.dataset_folder, split, config.evaluate.num_users, config.seed)
    catalog = load_catalog(config.dataset_folder)
    recommended, seconds_recommending = _recommend(config, checkpoint, data)
    rankers = _baselines(data, len(catalog.items))
    ranks = {"recsysllm": _ranks_of(recommended, data.cases), **_baseline_ranks(config, data, rankers)}
    report = _build_report(config, data, len(catalog.items), ranks)
    report |= _details(config, data, catalog, ranks, {"recsysllm": recommended, **_best(config, data, rankers)})
    settings = _worker_settings(config, checkpoint)
    tasks = evaluate_tasks(config, asked_tasks, checkpoint, settings, catalog, data.training_sequences)
    report["tasks"] = tasks.entries
    report["method_titles"] |= TASK_METHOD_TITLES
    report["seconds_recommending"] = seconds_recommending
    report["users_per_second"] = len(data.cases) / max(seconds_recommending, 1e-9)
    report["seconds"] = time.monotonic() - started
    parents = {"dataset": dataset.digest, "checkpoint": checkpoint.digest}
    with write_artifact(
        config.evaluation_folder, "evaluation", config_to_dict(config), parents, overwrite=overwrite
    ) as (folder, counts):
        figures = {"metrics": report["rankings"][0]["metrics"], "difference": report["rankings"][0]["differences"][0]}
        counts |= {"num_users": report["num_users"], "num_items": report["num_items"], **figures}
        write_reports(folder, report)
        tasks.write(folder)
        _write_ranks(folder, data.cases, ranks, recommended)
    return {
        "evaluation": str(config.evaluation_folder),
        **figures,
        "num_users": report["num_users"],
        "seconds": report["seconds"],
        "tasks": report["tasks"],
        "protocol": " ".join([*report["statements"], *report["rankings"][0]["statements"]]),
    }


def _recommend(config: RunConfig, checkpoint: Manifest, data: EvaluationData) -> tuple[list[list[int]], float]:
    """Return the model's items for each case, best first, and the seconds it took, start of the workers included."""
    evaluate = config.evaluate
    logger.info("recommending for %d users with %d workers", len(data.cases), evaluate.num_workers)
    started = time.monotonic()
    recommended = recommend_for_all(
        data.cases,
        _worker_settings(config, checkpoint),
        k=LARGEST_K,
        num_workers=evaluate.num_workers,
        batch_size=evaluate.batch_size,
    )
    return recommended, time.monotonic() - started


def _worker_settings(config: RunConfig, checkpoint: Manifest) -> WorkerSettings:
    return WorkerSettings(
        dataset_folder=config.dataset_folder,
        checkpoint_folder=config.checkpoint_folder,
        decoding=config.decoding,
        # the positions that the model was trained with, whatever the configuration says now
        intra_mode=checkpoint.config["objective"]["intra_mode"],
        exclude_seen=config.evaluate.exclude_seen,
        num_threads=threads_per_worker(config.evaluate.num_workers),
        use_gpu=config.evaluate.use_gpu,
    )


def _ranks_of(recommended: Sequence[Sequence[int]], cases: Sequence[Case]) -> np.ndarray:
    return np.array([rank_in(items, case.target_item) for items, case in zip(recommended, cases, strict=True)])


def _baselines(data: EvaluationData, num_items: int) -> dict[str, Ranker]:
    return {
        "popularity": Popularity(data.training_sequences, num_items),
        "co_occurrence": CoOccurrence(data.training_sequences, num_items),
    }


def _baseline_ranks(config: RunConfig, data: EvaluationData, rankers: Mapping[str, Ranker]) -> Ranks:
    histories = [case.history for case in data.cases]
    targets = [case.target_item for case in data.cases]
    excluded = [case.seen_items for case in data.cases] if config.evaluate.exclude_seen else None
    return {method: rank_targets(ranker, histories, targets, excluded) for method, ranker in rankers.items()}


def _best(config: RunConfig, data: EvaluationData, rankers: Mapping[str, Ranker]) -> dict[str, list[list[int]]]:
    """Return the items that each baseline puts first for each case."""
    exclude = config.evaluate.exclude_seen
    return {
        method: [
            top_items(ranker, case.history, LARGEST_K, sorted(case.seen_items) if exclude else ())
            for case in data.cases
        ]
        for method, ranker in rankers.items()
    }


def _build_report(config: RunConfig, data: EvaluationData, num_items: int, ranks: Ranks) -> dict[str, Any]:
    sampling = {"num_samples": config.evaluate.bootstrap_samples, "seed": config.seed}
    metrics: dict[str, Any] = {
        method: _plain(measure(method_ranks, **sampling)) for method, method_ranks in ranks.items()
    }
    baselines = sorted(
        (method for method in ranks if method != "recsysllm"), key=lambda name: -metrics[name]["hr_at_10"]["value"]
    )
    differences = [
        {
            "baseline": name,
            "metrics": _plain(measure_difference(ranks["recsysllm"], ranks[name], **sampling)),
        }
        for name in baselines
    ]
    best_reachable = load_best_reachable(config)
    if best_reachable is not None:
        metrics["best_reachable"] = best_reachable
    refuse_impossible(metrics)
    statements = describe_protocol(
        split=config.evaluate.split,
        num_users=len(data.cases),
        num_users_in_split=data.num_users_in_split,
        num_items=num_items,
        exclude_seen=config.evaluate.exclude_seen,
        seed=config.seed,
    )
    ranking = {"title": "Whole catalogue", "competitors": "catalogue", "statements": []}
    return {
        "name": config.name,
        "statements": statements,
        "rankings": [{**ranking, "metrics": metrics, "differences": differences}],
        "method_titles": {method: title for method, title in METHOD_TITLES.items() if method in metrics},
        "tasks": [],
        "num_users": len(data.cases),
        "num_users_in_split": data.num_users_in_split,
        "num_items": num_items,
        "config": config_to_dict(config),
        "versions": package_versions(),
    }


def _details(
    config: RunConfig,
    data: EvaluationData,
    catalog: Catalog,
    ranks: Ranks,
    recommended: Mapping[str, Sequence[Sequence[int]]],
) -> dict[str, Any]:
    """Return what the report tells beyond its figures."""
    targets = [case.target_item for case in data.cases]
    lengths = [len(case.history) for case in data.cases]
    known, num_items = data.training_sequences, len(catalog.items)
    return {
        **build_exposure(recommended, targets, known, num_items),
        "breakdowns": build_breakdowns(ranks, targets, lengths, known, num_items),
        "learning_curve": load_learning_curve(config.checkpoint_folder),
        **build_examples(data.cases, catalog, recommended["recsysllm"], ranks["recsysllm"], config.seed),
    }


def _plain(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    return {name: dataclasses.asdict(estimate) for name, estimate in estimates.items()}


def load_best_reachable(config: RunConfig) -> dict[str, Any] | None:
    """Return the figures in the `oracle.json` that the demo shop has beside its tables, None where there is none.

    Raises:
        DataError: the file does not hold figures.
    """
    table = config.input.interactions.path
    path = Path(table).parent / "oracle.json"
    if "://" in table or not path.is_file():
        return None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        figures = document.get("best_reachable", document)
        found = {name: float(figures[name]) for name in METRIC_NAMES if name in figures}
        split = document.get("split", "test")
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{path} must hold metrics such as hr_at_10: {error!r}") from error
    if split != config.evaluate.split or "hr_at_10" not in found:
        return None
    return {name: {"value": value, "low": None, "high": None} for name, value in found.items()}


def _write_ranks(folder: Path, cases: Sequence[Case], ranks: Ranks, recommended: Sequence[Sequence[int]]) -> None:
    columns = {
        "user_id": pa.array([case.user_id for case in cases], type=pa.string()),
        "target_item": pa.array([case.target_item for case in cases], type=pa.int32()),
        **{f"rank_{method}": pa.array(values, type=pa.int32()) for method, values in ranks.items()},
        "recommended": pa.array(recommended, type=pa.list_(pa.int32())),
    }
    pq.write_table(pa.table(columns), folder / "ranks.parquet")
