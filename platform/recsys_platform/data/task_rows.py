"""Task columns of each example: the facts from which questions are built."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from recsys_model.config import TasksConfig
from recsys_model.text.explanations import FeatureWords
from recsys_model.text.task_facts import TaskFacts, can_ask
from recsys_model.text.task_sampling import trained_families
from recsys_model.text.tasks import TASKS
from recsys_model.text.textualize import Behaviour
from recsys_platform.data.user_sequences import UserSequence
from recsys_platform.splits import DatasetSplit, SplitName
from recsys_platform.task_columns import to_columns


class FactWriter:
    """Collects the facts of each example, and counts the examples of each task."""

    def __init__(self, tasks: TasksConfig, words: FeatureWords, dataset_split: DatasetSplit) -> None:
        families = trained_families(tasks)
        self._tasks = [task for task in TASKS.values() if task.family in families]
        self._words = words
        self._split = dataset_split
        self.counts: Counter[tuple[SplitName, str]] = Counter()
        """(split, task of a trained family) -> examples so far with the facts of the task."""

    def columns(
        self,
        user: UserSequence,
        features: Mapping[str, str],
        history: Sequence[Behaviour],
        target_index: int,
        split: SplitName,
    ) -> dict[str, Any]:
        """Return the values of `FACT_FIELDS`."""
        facts = self._facts(user, features, history, target_index)
        self.counts.update((split, task.name) for task in self._tasks if can_ask(task, facts))
        return to_columns(facts, own_items(user, split, self._split))

    def _facts(
        self, user: UserSequence, features: Mapping[str, str], history: Sequence[Behaviour], target_index: int
    ) -> TaskFacts:
        target = user.behaviours[target_index]
        review = user.reviews[target_index] if user.reviews else ""
        explanation = self._words.explain(review) if review else None
        return TaskFacts(
            target=target.item,
            features=features,
            history=history,
            rating=target.rating,
            review=review,
            summary=user.summaries[target_index] if user.summaries else "",
            feature=explanation.feature if explanation else "",
            explanation=explanation.sentence if explanation else "",
        )


def own_items(user: UserSequence, split: SplitName, dataset_split: DatasetSplit) -> Collection[int]:
    """Return the items that negatives must avoid: in training those of the user's training events alone."""
    events = user.behaviours
    if split == "train":
        events = events[: dataset_split.num_training([event.timestamp for event in events])]
    return {event.item for event in events}
