"""The evaluation stage: rank the held-out items of a dataset with a checkpoint, and write the report.

`run_evaluate` reads the inputs (`inputs.py`), measures (`ranking/`, `tasks/`, `baselines/`), makes a `Report` of the
measurements (`build_report.py`) and writes it (`report/write.py`).
"""

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recsys_platform.artifacts import package_versions, refuse_to_overwrite, write_artifact
from recsys_platform.capacity import check_room
from recsys_platform.checkpoints import trained_objective
from recsys_platform.config.run import RunConfig, config_to_dict
from recsys_platform.evaluate.baselines.cornac_models import check_installed, cornac_version
from recsys_platform.evaluate.baselines.run import BaselineRun, rank_with_baselines, trained_settings
from recsys_platform.evaluate.build_report import Measurements, build_report
from recsys_platform.evaluate.inputs import EvaluationInputs, check_beams, open_inputs
from recsys_platform.evaluate.ranking.cases import EvaluationData
from recsys_platform.evaluate.ranking.rankings import RANKS_FILE, Rankings, join, rank_column, rank_with_model
from recsys_platform.evaluate.report.content import Report
from recsys_platform.evaluate.report.json_format import to_json
from recsys_platform.evaluate.report.wording import MODEL
from recsys_platform.evaluate.report.write import write_reports
from recsys_platform.evaluate.tasks.evaluation import TaskEvaluation, evaluate_tasks
from recsys_platform.evaluate.workers.answer_log import AnswerLogs
from recsys_platform.evaluate.workers.model import WorkerSettings
from recsys_platform.evaluate.workers.pool import workers_of

logger = logging.getLogger(__name__)

ANSWER_SETTINGS = (
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
"""Settings of `evaluate` that the model's answers depend on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationResult:
    """A finished evaluation."""

    folder: Path
    """Folder of the artifact."""
    report: Report
    """The report in it."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON of `recsys evaluate --json`: path, metrics of the first protocol, tasks, and more."""
        table = self.report.rankings[0]
        return to_json(
            {
                "evaluation": str(self.folder),
                "metrics": table.metrics,
                "difference": table.differences[0],
                "num_users": self.report.num_users,
                "seconds": self.report.seconds,
                "tasks": self.report.tasks,
                "protocol": self.protocol,
            }
        )

    @property
    def protocol(self) -> str:
        """The first protocol in words."""
        return " ".join([*self.report.statements, *self.report.rankings[0].statements])


def prepare_evaluation(config: RunConfig, *, overwrite: bool = False) -> EvaluationInputs:
    """Check and read everything that an evaluation needs; Ray is not needed.

    Raises:
        ConfigError: The beam is too narrow for the metrics, a baseline's package is missing, `evaluate.tasks` has a task
            that was not trained, or the model cannot score items as asked.
        CheckpointError: An artifact is missing, damaged or does not fit, or the evaluation exists.
        DataError: The candidates do not fit.
    """
    check_beams(config)
    check_installed(config.evaluate.baselines)
    refuse_to_overwrite(config.evaluation_folder, overwrite=overwrite)
    return open_inputs(config)


def run_evaluate(
    config: RunConfig, *, inputs: EvaluationInputs | None = None, overwrite: bool = False
) -> EvaluationResult:
    """Rank every held-out item under every protocol and write the evaluation artifact; Ray must be initialised.

    The answers of the workers are on disk until the artifact is written. After an interruption, the same command
    computes only the missing ones. `inputs` are those of `prepare_evaluation`, which is called here without them.

    Raises:
        ConfigError: The cluster can never hold the workers; or see `prepare_evaluation`.
        CheckpointError: See `prepare_evaluation`.
        DataError: No ranking can have the metrics of a method; nothing is written.
    """
    started = time.monotonic()
    inputs = inputs or prepare_evaluation(config, overwrite=overwrite)
    check_room([workers_of(config.evaluate.num_workers, use_gpu=config.evaluate.use_gpu)])
    partial_answers = AnswerLogs(config.partial_evaluation_folder, _answer_key(config, inputs))
    measured = _measure(config, inputs, partial_answers)
    report = build_report(config, inputs, measured, started)
    for warning in report.baselines.warnings:
        logger.warning("%s", warning)
    _write(config, inputs, measured, report, overwrite=overwrite)
    partial_answers.remove()
    return EvaluationResult(folder=config.evaluation_folder, report=report)


def _measure(config: RunConfig, inputs: EvaluationInputs, partial_answers: AnswerLogs) -> Measurements:
    """Rank with the model, let it answer the questions of the tasks, then rank with the baselines."""
    settings = WorkerSettings.of(config, trained_objective(inputs.checkpoint))
    ranking_started = time.monotonic()
    model_rankings = _rank_with_model(config, inputs, settings, partial_answers)
    seconds_recommending = time.monotonic() - ranking_started
    tasks = _evaluate_tasks(config, inputs, settings, partial_answers)
    baseline_runs = _rank_with_baselines(config, inputs)
    return Measurements(
        rankings=join([model_rankings, *(run.rankings for run in baseline_runs)]),
        baseline_runs=baseline_runs,
        tasks=tasks,
        seconds_recommending=seconds_recommending,
    )


def _rank_with_model(
    config: RunConfig, inputs: EvaluationInputs, settings: WorkerSettings, partial_answers: AnswerLogs
) -> Rankings:
    cases, evaluate = inputs.data.cases, config.evaluate
    logger.info("recommending for %d users with %d workers", len(cases), evaluate.num_workers)
    return rank_with_model(
        cases,
        inputs.candidates,
        settings,
        partial_answers,
        num_workers=evaluate.num_workers,
        batch_size=evaluate.batch_size,
    )


def _evaluate_tasks(
    config: RunConfig, inputs: EvaluationInputs, settings: WorkerSettings, partial_answers: AnswerLogs
) -> TaskEvaluation:
    sequences = inputs.data.training_sequences
    return evaluate_tasks(config, inputs.tasks, inputs.checkpoint, settings, inputs.catalog, sequences, partial_answers)


def _rank_with_baselines(config: RunConfig, inputs: EvaluationInputs) -> list[BaselineRun]:
    logs = AnswerLogs(config.baselines_folder, _baseline_key(config, inputs))
    return rank_with_baselines(config.evaluate, inputs.data, inputs.candidates, inputs.num_items, config.seed, logs)


def _answer_key(config: RunConfig, inputs: EvaluationInputs) -> dict[str, object]:
    """Return everything that the model's answers depend on; a change of it starts a new log of answers."""
    settings = config_to_dict(config)
    return {
        **inputs.parents,
        "evaluate": {name: settings["evaluate"][name] for name in ANSWER_SETTINGS},
        "candidates": inputs.candidates.get("given"),
        "versions": package_versions(),
        **{name: settings[name] for name in ("seed", "decoding", "generation")},
    }


def _baseline_key(config: RunConfig, inputs: EvaluationInputs) -> dict[str, object]:
    """Return everything that all trained baselines depend on; each log adds the baseline's name, passes and patience."""
    return {
        "dataset": inputs.dataset.digest,
        "split": config.evaluate.split,
        "seed": config.seed,
        "settings": trained_settings(),
        "versions": {**package_versions(), **cornac_version()},
    }


def _write(
    config: RunConfig,
    inputs: EvaluationInputs,
    measured: Measurements,
    report: Report,
    *,
    overwrite: bool,
) -> None:
    """Write the artifact: the report, the answers to tasks and the rank of every case."""
    table, settings = report.rankings[0], config_to_dict(config)
    with write_artifact(config.evaluation_folder, "evaluation", settings, inputs.parents, overwrite=overwrite) as (
        folder,
        counts,
    ):
        counts |= {"num_users": report.num_users, "num_items": report.num_items}
        counts |= to_json({"metrics": table.metrics, "difference": table.differences[0]})
        write_reports(folder, report)
        measured.tasks.write(folder)
        _write_ranks(folder / RANKS_FILE, inputs.data, measured.rankings)


def _write_ranks(path: Path, data: EvaluationData, rankings: Rankings) -> None:
    """Write each case's rank by every method under every protocol, and the model's recommendations."""
    ranks = {
        rank_column(competitors, method): pa.array(values, type=pa.int32())
        for competitors, methods in rankings.ranks.items()
        for method, values in methods.items()
    }
    columns = {
        "user_id": pa.array([case.user_id for case in data.cases], type=pa.string()),
        "target_item": pa.array([case.target_item for case in data.cases], type=pa.int32()),
        "has_own_time": pa.array([case.has_own_time for case in data.cases], type=pa.bool_()),
        **ranks,
        "recommended": pa.array(rankings.best[MODEL], type=pa.list_(pa.int32())),
    }
    pq.write_table(pa.table(columns), path)
