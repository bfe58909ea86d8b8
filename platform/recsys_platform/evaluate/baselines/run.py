"""What the baselines do with the cases: counted ones at once, trained ones as tasks of the Ray cluster, side by side.

The ranks of a trained model are kept among the answers of the unfinished evaluation, so one that goes on trains no
model again.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ray
import ray.exceptions
from tqdm import tqdm

from recsys_model.errors import RecsysError
from recsys_model.evaluation.baselines import CoOccurrence, Popularity, Ranker
from recsys_model.evaluation.neighbours import ItemNeighbours
from recsys_platform.config.stages import EvaluateConfig
from recsys_platform.evaluate.answer_log import AnswerLog, PartialAnswers
from recsys_platform.evaluate.baselines.cornac_models import build_ranker
from recsys_platform.evaluate.baselines.cornac_settings import MODELS, number_of_epochs
from recsys_platform.evaluate.baselines.sasrec import SASREC_MODELS, HeldOutEvents, build_sasrec, events_to_train_on
from recsys_platform.evaluate.pool import threads_per_worker, torch_threads
from recsys_platform.evaluate.ranking.cases import EvaluationData
from recsys_platform.evaluate.ranking.rankings import Competitors, Rankings, rank_with_baseline

logger = logging.getLogger(__name__)

COUNTED = {"popularity": Popularity, "co_occurrence": CoOccurrence, "item_knn": ItemNeighbours}
POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class BaselineRun:
    """What one baseline did, and how it was trained."""

    name: str
    """As in the configuration."""
    rankings: Rankings
    """Of all cases."""
    training: dict[str, Any]
    """Plain JSON: with passes, `num_passes` that were made; of those that keep the best also `max_passes`, `patience`,
    `kept_pass` and its `validation_ndcg_at_10`. Empty for counted ones."""

    def to_plain(self) -> dict[str, Any]:
        """Return the same as plain JSON types."""
        return {"name": self.name, "rankings": self.rankings.to_plain(), "training": self.training}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "BaselineRun":
        """Return what `to_plain` was called on."""
        return cls(plain["name"], Rankings.from_plain(plain["rankings"]), plain["training"])


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


def rank_with_baselines(
    settings: EvaluateConfig,
    data: EvaluationData,
    candidates: Mapping[Competitors, list[list[int]]],
    num_items: int,
    seed: int,
    partial_answers: PartialAnswers,
) -> list[BaselineRun]:
    """Return what each baseline does, in the order of the configuration; Ray must be initialised.

    Raises:
        DataError: there is nothing to learn from, or a training diverged.
    """
    logs: dict[str, AnswerLog] = {
        name: _log(name, settings, partial_answers) for name in settings.baselines if name not in COUNTED
    }
    runs: dict[str, BaselineRun] = {name: found[0][0][1] for name, log in logs.items() if (found := log.read(1))}
    waiting: list[str] = [name for name in logs if name not in runs]
    if waiting:
        num_threads = threads_per_worker(min(len(waiting), settings.num_workers))
        events = events_to_train_on(data, settings.split)
        work = _Work(data, events, dict(candidates), num_items, seed, settings, num_threads)
        runs |= _train_all(waiting, work, logs)
    for name in set(settings.baselines) & set(COUNTED):
        ranker = COUNTED[name](data.training_sequences, num_items)
        ranked = rank_with_baseline(name, ranker, data.cases, candidates, exclude_seen=settings.exclude_seen)
        runs[name] = BaselineRun(name, ranked, {})
    return [runs[name] for name in settings.baselines]


def most_passes(name: str, settings: EvaluateConfig) -> int:
    """Return how many passes a baseline makes, at most where the best one is kept; 0 where it makes none."""
    if name in SASREC_MODELS:
        return settings.baseline_epochs.get(name, SASREC_MODELS[name].max_passes)
    return number_of_epochs(name, settings.baseline_epochs) if name in MODELS else 0


def _log(name: str, settings: EvaluateConfig, partial_answers: PartialAnswers) -> AnswerLog:
    """Return the log of a trained model; its name tells what `partial_answers` does not know of the training."""
    patience = f"_{settings.baseline_patience}" if name in SASREC_MODELS else ""
    log_name = f"baseline_{name}_{most_passes(name, settings)}{patience}"
    return partial_answers.log(log_name, BaselineRun.to_plain, BaselineRun.from_plain)


def _train_all(names: list[str], work: _Work, logs: Mapping[str, AnswerLog]) -> dict[str, BaselineRun]:
    """Train and rank with models of these names, as many side by side as the evaluation has workers."""
    runs: dict[str, BaselineRun] = {}
    waiting, running = list(names), dict[ray.ObjectRef, str]()
    # inside a trial of Ray Tune, the default strategy keeps out of the trial's own tenth of a CPU
    task = ray.remote(num_cpus=work.num_threads, scheduling_strategy="DEFAULT")(_train_and_rank)
    shared = ray.put(work)
    with tqdm(total=len(waiting), desc="training baselines", unit="model") as progress:
        while waiting or running:
            while waiting and len(running) < work.settings.num_workers:
                name = waiting.pop(0)
                running[task.remote(name, shared)] = name
            progress.set_postfix_str(f"at work on {', '.join(running.values())}")
            for done in ray.wait(list(running), timeout=POLL_SECONDS)[0]:
                name = running.pop(done)
                runs[name], seconds = _result_of(done)
                logs[name].add(0, [(0, runs[name])])
                logger.info("trained and ranked with %s in %.0f s", name, seconds)
                progress.update()
    return runs


def _result_of(task: ray.ObjectRef) -> tuple[BaselineRun, float]:
    try:
        return ray.get(task)
    except ray.exceptions.RayTaskError as error:
        # our own errors tell enough without the worker's call stack
        raise error.cause if isinstance(error.cause, RecsysError) else error from None


def _train_and_rank(name: str, work: _Work) -> tuple[BaselineRun, float]:
    """Return what one trained model does, and the seconds it took."""
    began = time.monotonic()
    # this process is Ray's and has no handler: without one an hour of training would pass in silence
    logging.basicConfig()
    logging.getLogger("recsys_platform").setLevel(logging.INFO)
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


def _train(name: str, work: _Work) -> tuple[Ranker, dict[str, Any]]:
    passes = most_passes(name, work.settings)
    if name in SASREC_MODELS:
        patience = work.settings.baseline_patience
        return build_sasrec(name, work.events, work.num_items, seed=work.seed, max_passes=passes, patience=patience)
    ranker = build_ranker(
        name,
        work.data.training_sequences,
        work.num_items,
        seed=work.seed,
        num_threads=work.num_threads,
        epochs=passes,
        show_progress=False,
    )
    return ranker, {"num_passes": passes} if passes else {}
