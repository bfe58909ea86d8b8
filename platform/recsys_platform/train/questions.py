"""Build questions from rows: which row becomes which question in which epoch.

A draw depends on (seed, user, target, epoch) alone, so a resumed run builds the same questions.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recsys_model.config import TasksConfig, require
from recsys_model.errors import ConfigError, UnaskableError
from recsys_model.text.task_sampling import DrawKey, TaskSampler, only_family, trained_families
from recsys_model.text.task_text import TaskText
from recsys_model.text.tasks import TASKS
from recsys_platform.artifacts import Manifest
from recsys_platform.config.run import RunConfig
from recsys_platform.task_columns import FACT_COLUMNS, TaskSource, load_task_source
from recsys_platform.train.reader import ExampleReader
from recsys_platform.train.sampler import validation_rows

FREE_TEXT = ("explanation", "review")
"""Families with answers in free text."""
NUM_TRIED = 256
"""Training rows on which every family is tried before a training starts."""


class Questions:
    """Builds questions from rows of one dataset, with seen templates."""

    def __init__(self, source: TaskSource, tasks: TasksConfig) -> None:
        self._source = source
        self._tasks = tasks
        self._sampler = TaskSampler(source.templates, tasks)

    def ask(self, row: dict[str, Any], key: DrawKey) -> TaskText | None:
        """Return the question of a row; None: the row is trained as plain text."""
        try:
            return self.try_to_ask(row, key)
        except UnaskableError:
            # one row must not end a long training; `check_questions` warned of such rows
            return None

    def try_to_ask(self, row: dict[str, Any], key: DrawKey) -> TaskText | None:
        """Return the question of a row, None if none was drawn.

        Raises:
            UnaskableError: it does not fit, or the catalogue has too few items.
        """
        facts = self._source.facts(row)
        template = self._sampler.draw(facts, key)
        return None if template is None else self._source.ask(template, facts, row["own_items"], self._tasks, key)

    def of_family(self, family: str) -> "Questions":
        """Return a builder of questions of one family from every possible row."""
        return Questions(self._source, only_family(self._tasks, family))


def load_questions(tasks: TasksConfig, dataset_folder: Path) -> Questions | None:
    """Open a dataset for questions; None where none are trained.

    Raises:
        CheckpointError: the dataset was made without tasks.
    """
    return Questions(load_task_source(dataset_folder), tasks) if trained_families(tasks) else None


def check_tasks(config: RunConfig, dataset: Manifest) -> None:
    """Raise unless the dataset's training examples have the facts of all families that the run trains.

    Raises:
        ConfigError: one of them cannot be asked.
    """
    counts = dataset.counts.get("tasks", {}).get("train", {})
    for family in trained_families(config.tasks):
        require(
            any(counts.get(name, 0) > 0 for name, task in TASKS.items() if task.family == family),
            f"tasks.{family}_weight is {getattr(config.tasks, f'{family}_weight'):g}, but the dataset was made without "
            f"questions of this family; run the data stage again with these tasks, or set the weight to 0",
        )


def check_questions(config: RunConfig) -> list[str]:
    """Return a warning for each trained family with impossible questions; such rows are trained as plain text.

    Raises:
        ConfigError: no question of a family can be asked.
        CheckpointError: the dataset was made without tasks.
    """
    questions = load_questions(config.tasks, config.dataset_folder)
    if questions is None:
        return []
    reader = ExampleReader(config.dataset_folder / "examples" / "train", FACT_COLUMNS)
    rows = reader.read(validation_rows(reader.num_rows, NUM_TRIED, config.seed)).select(FACT_COLUMNS).to_pylist()
    warnings = []
    for family in trained_families(config.tasks):
        family_questions, reasons, num_asked = questions.of_family(family), Counter[str](), 0
        for row in rows:
            try:
                num_asked += (
                    family_questions.try_to_ask(row, (config.seed, row["user_id"], row["target_index"], 0)) is not None
                )
            except UnaskableError as error:
                reasons[str(error)] += 1
        num_failed = reasons.total()
        if num_failed and not num_asked:
            raise ConfigError(
                f"tasks.{family}_weight is {getattr(config.tasks, f'{family}_weight'):g}, but none of {num_failed} "
                f"questions of a sample can be asked; most often: {reasons.most_common(1)[0][0]}"
            )
        if num_failed:
            warnings.append(
                f"{num_failed} of {num_failed + num_asked} {family} questions of a sample cannot be asked, and "
                f"their rows are trained as plain text; most often: {reasons.most_common(1)[0][0]}"
            )
    return warnings


def warnings_of(config: RunConfig) -> list[str]:
    """Return warnings about the run's settings, for the time before a long training.

    Example:
        >>> from recsys_platform.config.input import InputConfig, TableConfig
        >>> tables = InputConfig(interactions=TableConfig(path="a"), items=TableConfig(path="b"))
        >>> warnings_of(RunConfig(name="plain", input=tables))
        []
    """
    families: Sequence[str] = [name for name in trained_families(config.tasks) if name in FREE_TEXT]
    if not families or config.objective.intra_mode != "paper":
        return []
    return [
        f"objective.intra_mode is paper, so all words of a free text share two position ids, and small models lose and "
        f"repeat words in answers of {' and '.join(families)}; set it to run, which counts the words"
    ]
