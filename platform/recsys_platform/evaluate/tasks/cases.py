"""The questions of a task: which event of which user, in which words, with what to choose from.

Everything is drawn by (seed, user) or (seed, user, task), never from a shared stream, so all runs ask the same. A
user's question in seen and in unseen words is about the same event, with the same candidates and the same wrong item.
"""

import dataclasses
import heapq
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from recsys_model.evaluation.protocols import sampled_candidates
from recsys_model.text.negatives import draw_negatives
from recsys_model.text.seeding import stable_seed
from recsys_model.text.task_facts import TaskFacts, can_ask
from recsys_model.text.tasks import TASKS, Task
from recsys_model.text.templates import TemplateSet, TemplateSplit


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldOutEvent:
    """An event that the model was not trained on."""

    user_id: str
    """As in the interactions table."""
    target_index: int
    """Place of the event among the user's events."""
    facts: TaskFacts
    """What is known of it."""
    own_items: frozenset[int]
    """All items of the user, in training, validation and test alike."""
    seen_items: frozenset[int]
    """Items of the user before the event."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskCase:
    """One question about a held-out event."""

    task: str
    """What is asked."""
    templates: TemplateSplit
    """Whether training used the words (`seen`) or never did (`unseen`)."""
    template_id: str
    """The words."""
    event: HeldOutEvent
    """What is asked about; its facts hold the candidates, or the wrong item of a yes/no question."""

    @property
    def facts(self) -> TaskFacts:
        """What is known of the event."""
        return self.event.facts


class UserDraw:
    """Keeps, for each task, the events of the users with the smallest ranks among those who can be asked it."""

    def __init__(self, tasks: Sequence[str], num_users: int, seed: int) -> None:
        """Take the most users of a task, 0 for all."""
        self._num_users = num_users
        self._seed = seed
        self._task_to_heap: dict[str, list[tuple[int, str, HeldOutEvent]]] = {task: [] for task in tasks}
        self._task_to_last_user: dict[str, str] = {}
        self.num_users: dict[str, int] = dict.fromkeys(tasks, 0)
        """Users who can be asked each task, drawn or not."""

    def offer(self, event: HeldOutEvent) -> None:
        """Take the event for each task that can be asked about it; events of a user follow one another, the first counts."""
        rank = stable_seed("task users", self._seed, event.user_id)
        for task, heap in self._task_to_heap.items():
            if self._task_to_last_user.get(task) == event.user_id or not can_ask(TASKS[task], event.facts):
                continue
            self._task_to_last_user[task] = event.user_id
            self.num_users[task] += 1
            if self._num_users == 0 or len(heap) < self._num_users:
                heapq.heappush(heap, (-rank, event.user_id, event))
            else:
                heapq.heappushpop(heap, (-rank, event.user_id, event))

    def drawn(self, task: str) -> list[HeldOutEvent]:
        """Return the events of a task in ascending order of user ids."""
        return sorted((event for _, _, event in self._task_to_heap[task]), key=lambda event: event.user_id)


class CaseBuilder:
    """Asks tasks about events."""

    def __init__(self, templates: TemplateSet, *, seed: int, num_items: int, num_candidates: int) -> None:
        """Take the size of the catalogue, and how many items a question offers, the right one included."""
        self._templates = templates
        self._seed = seed
        self._num_items = num_items
        self._num_candidates = num_candidates

    def build(self, task: str, templates: TemplateSplit, events: Iterable[HeldOutEvent]) -> list[TaskCase]:
        """Return one question an event, two for yes/no: about the target, then about an item that the user never took.

        Raises:
            DataError: the catalogue has too few items that a user never took.
        """
        return [
            TaskCase(
                task=task,
                templates=templates,
                template_id=self._template_id(task, templates, event.user_id),
                event=dataclasses.replace(event, facts=facts),
            )
            for event in events
            for facts in self._with_choices(TASKS[task], event)
        ]

    def _template_id(self, task: str, templates: TemplateSplit, user_id: str) -> str:
        choices = self._templates.of(task, templates)
        rng = random.Random(stable_seed("task words", self._seed, user_id, task))
        return choices[int(rng.random() * len(choices))].template_id

    def _with_choices(self, task: Task, event: HeldOutEvent) -> Iterator[TaskFacts]:
        facts = event.facts
        if facts.target is None:
            return
        if "candidates" in task.required:
            candidates = sampled_candidates(
                self._seed, event.user_id, facts.target, event.own_items, self._num_items, self._num_candidates - 1
            )
            yield dataclasses.replace(facts, candidates=candidates)
            return
        yield facts
        if task.answer == "yes_no":
            [wrong] = draw_negatives((self._seed, event.user_id), {*event.own_items, facts.target}, self._num_items, 1)
            yield dataclasses.replace(facts, question_item=wrong)
