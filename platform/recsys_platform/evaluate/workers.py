"""Trie-guided recommendation for many users on a pool of Ray actors.

Users of similar prompt length are decoded together, which saves padding. The batches do not
depend on the number of workers, so neither do the recommendations.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import ray
import torch
from ray.util import ActorPool
from tqdm import tqdm

from recsys_model.config import DecodingConfig
from recsys_model.decoding.beam import TrieGuidedGenerator
from recsys_model.entities.catalog import load_catalog
from recsys_model.errors import ConfigError
from recsys_model.infilling.example import build_prompt
from recsys_model.infilling.positions import IntraMode
from recsys_model.text.tokenizer import load_tokenizer
from recsys_platform.checkpoints import load_trained_model
from recsys_platform.evaluate.cases import Case

Batch = list[tuple[int, Case]]
"""Cases that are decoded together, each with its place among all cases."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerSettings:
    """What every worker needs to build the same generator."""

    dataset_folder: Path
    """Tokenizer and catalogue."""
    checkpoint_folder: Path
    """The trained model."""
    decoding: DecodingConfig
    """The beam search."""
    intra_mode: IntraMode
    """How the model's intra position ids were counted in training."""
    exclude_seen: bool
    """Whether the user's own items are taken out of the ranking."""
    num_threads: int = 1
    """Threads of torch in each worker."""
    use_gpu: bool = False
    """One GPU per worker, and bf16 there."""


class Recommender(Protocol):
    """What answers batches of users."""

    def __init__(self, settings: WorkerSettings) -> None: ...

    def recommend(self, batch: Batch, k: int) -> list[tuple[int, list[int]]]:
        """Return, for each case of the batch, its place among all cases and its `k` best items."""
        ...


class RecommendationWorker:
    """Holds one copy of the model and answers batches of users."""

    def __init__(self, settings: WorkerSettings):
        torch.set_num_threads(settings.num_threads)
        self._settings = settings
        device, dtype = ("cuda", torch.bfloat16) if settings.use_gpu else ("cpu", torch.float32)
        model = load_trained_model(settings.checkpoint_folder, dtype=dtype, verify=False).to(device).eval()
        self._special = load_tokenizer(settings.dataset_folder / "tokenizer").special
        catalog = load_catalog(settings.dataset_folder)
        self._generator = TrieGuidedGenerator(model, catalog, self._special, settings.decoding)

    def recommend(self, batch: Batch, k: int) -> list[tuple[int, list[int]]]:
        """Return, for each case of the batch, its place among all cases and its `k` best items."""
        prompts = [build_prompt(case.text, self._special, self._settings.intra_mode) for _, case in batch]
        excluded = [case.seen_items for _, case in batch] if self._settings.exclude_seen else None
        answers = self._generator.recommend(prompts, k, excluded)
        return [(place, [found.item for found in answer]) for (place, _), answer in zip(batch, answers, strict=True)]


def recommend_for_all(
    cases: Sequence[Case],
    settings: WorkerSettings,
    *,
    k: int,
    num_workers: int,
    batch_size: int,
    worker: type[Recommender] = RecommendationWorker,
) -> list[list[int]]:
    """Return the catalogue indices of the `k` best items for each case, best first, in the order of the cases.

    Ray must be initialised. A worker that dies is started again and its batch repeated. `worker` is the class of
    what answers.
    """
    batches = build_batches(cases, batch_size)
    pool = start_pool(worker, settings, num_workers=min(num_workers, len(batches)), use_gpu=settings.use_gpu)
    answers: list[list[int]] = [[] for _ in cases]
    with tqdm(total=len(cases), desc="recommending", unit="user", mininterval=1.0) as progress:
        for answered in pool.map_unordered(lambda worker, batch: worker.recommend.remote(batch, k), batches):
            for place, items in answered:
                answers[place] = items
            progress.update(len(answered))
    return answers


def build_batches(cases: Sequence[Case], batch_size: int) -> list[Batch]:
    """Cut the cases into batches of similar length, longest first so that no long one is left for the end."""
    numbered = sorted(enumerate(cases), key=lambda pair: (-len(pair[1].text.token_ids), pair[0]))
    return [numbered[start : start + batch_size] for start in range(0, len(numbered), batch_size)]


def threads_per_worker(num_workers: int) -> int:
    """Return how many threads each worker may use so that together they fill the cluster's CPU cores."""
    cores = min(os.cpu_count() or 1, int(ray.cluster_resources().get("CPU", 1)))
    return max(1, cores // num_workers)


def _room(use_gpu: bool) -> int:
    """Return how many workers the cluster can hold; one more would wait for ever, and its batch with it."""
    resources = ray.cluster_resources()
    room = int(min(resources.get("CPU", 0), resources.get("GPU", 0) if use_gpu else math.inf))
    if room < 1:
        raise ConfigError(
            f"evaluate needs one CPU{' and one GPU' if use_gpu else ''} for a worker, the Ray cluster has {resources}"
        )
    return room


def start_pool(worker: type, *arguments: Any, num_workers: int, use_gpu: bool) -> ActorPool:
    """Start so many actors of a class, or as many as the cluster can hold; one that dies is replaced and its batch repeated."""
    # a dead worker is replaced twice, its batch is sent again
    options = {"num_cpus": 1, "num_gpus": int(use_gpu), "max_restarts": 2, "max_task_retries": 2}
    # inside a trial of Ray Tune, the default strategy keeps out of the trial's own tenth of a CPU
    worker_class = ray.remote(**options, scheduling_strategy="DEFAULT")(worker)
    return ActorPool([worker_class.remote(*arguments) for _ in range(min(num_workers, _room(use_gpu)))])
