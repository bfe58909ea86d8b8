"""What the baselines do with the cases: counted ones at once, trained ones as tasks of the Ray cluster, side by side.

What a trained baseline did is kept in `baselines/` beside the dataset and does not depend on the checkpoint: an
evaluation that goes on, or one of another checkpoint of the same dataset, trains none again. The trainings of our own
SASRec go on behind the last pass that was made.
"""

import dataclasses
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from recsys_model.evaluation.baselines import CoOccurrence, Popularity, Ranker
from recsys_model.evaluation.neighbours import ItemNeighbours
from recsys_model.evaluation.sasrec import VERSION as SASREC_VERSION
from recsys_platform.cluster import result_of
from recsys_platform.config.stages import EvaluateConfig
from recsys_platform.evaluate.baselines.cornac_models import build_ranker
from recsys_platform.evaluate.baselines.cornac_settings import MODELS, number_of_epochs
from recsys_platform.evaluate.baselines.sasrec import (
    SASREC_MODELS,
    HeldOutEvents,
    TrainingFiles,
    build_sasrec,
    events_to_train_on,
)
from recsys_platform.evaluate.ranking.cases import EvaluationData
from recsys_platform.evaluate.ranking.rankings import Rankings, rank_with_baseline
from recsys_platform.evaluate.report.content import TrainingRecord
from recsys_platform.evaluate.report.json_format import to_json
from recsys_platform.evaluate.report.measured import Competitors
from recsys_platform.evaluate.workers.answer_log import AnswerLog, AnswerLogs, digest_of
from recsys_platform.evaluate.workers.pool import threads_per_worker, torch_threads
from recsys_platform.progress import PROGRESS_POLL_S, CountedProgress

logger = logging.getLogger(__name__)

COUNTED = {"popularity": Popularity, "co_occurrence": CoOccurrence, "item_knn": ItemNeighbours}


@dataclass(frozen=True, slots=True)
class BaselineRun:
    """What one baseline did, and how it was trained."""

    name: str
    """As in the configuration."""
    rankings: Rankings
    """Of all cases."""
    training: TrainingRecord
    """How it was trained; empty for counted ones."""

    def to_plain(self) -> dict[str, object]:
        """Return the same as plain JSON types."""
        return {"name": self.name, "rankings": self.rankings.to_plain(), "training": to_json(self.training)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "BaselineRun":
        """Return what `to_plain` was called on."""
        return cls(plain["name"], Rankings.from_plain(plain["rankings"]), TrainingRecord(**plain["training"]))


@dataclass(frozen=True, slots=True)
class _Work:
    """What all trained models are given."""

    data: EvaluationData
    events: HeldOutEvents
    candidates: dict[Competitors, list[list[int]]]
    num_items: int
    seed: int
    settings: EvaluateConfig
    num_threads: int
    folder: Path
    """Where trainings keep their state."""


def rank_with_baselines(
    settings: EvaluateConfig,
    data: EvaluationData,
    candidates: Mapping[Competitors, list[list[int]]],
    num_items: int,
    seed: int,
    kept: AnswerLogs,
) -> list[BaselineRun]:
    """Return what each baseline does, in the order of the configuration; Ray must be initialised.

    Args:
        settings: Of the evaluation.
        data: The cases and what is known in training.
        candidates: Protocol -> the catalogue indices that compete for each case.
        num_items: Items of the catalogue.
        seed: Of the trainings.
        kept: What trained baselines did before on this dataset, split and seed; new ones are added.

    Raises:
        CheckpointError: the kept state of a training cannot be read.
        DataError: there is nothing to learn from, or a training diverged.
    """
    logs = _logs_of_trained(settings, candidates, kept)
    runs = _earlier_runs(logs)
    if runs:
        logger.info("taking %s from an earlier evaluation of this dataset, kept in %s", ", ".join(runs), kept.folder)
    waiting = [name for name in logs if name not in runs]
    if waiting:
        num_threads = threads_per_worker(min(len(waiting), settings.num_workers))
        events = events_to_train_on(data, settings.split)
        kept.folder.mkdir(parents=True, exist_ok=True)
        work = _Work(data, events, dict(candidates), num_items, seed, settings, num_threads, kept.folder)
        runs |= _train_all(waiting, work, logs)
    for name in set(settings.baselines) & set(COUNTED):
        ranker = COUNTED[name](data.training_sequences, num_items)
        rankings = rank_with_baseline(name, ranker, data.cases, candidates, exclude_seen=settings.exclude_seen)
        runs[name] = BaselineRun(name, rankings, TrainingRecord())
    return [runs[name] for name in settings.baselines]


def most_passes(name: str, settings: EvaluateConfig) -> int:
    """Return how many passes a baseline makes, at most where the best one is kept; 0 where it makes none."""
    if name in SASREC_MODELS:
        return settings.baseline_epochs.get(name, SASREC_MODELS[name].max_passes)
    return number_of_epochs(name, settings.baseline_epochs) if name in MODELS else 0


def training_name(name: str, settings: EvaluateConfig) -> str:
    """Return a file name that tells a training from others on the same events.

    Example:
        >>> training_name("sasrec", EvaluateConfig(baselines=("sasrec",), baseline_patience=20))
        'sasrec_200_20'
    """
    patience = f"_{settings.baseline_patience}" if name in SASREC_MODELS else ""
    return f"{name}_{most_passes(name, settings)}{patience}"


def trained_settings() -> dict[str, object]:
    """Return the sizes and settings of all trained baselines, as plain JSON types: a change of them trains anew."""
    ours = {name: {**dataclasses.asdict(model), "version": SASREC_VERSION} for name, model in SASREC_MODELS.items()}
    return {**ours, **{name: dataclasses.asdict(model) for name, model in MODELS.items()}}


def _logs_of_trained(
    settings: EvaluateConfig, candidates: Mapping[Competitors, list[list[int]]], kept: AnswerLogs
) -> dict[str, AnswerLog]:
    """Return the log of each baseline that is trained; it holds one batch with one run."""
    ranks = _what_ranks_depend_on(settings, candidates)
    return {
        name: kept.log(f"{training_name(name, settings)}_{ranks}", BaselineRun.to_plain, BaselineRun.from_plain)
        for name in settings.baselines
        if name not in COUNTED
    }


def _earlier_runs(logs: Mapping[str, AnswerLog]) -> dict[str, BaselineRun]:
    """Return the runs that logs hold, by name."""
    batches = {name: log.read(1) for name, log in logs.items()}
    return {name: batch[0][0][1] for name, batch in batches.items() if batch}


def _what_ranks_depend_on(settings: EvaluateConfig, candidates: Mapping[Competitors, list[list[int]]]) -> str:
    """Return a digest of what shapes the ranks of a trained baseline, but its training."""
    names = ("num_users", "exclude_seen", "num_negatives", "negatives_seed")
    return digest_of({name: getattr(settings, name) for name in names} | {"candidates": dict(candidates)})


def _train_all(names: list[str], work: _Work, logs: Mapping[str, AnswerLog]) -> dict[str, BaselineRun]:
    """Train and rank with models of these names, as many side by side as the evaluation has workers."""
    runs: dict[str, BaselineRun] = {}
    waiting, running = list(names), dict[ray.ObjectRef, str]()
    # inside a trial of Ray Tune, the default strategy keeps out of the trial's own tenth of a CPU
    task = ray.remote(num_cpus=work.num_threads, scheduling_strategy="DEFAULT")(_train_and_rank)
    shared = ray.put(work)
    with CountedProgress("training baselines", len(waiting), "models", are_alike=False) as progress:
        while waiting or running:
            while waiting and len(running) < work.settings.num_workers:
                name = waiting.pop(0)
                running[task.remote(name, shared)] = name
            progress.describe("; ".join(_state_of(name, work) for name in running.values()))
            for done in ray.wait(list(running), timeout=PROGRESS_POLL_S)[0]:
                name = running.pop(done)
                runs[name], seconds = result_of(done)
                logs[name].add(0, [(0, runs[name])])
                logger.info("trained and ranked with %s in %.0f s", name, seconds)
                progress.advance()
    return runs


def _state_of(name: str, work: _Work) -> str:
    """Return in words how far a training in another process is: its name, and the latest pass if it reports passes."""
    if name not in SASREC_MODELS:
        return name
    most, latest = most_passes(name, work.settings), _files(name, work).latest_pass()
    if latest is None:
        return f"{name}: pass 1 of at most {most}"
    return (
        f"{name}: pass {latest.number} of at most {most}, loss {latest.loss:.3f}, "
        f"validation NDCG@10 {latest.validation_ndcg:.4f}"
    )


def _files(name: str, work: _Work) -> TrainingFiles:
    return TrainingFiles(work.folder, training_name(name, work.settings))


def _train_and_rank(name: str, work: _Work) -> tuple[BaselineRun, float]:
    """Return what one trained model does, and the seconds it took."""
    began = time.monotonic()
    with torch_threads(work.num_threads):
        ranker, training = _train(name, work)
        rankings = rank_with_baseline(
            name,
            ranker,
            work.data.cases,
            work.candidates,
            exclude_seen=work.settings.exclude_seen,
            show_progress=False,
        )
    return BaselineRun(name, rankings, training), time.monotonic() - began


def _train(name: str, work: _Work) -> tuple[Ranker, TrainingRecord]:
    passes = most_passes(name, work.settings)
    if name in SASREC_MODELS:
        patience = work.settings.baseline_patience
        return build_sasrec(
            name,
            work.events,
            work.num_items,
            seed=work.seed,
            max_passes=passes,
            patience=patience,
            files=_files(name, work),
        )
    ranker = build_ranker(
        name,
        work.data.training_sequences,
        work.num_items,
        seed=work.seed,
        num_threads=work.num_threads,
        epochs=passes,
        show_progress=False,
    )
    return ranker, TrainingRecord(num_passes=passes)
