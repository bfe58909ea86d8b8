"""Questions answered on a pool of Ray actors.

A batch holds questions of one task and of similar length. Batches do not depend on the number of workers, so neither
do the answers.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from recsys_model.config import GenerationConfig
from recsys_model.entities.catalog import Catalog
from recsys_model.text.tokenizer import load_tokenizer
from recsys_platform.evaluate.tasks.answers import TaskAnswer, TaskAnswerer
from recsys_platform.evaluate.tasks.cases import TaskCase
from recsys_platform.evaluate.workers.answer_log import AnswerLog
from recsys_platform.evaluate.workers.model import WorkerSettings, load_model
from recsys_platform.evaluate.workers.pool import answer_batches
from recsys_platform.file_names import TOKENIZER_FOLDER
from recsys_platform.task_columns import load_task_source

CHARACTERS_PER_TOKEN = 4
"""A rough guess for reviews, good enough to sort questions by length."""

TaskBatch = list[tuple[int, TaskCase]]
"""Questions that are answered together, each with its place among all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskWorkerSettings:
    """What every worker needs to answer alike."""

    ranking: WorkerSettings
    """Model, dataset, and the search for items."""
    generation: GenerationConfig
    """The search for free text."""


class TaskWorker:
    """Holds one copy of the model and answers batches of questions."""

    def __init__(self, settings: TaskWorkerSettings) -> None:
        ranking = settings.ranking
        torch.set_num_threads(ranking.num_threads)
        source = load_task_source(ranking.dataset_folder)
        model, scorer = load_model(ranking, source.catalog.items)
        self._answerer = TaskAnswerer(
            model,
            source,
            load_tokenizer(ranking.dataset_folder / TOKENIZER_FOLDER),
            ranking.decoding,
            settings.generation,
            intra_mode=ranking.intra_mode,
            exclude_seen=ranking.exclude_seen,
            scorer=scorer,
            trie_temperature=ranking.trie_temperature,
        )

    def answer(self, batch: TaskBatch) -> list[tuple[int, TaskAnswer | None]]:
        """Return, for each question of the batch, its place among all and its answer, None where it does not fit."""
        answers = self._answerer.answer([case for _, case in batch])
        return [(place, answer) for (place, _), answer in zip(batch, answers, strict=True)]


def answer_all(
    cases: Sequence[TaskCase],
    settings: TaskWorkerSettings,
    catalog: Catalog,
    *,
    num_workers: int,
    batch_size: int,
    log: AnswerLog | None = None,
) -> list[TaskAnswer | None]:
    """Return the answer to each question, in their order; Ray must be initialised.

    `log`, with `encode_answer` and `decode_answer`, holds what an earlier attempt answered.
    """
    batches = build_task_batches(cases, catalog, batch_size)
    answers = answer_batches(
        TaskWorker,
        (settings,),
        "answer",
        batches,
        num_workers=num_workers,
        use_gpu=settings.ranking.use_gpu,
        unit="questions",
        log=log,
    )
    return [answers[place] for place in range(len(cases))]


def encode_answer(answer: TaskAnswer | None) -> Mapping[str, object] | None:
    """Return an answer as plain JSON."""
    return None if answer is None else dataclasses.asdict(answer)


def decode_answer(row: dict[str, Any] | None) -> TaskAnswer | None:
    """Return what `encode_answer` was given."""
    if row is None:
        return None
    return TaskAnswer(**row | {"items": tuple(row["items"]), "scores": tuple(row["scores"])})


def build_task_batches(cases: Sequence[TaskCase], catalog: Catalog, batch_size: int) -> list[TaskBatch]:
    """Cut the questions into batches of one task and similar length, longest first."""
    task_to_numbered: dict[str, list[tuple[int, int, TaskCase]]] = {}
    for place, case in enumerate(cases):
        task_to_numbered.setdefault(case.task, []).append((-_rough_length(case, catalog), place, case))
    batches = [batch for numbered in task_to_numbered.values() for batch in _cut(numbered, batch_size)]
    batches.sort(key=lambda batch: batch[0][0])
    return [[(place, case) for _, place, case in batch] for batch in batches]


def _cut(numbered: list[tuple[int, int, TaskCase]], size: int) -> Iterator[list[tuple[int, int, TaskCase]]]:
    ordered = sorted(numbered, key=lambda entry: entry[:2])
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]


def _rough_length(case: TaskCase, catalog: Catalog) -> int:
    """Return about how many tokens a question has beside the words of its template."""
    facts = case.facts
    items = [*(event.item for event in facts.history), *facts.candidates]
    titles = sum(len(catalog.items[item].token_ids) for item in items)
    return titles + len(facts.review) // CHARACTERS_PER_TOKEN
