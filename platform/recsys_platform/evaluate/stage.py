"""The evaluation stage: dataset and checkpoint in, report out."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recsys_model.entities.catalog import Catalog, load_catalog
from recsys_model.errors import ConfigError
from recsys_platform.artifacts import (
    Manifest,
    check_parent,
    open_artifact,
    package_versions,
    refuse_to_overwrite,
    write_artifact,
)
from recsys_platform.checkpoints import check_base, trained_objective
from recsys_platform.config.run import RunConfig, config_to_dict
from recsys_platform.evaluate.answer_log import AnswerLogs
from recsys_platform.evaluate.baselines.cornac_models import check_installed, cornac_version
from recsys_platform.evaluate.baselines.notes import describe_baselines
from recsys_platform.evaluate.baselines.run import rank_with_baselines
from recsys_platform.evaluate.ranking.breakdowns import (
    build_breakdowns,
    build_examples,
    build_exposure,
    load_learning_curve,
)
from recsys_platform.evaluate.ranking.candidates import digest_of_table, draw_candidates, read_candidates
from recsys_platform.evaluate.ranking.cases import EvaluationData, load_evaluation_data
from recsys_platform.evaluate.ranking.metrics import build_ranking, describe_cases, describe_cut_searches
from recsys_platform.evaluate.ranking.rankings import CATALOGUE, LARGEST_K, Competitors, Rankings, join, rank_with_model
from recsys_platform.evaluate.report.wording import METHOD_TITLES, MODEL
from recsys_platform.evaluate.report.write import write_reports
from recsys_platform.evaluate.tasks.baselines import TASK_METHOD_TITLES
from recsys_platform.evaluate.tasks.data import chosen_tasks
from recsys_platform.evaluate.tasks.evaluation import evaluate_tasks
from recsys_platform.evaluate.worker_model import WorkerSettings

logger = logging.getLogger(__name__)

Candidates = dict[Competitors, list[list[int]]]
"""Protocol -> the catalogue indices that compete for each case."""


def run_evaluate(config: RunConfig, *, overwrite: bool = False) -> dict[str, Any]:
    """Rank every held-out item under every protocol and write the evaluation artifact; Ray must be initialised.

    What the workers answered is kept until the artifact is written: the same command goes on where one was killed.

    Returns the artifact's path, of the first protocol the metrics of every method with 95 % intervals and the paired
    difference to the best baseline, the number of users, the seconds, the protocol in words and the entries of the tasks.

    Raises:
        ConfigError: the beam is too narrow for the metrics, a baseline's package is missing, or a task is asked for
            that was not trained.
        CheckpointError: an artifact is missing, damaged or does not fit, or the evaluation exists already.
        DataError: no ranking can have the figures of a method, or the candidates do not fit; nothing is written.
    """
    started = time.monotonic()
    check_beams(config)
    check_installed(config.evaluate.baselines)
    refuse_to_overwrite(config.evaluation_folder, overwrite=overwrite)
    dataset = open_artifact(config.dataset_folder, "dataset")
    checkpoint = open_artifact(config.checkpoint_folder, "checkpoint")
    check_parent(checkpoint, dataset)
    check_base(config.checkpoint_folder)
    asked_tasks = chosen_tasks(config.evaluate, checkpoint.config)
    data = load_evaluation_data(config.dataset_folder, config.evaluate.split, config.evaluate.num_users, config.seed)
    catalog = load_catalog(config.dataset_folder)
    candidates = find_candidates(config, data, catalog)
    parents = {"dataset": dataset.digest, "checkpoint": checkpoint.digest}
    partial_answers = AnswerLogs(
        config.partial_evaluation_folder, {**parents, **_what_answers_depend_on(config, candidates)}
    )
    settings = _worker_settings(config, checkpoint)
    began = time.monotonic()
    evaluate = config.evaluate
    logger.info("recommending for %d users with %d workers", len(data.cases), evaluate.num_workers)
    found = rank_with_model(
        data.cases,
        candidates,
        settings,
        partial_answers,
        num_workers=evaluate.num_workers,
        batch_size=evaluate.batch_size,
    )
    seconds_recommending = time.monotonic() - began
    tasks = evaluate_tasks(config, asked_tasks, checkpoint, settings, catalog, data.training_sequences, partial_answers)
    kept = AnswerLogs(config.baselines_folder, _what_baselines_depend_on(config, dataset))
    baseline_runs = rank_with_baselines(evaluate, data, candidates, len(catalog.items), config.seed, kept)
    rankings = join([found, *(run.rankings for run in baseline_runs)])
    report = _build_report(config, data, len(catalog.items), rankings)
    report["baselines"] = describe_baselines(baseline_runs, evaluate, data, len(catalog.items), report["rankings"])
    for warning in report["baselines"]["warnings"]:
        logger.warning("%s", warning)
    report |= _details(config, data, catalog, rankings)
    report["tasks"] = tasks.entries
    report["method_titles"] |= TASK_METHOD_TITLES
    report["seconds_recommending"] = seconds_recommending
    report["users_per_second"] = len(data.cases) / max(seconds_recommending, 1e-9)
    report["seconds"] = time.monotonic() - started
    with write_artifact(
        config.evaluation_folder, "evaluation", config_to_dict(config), parents, overwrite=overwrite
    ) as (folder, counts):
        figures = {"metrics": report["rankings"][0]["metrics"], "difference": report["rankings"][0]["differences"][0]}
        counts |= {"num_users": report["num_users"], "num_items": report["num_items"], **figures}
        write_reports(folder, report)
        tasks.write(folder)
        _write_ranks(folder, data, rankings)
    partial_answers.remove()
    return {
        "evaluation": str(config.evaluation_folder),
        **figures,
        "num_users": report["num_users"],
        "seconds": report["seconds"],
        "tasks": report["tasks"],
        "protocol": " ".join([*report["statements"], *report["rankings"][0]["statements"]]),
    }


def check_beams(config: RunConfig) -> None:
    """Raise unless the search returns as many items as the metrics look at.

    Raises:
        ConfigError: the beam is too narrow.
    """
    if config.decoding.num_beams < LARGEST_K and not config.decoding.exact:
        raise ConfigError(
            f"decoding.num_beams must be at least {LARGEST_K} to measure HR@{LARGEST_K}, got {config.decoding.num_beams}"
        )


def find_candidates(config: RunConfig, data: EvaluationData, catalog: Catalog) -> Candidates:
    """Return the candidates of each protocol but that of the whole catalogue.

    Raises:
        ConfigError: the table of candidates cannot be read.
        DataError: it does not fit the cases, or the catalogue is too small for the negatives.
    """
    evaluate = config.evaluate
    found: Candidates = {}
    if "sampled" in evaluate.competitors:
        found["sampled"] = draw_candidates(
            data.cases, len(catalog.items), evaluate.num_negatives, evaluate.negatives_seed
        )
    if "given" in evaluate.competitors:
        found["given"] = read_candidates(Path(str(evaluate.candidates)), data.cases, catalog)
    return found


def _what_answers_depend_on(config: RunConfig, candidates: Candidates) -> dict[str, Any]:
    """Return the settings, and the candidates of a table, that change what the workers answer."""
    plain = config_to_dict(config)
    names = (
        "split",
        "num_users",
        "batch_size",
        "exclude_seen",
        "num_negatives",
        "negatives_seed",
        "tasks",
        "task_users",
        "use_gpu",
    )
    return {
        "evaluate": {name: plain["evaluate"][name] for name in names},
        "candidates": candidates.get("given"),
        "versions": package_versions(),
        **{name: plain[name] for name in ("seed", "decoding", "generation")},
    }


def _what_baselines_depend_on(config: RunConfig, dataset: Manifest) -> dict[str, Any]:
    """Return what shapes the training of a baseline, but what its own name and settings tell."""
    versions = {**package_versions(), **cornac_version()}
    return {"dataset": dataset.digest, "split": config.evaluate.split, "seed": config.seed, "versions": versions}


def _worker_settings(config: RunConfig, checkpoint: Manifest) -> WorkerSettings:
    return WorkerSettings.of(config, trained_objective(checkpoint))


def _build_report(config: RunConfig, data: EvaluationData, num_items: int, rankings: Rankings) -> dict[str, Any]:
    tables = [
        build_ranking(
            config,
            competitors,
            rankings.ranks[competitors],
            num_items,
            data.split.kind,
            is_whole=not data.new_item_statements,
        )
        for competitors in config.evaluate.competitors
    ]
    methods = {method for table in tables for method in table["metrics"]}
    return {
        "name": config.name,
        "statements": [
            *describe_cases(config.evaluate.split, data.split, len(data.cases), data.num_users_in_split, config.seed),
            *data.new_item_statements,
            *data.tie_statements,
            *describe_cut_searches(rankings.num_cut, len(data.cases), config.decoding.max_expansions),
        ],
        "rankings": tables,
        "method_titles": {method: title for method, title in METHOD_TITLES.items() if method in methods},
        "protocol": {
            "dataset_split": data.split.to_dict(),
            **{
                name: getattr(config.evaluate, name)
                for name in ("split", "exclude_seen", "num_negatives", "negatives_seed")
            },
            "candidates_digest": digest_of_table(config.evaluate.candidates),
            "competitors": list(config.evaluate.competitors),
            "seed": config.seed,
        },
        "num_users": len(data.cases),
        "num_users_in_split": data.num_users_in_split,
        "num_items": num_items,
        "config": config_to_dict(config),
        "versions": package_versions(),
    }


def _details(config: RunConfig, data: EvaluationData, catalog: Catalog, rankings: Rankings) -> dict[str, Any]:
    """Return what the report tells beyond its figures; all of it is about the whole catalogue."""
    targets = [case.target_item for case in data.cases]
    lengths = [len(case.history) for case in data.cases]
    known, num_items, ranks = data.training_sequences, len(catalog.items), rankings.ranks[CATALOGUE]
    return {
        **build_exposure(rankings.best, targets, known, num_items),
        "breakdowns": build_breakdowns(
            ranks, targets, lengths, known, num_items, [case.has_own_time for case in data.cases]
        ),
        "learning_curve": load_learning_curve(config.checkpoint_folder),
        **build_examples(data.cases, catalog, rankings.best[MODEL], ranks[MODEL], config.seed),
    }


def _write_ranks(folder: Path, data: EvaluationData, rankings: Rankings) -> None:
    """Write each case's rank by every method, of the whole catalogue as `rank_<method>`, else with the protocol's name."""
    ranks = {
        f"rank_{method}" if name == CATALOGUE else f"rank_{name}_{method}": pa.array(values, type=pa.int32())
        for name, methods in rankings.ranks.items()
        for method, values in methods.items()
    }
    columns: Mapping[str, Any] = {
        "user_id": pa.array([case.user_id for case in data.cases], type=pa.string()),
        "target_item": pa.array([case.target_item for case in data.cases], type=pa.int32()),
        "has_own_time": pa.array([case.has_own_time for case in data.cases], type=pa.bool_()),
        **ranks,
        "recommended": pa.array(rankings.best[MODEL], type=pa.list_(pa.int32())),
    }
    pq.write_table(pa.table(dict(columns)), folder / "ranks.parquet")
