"""What the baselines do with the cases: counted ones at once, models of cornac as tasks of the Ray cluster, side by side.

The ranks of a trained model are kept among the answers of the unfinished evaluation, so one that goes on trains no
model again.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass

import ray
import ray.exceptions
from tqdm import tqdm

from recsys_model.errors import RecsysError
from recsys_model.evaluation.baselines import CoOccurrence, Popularity
from recsys_platform.evaluate.cases import EvaluationData
from recsys_platform.evaluate.cornac_models import build_ranker
from recsys_platform.evaluate.cornac_settings import MODELS, number_of_epochs
from recsys_platform.evaluate.pool import threads_per_worker
from recsys_platform.evaluate.rankings import Competitors, Rankings, rank_with_baseline
from recsys_platform.evaluate.unfinished import Unfinished
from recsys_platform.settings import EvaluateConfig

logger = logging.getLogger(__name__)

COUNTED = {"popularity": Popularity, "co_occurrence": CoOccurrence}
POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Work:
    """What all models of cornac are given."""

    data: EvaluationData
    candidates: dict[Competitors, list[list[int]]]
    num_items: int
    seed: int
    exclude_seen: bool
    num_threads: int


def rank_with_baselines(
    settings: EvaluateConfig,
    data: EvaluationData,
    candidates: Mapping[Competitors, list[list[int]]],
    num_items: int,
    seed: int,
    unfinished: Unfinished,
) -> list[Rankings]:
    """Return what each baseline does, in the order of the configuration; Ray must be initialised.

    Raises:
        DataError: there is nothing to learn from, or a training diverged.
    """
    ranked = _rank_with_cornac(settings, data, candidates, num_items, seed, unfinished)
    for name in set(settings.baselines) & set(COUNTED):
        ranker = COUNTED[name](data.training_sequences, num_items)
        ranked[name] = rank_with_baseline(name, ranker, data.cases, candidates, exclude_seen=settings.exclude_seen)
    return [ranked[name] for name in settings.baselines]


def _rank_with_cornac(
    settings: EvaluateConfig,
    data: EvaluationData,
    candidates: Mapping[Competitors, list[list[int]]],
    num_items: int,
    seed: int,
    unfinished: Unfinished,
) -> dict[str, Rankings]:
    names: list[str] = [name for name in settings.baselines if name in MODELS]
    epochs = {name: number_of_epochs(name, settings.baseline_epochs) for name in names}
    logs = {name: unfinished.log(f"{name}_{epochs[name]}", Rankings.to_plain, Rankings.from_plain) for name in names}
    ranked = {name: found[0][0][1] for name, log in logs.items() if (found := log.read(1))}
    waiting = [name for name in names if name not in ranked]
    if not waiting:
        return ranked
    num_threads = threads_per_worker(min(len(waiting), settings.num_workers))
    # inside a trial of Ray Tune, the default strategy keeps out of the trial's own tenth of a CPU
    task = ray.remote(num_cpus=num_threads, scheduling_strategy="DEFAULT")(_train_and_rank)
    work = ray.put(_Work(data, dict(candidates), num_items, seed, settings.exclude_seen, num_threads))
    running: dict[ray.ObjectRef, str] = {}
    with tqdm(total=len(waiting), desc="training baselines", unit="model") as progress:
        while waiting or running:
            while waiting and len(running) < settings.num_workers:
                name = waiting.pop(0)
                running[task.remote(name, epochs[name], work)] = name
            progress.set_postfix_str(f"at work on {', '.join(running.values())}")
            for done in ray.wait(list(running), timeout=POLL_SECONDS)[0]:
                name = running.pop(done)
                ranked[name], seconds = _result_of(done)
                logs[name].add(0, [(0, ranked[name])])
                logger.info("trained and ranked with %s in %.0f s", name, seconds)
                progress.update()
    return ranked


def _result_of(task: ray.ObjectRef) -> tuple[Rankings, float]:
    try:
        return ray.get(task)
    except ray.exceptions.RayTaskError as error:
        # our own errors tell enough without the worker's call stack
        raise error.cause if isinstance(error.cause, RecsysError) else error from None


def _train_and_rank(name: str, epochs: int, work: _Work) -> tuple[Rankings, float]:
    """Return what one model of cornac does, and the seconds it took."""
    began = time.monotonic()
    ranker = build_ranker(
        name,
        work.data.training_sequences,
        work.num_items,
        seed=work.seed,
        num_threads=work.num_threads,
        epochs=epochs,
        show_progress=False,
    )
    rankings = rank_with_baseline(
        name, ranker, work.data.cases, work.candidates, exclude_seen=work.exclude_seen, show_progress=False
    )
    return rankings, time.monotonic() - began
