"""Before a training with questions: whether they fit into texts, tried on training rows drawn by the run's seed."""

from collections import Counter

from recsys_model.errors import ConfigError, UnaskableError
from recsys_model.text.task_sampling import trained_families
from recsys_platform.config.run import RunConfig
from recsys_platform.facts import FACT_COLUMNS
from recsys_platform.train.batches import validation_rows
from recsys_platform.train.questions import load_questions
from recsys_platform.train.reader import ExampleReader

NUM_TRIED = 256
"""Rows that are asked a question of each family."""


def check_questions(config: RunConfig) -> list[str]:
    """Return a warning for each trained family of which some questions cannot be asked; such rows are told plainly.

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
        asker, reasons, num_asked = questions.of_family(family), Counter[str](), 0
        for row in rows:
            try:
                num_asked += asker.try_to_ask(row, (config.seed, row["user_id"], row["target_index"], 0)) is not None
            except UnaskableError as error:
                reasons[str(error)] += 1
        num_failed = reasons.total()
        if num_failed and not num_asked:
            raise ConfigError(
                f"tasks.{family}_weight is {getattr(config.tasks, f'{family}_weight'):g}, but none of {num_failed} "
                f"questions that were tried can be asked; most often: {reasons.most_common(1)[0][0]}"
            )
        if num_failed:
            warnings.append(
                f"{num_failed} of {num_failed + num_asked} {family} questions that were tried cannot be asked, and their "
                f"rows are told plainly; most often: {reasons.most_common(1)[0][0]}"
            )
    return warnings
