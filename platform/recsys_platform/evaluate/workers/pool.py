"""Batches of cases on a pool of Ray actors, with their progress, and what survives if the driver dies.

Batches are made before and do not depend on the number of workers, so neither do the answers. An actor that dies is
started again and its batch repeated; batches that an earlier attempt answered are not asked again. An actor gets its
first batch once it runs: one that finds no room, since other work holds it, keeps no batch waiting.
"""

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import ray
import torch

from recsys_platform.capacity import Demand, check_room, largest_node_cpus
from recsys_platform.cluster import result_of
from recsys_platform.evaluate.workers.answer_log import AnswerLog
from recsys_platform.progress import CountedProgress

logger = logging.getLogger(__name__)

AnyCase = TypeVar("AnyCase")
MAX_RESTARTS = 2


def answer_batches(
    worker: type,
    arguments: Sequence[Any],
    method: str,
    batches: Sequence[list[tuple[int, Any]]],
    *,
    num_workers: int,
    use_gpu: bool,
    unit: str,
    log: AnswerLog | None = None,
) -> dict[int, Any]:
    """Call `worker(*arguments).method(batch)` for every batch and return place -> answer; Ray must be initialised.

    Args:
        worker: The actor's class, made with `arguments`; its `method` takes a batch and returns `(place, answer)` pairs.
        arguments: See `worker`.
        method: See `worker`.
        batches: Cases that are answered together, each with its place among all cases.
        num_workers: Actors, at most as many as there are batches; with `use_gpu`, each has a GPU.
        use_gpu: See `num_workers`.
        unit: What cases are called where progress is shown, in the plural.
        log: Answers of an earlier attempt; new ones are added to it.

    Raises:
        ConfigError: the cluster can never hold so many workers.
        RecsysError: a worker refuses its settings or a batch.
    """
    earlier = {} if log is None else log.read(len(batches))
    answers = {place: answer for pairs in earlier.values() for place, answer in pairs}
    if earlier:
        logger.info("%d of %d batches were answered before, going on", len(earlier), len(batches))
    tasks = [(number, batch) for number, batch in enumerate(batches) if number not in earlier]
    total = sum(map(len, batches))
    with CountedProgress("answering", total, unit, done=len(answers)) as progress:
        if not tasks:
            return answers
        check_room([workers_of(num_workers, use_gpu=use_gpu)])
        workers = _start_workers(worker, arguments, num_workers=min(num_workers, len(tasks)), use_gpu=use_gpu)
        for number, answered in _answers_of(workers, method, tasks):
            if log is not None:
                log.add(number, answered)
            answers.update(answered)
            progress.advance(len(answered))
    return answers


def build_batches(cases: Sequence[AnyCase], lengths: Sequence[int], batch_size: int) -> list[list[tuple[int, AnyCase]]]:
    """Cut cases into batches of similar length, longest first so that no long one is left for the end.

    Example:
        >>> build_batches(["a", "bbb", "cc"], [1, 3, 2], batch_size=2)
        [[(1, 'bbb'), (2, 'cc')], [(0, 'a')]]
    """
    order = sorted(range(len(cases)), key=lambda place: (-lengths[place], place))
    numbered = [(place, cases[place]) for place in order]
    return [numbered[start : start + batch_size] for start in range(0, len(numbered), batch_size)]


def workers_of(num_workers: int, *, use_gpu: bool) -> Demand:
    """Return what all workers of an evaluation together need of the cluster."""
    return Demand(
        setting="evaluate.num_workers",
        count=num_workers,
        num_cpus=1,
        num_gpus=int(use_gpu),
        way_out="lower evaluate.num_workers",
    )


def threads_per_worker(num_workers: int) -> int:
    """Return how many threads each worker may use so that together they fill the CPU cores of one node."""
    cores = min(os.cpu_count() or 1, largest_node_cpus())
    return max(1, cores // num_workers)


class NumberedWorker:
    """An actor around a worker, which sends the number of a batch back with its answers."""

    def __init__(self, worker: type, arguments: Sequence[Any]) -> None:
        """Take what the worker is made with; it is made in a call, whose errors, unlike those of `__init__`, come back."""
        self._build = lambda: worker(*arguments)
        self._worker: Any = None

    def start(self) -> None:
        """Make the worker."""
        self._worker = self._worker or self._build()

    def answer(self, method: str, number: int, batch: list[tuple[int, Any]]) -> tuple[int, list[tuple[int, Any]]]:
        """Return the number and the answers of a batch."""
        # Ray may have started the actor again
        self.start()
        return number, getattr(self._worker, method)(batch)


def _start_workers(worker: type, arguments: Sequence[Any], *, num_workers: int, use_gpu: bool) -> list[Any]:
    options = {"num_cpus": 1, "num_gpus": int(use_gpu), "max_restarts": MAX_RESTARTS, "max_task_retries": MAX_RESTARTS}
    # inside a trial of Ray Tune, the default strategy keeps out of the trial's own tenth of a CPU
    actor = ray.remote(**options, scheduling_strategy="DEFAULT")(NumberedWorker)
    return [actor.remote(worker, arguments) for _ in range(num_workers)]


def _answers_of(
    workers: Sequence[Any], method: str, tasks: Sequence[tuple[int, list[tuple[int, Any]]]]
) -> Iterator[tuple[int, list[tuple[int, Any]]]]:
    """Yield the number and the answers of each batch as they come."""
    waiting, num_open = list(reversed(tasks)), len(tasks)
    running: dict[ray.ObjectRef, Any] = {worker.start.remote(): worker for worker in workers}
    while num_open:
        for done in ray.wait(list(running))[0]:
            worker, result = running.pop(done), result_of(done)
            if waiting:
                running[worker.answer.remote(method, *waiting.pop())] = worker
            # `start` returns nothing
            if result is not None:
                num_open -= 1
                yield result


@contextlib.contextmanager
def torch_threads(num_threads: int) -> Iterator[None]:
    """Let torch use so many threads inside, and as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(num_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
