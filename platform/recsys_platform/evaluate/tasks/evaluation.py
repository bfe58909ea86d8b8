"""The evaluation of the task families: every trained task, asked in seen and, apart from these, in unseen words."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from recsys_model.entities.catalog import Catalog
from recsys_model.errors import DataError
from recsys_model.evaluation.baselines import CoOccurrence, Popularity
from recsys_model.text.language import LANGUAGES, Language
from recsys_model.text.tasks import TASKS
from recsys_model.text.templates import TEMPLATE_SPLITS, TemplateSplit, load_templates
from recsys_platform.artifacts import Manifest
from recsys_platform.config.run import RunConfig
from recsys_platform.evaluate.report.content import TaskEntry
from recsys_platform.evaluate.report.measured import measured_values
from recsys_platform.evaluate.tasks.answers import TaskAnswer
from recsys_platform.evaluate.tasks.baselines import TrainingAnswers
from recsys_platform.evaluate.tasks.cases import CaseBuilder, TaskCase, UserDraw
from recsys_platform.evaluate.tasks.data import (
    iter_held_out,
    iter_training,
    num_candidates,
)
from recsys_platform.evaluate.tasks.metrics import AnsweredCases, TaskMeter, Training
from recsys_platform.evaluate.tasks.rows import build_task_examples, build_task_rows
from recsys_platform.evaluate.tasks.statements import TaskCounts, describe_task
from recsys_platform.evaluate.tasks.workers import TaskWorkerSettings, answer_all, decode_answer, encode_answer
from recsys_platform.evaluate.workers.answer_log import AnswerLogs
from recsys_platform.evaluate.workers.model import WorkerSettings
from recsys_platform.task_columns import load_item_facts, load_text_config

logger = logging.getLogger(__name__)

TASKS_FILE = "tasks.parquet"


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskEvaluation:
    """What came out for all tasks; empty where none was trained or asked for."""

    entries: tuple[TaskEntry, ...]
    """One for each task and kind of words."""
    answered: list[tuple[TaskCase, TaskAnswer]]
    """Every question with its answer."""
    catalog: Catalog
    """Titles of the items."""
    language: Language
    """Language of the questions."""

    def write(self, folder: Path) -> None:
        """Write `tasks.parquet`, one row a question, into a folder; nothing where no task was asked."""
        if self.entries:
            rows = build_task_rows(self.answered, self.catalog, self.language)
            pq.write_table(rows, folder / TASKS_FILE, compression="zstd")


def evaluate_tasks(
    config: RunConfig,
    tasks: Sequence[str],
    checkpoint: Manifest,
    ranking: WorkerSettings,
    catalog: Catalog,
    training_sequences: Sequence[np.ndarray],
    partial_answers: AnswerLogs,
) -> TaskEvaluation:
    """Ask tasks about the held-out events of the split; Ray must be initialised.

    Args:
        config: The run.
        tasks: Names of tasks that were trained; none gives nothing.
        checkpoint: How they were trained.
        ranking: Model and item search of the ranking of the next item.
        catalog: The items.
        training_sequences: Catalogue indices of the events of every user that the model was trained on.
        partial_answers: What an earlier attempt answered.

    Raises:
        CheckpointError: the dataset was made without tasks.
        DataError: the catalogue is too small for the candidates of a question.
    """
    language = LANGUAGES[load_text_config(config.dataset_folder).language]
    if not tasks:
        return TaskEvaluation(entries=(), answered=[], catalog=catalog, language=language)
    draw = _draw_users(config, tasks)
    cases = _build_cases(config, checkpoint, tasks, draw, len(catalog.items), language)
    logger.info("asking %d questions of %d tasks", len(cases), len(tasks))
    answers = _answer(config, cases, ranking, catalog, partial_answers)
    meter = _build_meter(config, cases, training_sequences, len(catalog.items), language)
    groups = _grouped(cases, answers)
    entries = tuple(
        _entry(config, checkpoint, key, group, draw.num_users[key[0]], meter, catalog) for key, group in groups.items()
    )
    answered = [pair for group in groups.values() for pair in group.answered]
    return TaskEvaluation(entries=entries, answered=answered, catalog=catalog, language=language)


def ask_in_seen_words(
    config: RunConfig, task: str, checkpoint: Manifest, ranking: WorkerSettings, catalog: Catalog
) -> AnsweredCases:
    """Return the answered questions of one task in seen words; Ray must be initialised.

    Raises:
        CheckpointError: the dataset was made without tasks.
        DataError: no user can be asked, or the catalogue is too small for the candidates of a question.
    """
    language = LANGUAGES[load_text_config(config.dataset_folder).language]
    draw = _draw_users(config, [task])
    cases = [
        case
        for case in _build_cases(config, checkpoint, [task], draw, len(catalog.items), language)
        if case.templates == "seen"
    ]
    answers = _answer(config, cases, ranking, catalog, None)
    answered = _complete(list(zip(cases, answers, strict=True))).answered
    if not answered:
        raise DataError(
            f"no user of the {config.evaluate.split} split can be asked the task {task}, {len(cases)} questions were too "
            "long for a text; lower tasks.num_candidates or raise text.max_tokens"
        )
    return answered


@dataclass(frozen=True, slots=True)
class Group:
    """The questions of one task in one kind of words."""

    answered: AnsweredCases
    """Those of users all of whose questions were answered."""
    num_users: int
    """These users."""
    num_left_out: int
    """The others."""


def _draw_users(config: RunConfig, tasks: Sequence[str]) -> UserDraw:
    draw = UserDraw(tasks, config.evaluate.task_users, config.seed)
    categories = load_item_facts(config.dataset_folder).categories
    for event in iter_held_out(config.dataset_folder, config.evaluate.split, categories):
        draw.offer(event)
    return draw


def _build_cases(
    config: RunConfig,
    checkpoint: Manifest,
    tasks: Sequence[str],
    draw: UserDraw,
    num_items: int,
    language: Language,
) -> list[TaskCase]:
    """Return the questions, task by task, those in seen words first."""
    builder = CaseBuilder(
        load_templates(language.code),
        seed=config.seed,
        num_items=num_items,
        num_candidates=num_candidates(checkpoint.config),
    )
    return [
        case for task in tasks for words in TEMPLATE_SPLITS for case in builder.build(task, words, draw.drawn(task))
    ]


def _answer(
    config: RunConfig,
    cases: Sequence[TaskCase],
    ranking: WorkerSettings,
    catalog: Catalog,
    partial_answers: AnswerLogs | None,
) -> list[TaskAnswer | None]:
    return answer_all(
        cases,
        TaskWorkerSettings(ranking=ranking, generation=config.generation),
        catalog,
        num_workers=config.evaluate.num_workers,
        batch_size=config.evaluate.batch_size,
        log=None if partial_answers is None else partial_answers.log("tasks", encode_answer, decode_answer),
    )


def _build_meter(
    config: RunConfig,
    cases: Sequence[TaskCase],
    sequences: Sequence[np.ndarray],
    num_items: int,
    language: Language,
) -> TaskMeter:
    return TaskMeter(
        _count_training(config, cases, sequences, num_items, language),
        language=language.code,
        num_samples=config.evaluate.bootstrap_samples,
        seed=config.seed,
        exclude_seen=config.evaluate.exclude_seen,
    )


def _count_training(
    config: RunConfig,
    cases: Sequence[TaskCase],
    sequences: Sequence[np.ndarray],
    num_items: int,
    language: Language,
) -> Training:
    """Count what baselines answer from; texts and ratings are of the events that training examples ask for."""
    answers = TrainingAnswers((case.facts for case in cases), language.code)
    for facts in iter_training(config.dataset_folder, load_item_facts(config.dataset_folder).categories):
        answers.add(facts)
    return Training(
        answers=answers, popularity=Popularity(sequences, num_items), co_occurrence=CoOccurrence(sequences, num_items)
    )


def _grouped(cases: Sequence[TaskCase], answers: Sequence[TaskAnswer | None]) -> dict[tuple[str, TemplateSplit], Group]:
    """Group questions by task and words; a user with a question that was not answered is left out whole."""
    groups: dict[tuple[str, TemplateSplit], list[tuple[TaskCase, TaskAnswer | None]]] = {}
    for case, answer in zip(cases, answers, strict=True):
        groups.setdefault((case.task, case.templates), []).append((case, answer))
    return {key: _complete(pairs) for key, pairs in groups.items()}


def _complete(pairs: Sequence[tuple[TaskCase, TaskAnswer | None]]) -> Group:
    users = {case.event.user_id for case, _ in pairs}
    left_out = {case.event.user_id for case, answer in pairs if answer is None}
    answered = [(case, answer) for case, answer in pairs if answer is not None and case.event.user_id not in left_out]
    return Group(answered, len(users) - len(left_out), len(left_out))


def _entry(
    config: RunConfig,
    checkpoint: Manifest,
    key: tuple[str, TemplateSplit],
    group: Group,
    num_askable: int,
    meter: TaskMeter,
    catalog: Catalog,
) -> TaskEntry:
    task, words = key
    metrics = meter.measure(group.answered) if group.answered else {}
    counts = TaskCounts(
        num_users=group.num_users + group.num_left_out,
        num_askable=num_askable,
        num_left_out=group.num_left_out,
        num_items=len(catalog.items),
        num_candidates=num_candidates(checkpoint.config),
    )
    statements = describe_task(
        task,
        words,
        counts,
        split=config.evaluate.split,
        exclude_seen=config.evaluate.exclude_seen,
        language=meter.language,
    )
    return TaskEntry(
        task=task,
        family=TASKS[task].family,
        templates=words,
        template_ids=tuple(sorted({case.template_id for case, _ in group.answered})),
        num_cases=len(group.answered),
        statements=tuple(statements),
        metrics={method: measured_values(estimates) for method, estimates in metrics.items()},
        examples=build_task_examples(group.answered, catalog, LANGUAGES[meter.language]),
        warnings=tuple(meter.warnings(group.answered)) if group.answered else (),
    )
