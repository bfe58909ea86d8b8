"""Check that the tables have the columns and values that the trained task families need."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from recsys_model.config import TasksConfig
from recsys_model.config.text import LanguageCode
from recsys_model.errors import DataError
from recsys_model.text.explanations import RULES
from recsys_model.text.task_facts import HIGHEST_RATING, LOWEST_RATING
from recsys_model.text.task_sampling import trained_families
from recsys_model.text.tasks import TASKS
from recsys_platform.data.input.table import Table
from recsys_platform.data.reviews import Reviews
from recsys_platform.splits import SPLIT_NAMES

NEEDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "rating": (("rating",),),
    "explanation": (("review_text",),),
    "review": (("review_text",), ("rating", "summary")),
}
"""Family -> columns of the interactions, one of each group; other families need none."""
REVIEW_COLUMNS = frozenset({"review_text", "summary"})
RATED = ("rating", "review")
"""Families whose answers may be ratings."""


def check_columns(tasks: TasksConfig, interactions: Table) -> None:
    """Raise unless the interactions have the columns that the trained families need.

    Raises:
        DataError: it names family and column.
    """
    for family in trained_families(tasks):
        for group in NEEDS.get(family, ()):
            if not set(group) & interactions.columns.keys():
                raise DataError(
                    f"tasks.{family}_weight is {getattr(tasks, f'{family}_weight'):g}, but input.interactions.path "
                    f"{interactions.files.path} has no column {' or '.join(group)}; map it in "
                    f"input.interactions.columns, or set the weight to 0"
                )


def needs_ratings(tasks: TasksConfig) -> bool:
    """Return whether a question or an answer may have a rating."""
    return any(family in NEEDS for family in trained_families(tasks))


def keeps_reviews(tasks: TasksConfig, interactions: Table) -> bool:
    """Return whether review texts are needed and available."""
    needed = {name for family in trained_families(tasks) for group in NEEDS.get(family, ()) for name in group}
    return bool(needed & REVIEW_COLUMNS & interactions.columns.keys())


def check_ratings(tasks: TasksConfig, lowest: float | None, highest: float | None) -> None:
    """Raise if ratings are answers and some are outside the answers; None without a rating.

    Raises:
        DataError: they do.
    """
    families = [family for family in trained_families(tasks) if family in RATED]
    if not families or lowest is None or highest is None:
        return
    if lowest < LOWEST_RATING or highest > HIGHEST_RATING:
        weights = " and ".join(f"tasks.{family}_weight" for family in families)
        raise DataError(
            f"input.interactions: ratings must be from {LOWEST_RATING} to {HIGHEST_RATING} to be answers, got "
            f"{lowest:g} to {highest:g}; rescale them, or set {weights} to 0"
        )


def count_tasks(
    tasks: TasksConfig, language: LanguageCode, reviews: Reviews, written: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the task counts of a manifest: examples of each split per task, and counts of explanations.

    Args:
        tasks: The run's settings.
        language: Language of the reviews.
        reviews: Counts of the training reviews.
        written: Rows of `WRITTEN_SCHEMA`.

    Raises:
        DataError: a trained family cannot be asked of any training example.
    """
    split_task_to_count: Counter[tuple[str, str]] = Counter()
    for row in written:
        split_task_to_count.update({(entry["split"], entry["task"]): entry["count"] for entry in row["asked"]})
    names = [name for name, task in TASKS.items() if task.family in trained_families(tasks)]
    counts: dict[str, Any] = {
        split: {name: split_task_to_count[split, name] for name in names} for split in SPLIT_NAMES
    }
    _check_trained(tasks, counts["train"])
    if "explanation" in trained_families(tasks):
        counts["explanations"] = {
            "statement": RULES[language].statement,
            "training_reviews": reviews.num_reviews,
            "feature_words": len(reviews.words(language).votes),
        }
    return counts


def _check_trained(tasks: TasksConfig, task_to_count: Mapping[str, int]) -> None:
    for family in trained_families(tasks):
        names = [name for name, task in TASKS.items() if task.family == family]
        if not any(task_to_count[name] for name in names):
            raise DataError(
                f"tasks.{family}_weight is {getattr(tasks, f'{family}_weight'):g}, but no training example has the "
                f"facts of {' or '.join(names)}; fill their columns, or set the weight to 0"
            )
