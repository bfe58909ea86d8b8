"""Draw the task and the template of an event in each epoch (multi-task training).

Everything is drawn by the key (seed, user, target, epoch), never from a shared stream, so an example does not
depend on the order in which examples are made. Unseen templates are never drawn.
"""

import dataclasses
import random
from collections.abc import Collection
from typing import Any

from recsys_model.config import TasksConfig
from recsys_model.errors import DataError, UnaskableError
from recsys_model.text.negatives import draw_negatives, shuffled_with
from recsys_model.text.seeding import stable_seed
from recsys_model.text.task_facts import TaskFacts, can_ask
from recsys_model.text.tasks import FAMILIES, TASKS, Task
from recsys_model.text.templates import Template, TemplateSet

DrawKey = tuple[int | str, ...]
"""(seed, user id, index of the target, epoch)."""


def trained_families(config: TasksConfig) -> tuple[str, ...]:
    """Return the families that are trained, in the order of `FAMILIES`; none with `template_share: 0`.

    Example:
        >>> trained_families(TasksConfig(template_share=0.5, direct_weight=2.0)), trained_families(TasksConfig())
        (('sequential', 'direct'), ())
    """
    if config.template_share == 0.0:
        return ()
    return tuple(family for family in FAMILIES if getattr(config, f"{family}_weight") > 0.0)


def only_family(config: TasksConfig, family: str) -> TasksConfig:
    """Return settings with which every event with the necessary facts gets a question of one family."""
    weights: dict[str, Any] = {f"{name}_weight": float(name == family) for name in FAMILIES}
    return dataclasses.replace(config, template_share=1.0, **weights)


class TaskSampler:
    """Draws a seen template for an event."""

    def __init__(self, templates: TemplateSet, config: TasksConfig) -> None:
        self._templates = templates
        self._config = config
        self._family_to_weight = {name: getattr(config, f"{name}_weight") for name in FAMILIES}

    def draw(self, facts: TaskFacts, key: DrawKey) -> Template | None:
        """Return a template; None: the event is trained as plain text.

        A family is drawn by weight among those whose facts are known, then one of its tasks and one of the task's seen
        templates, both uniformly.
        """
        rng = random.Random(stable_seed("task", *key))
        if rng.random() >= self._config.template_share:
            return None
        tasks = [task for task in TASKS.values() if self._family_to_weight[task.family] > 0.0 and can_ask(task, facts)]
        families = tuple(dict.fromkeys(task.family for task in tasks))
        if not families:
            return None
        family = self._drawn_family(families, rng.random())
        variants = [task for task in tasks if task.family == family]
        templates = self._templates.of(variants[int(rng.random() * len(variants))].name, "seen")
        return templates[int(rng.random() * len(templates))]

    def _drawn_family(self, families: tuple[str, ...], point: float) -> str:
        """Return the family in whose share of the weights a point of [0, 1) lies."""
        left = point * sum(self._family_to_weight[family] for family in families)
        for family in families:
            left -= self._family_to_weight[family]
            if left < 0.0:
                return family
        return families[-1]


def with_choices(
    task: Task, facts: TaskFacts, own_items: Collection[int], num_items: int, config: TasksConfig, key: DrawKey
) -> TaskFacts:
    """Add the drawn facts of a question: candidates, or a wrong item for a `no_share` of the yes/no questions.

    Raises:
        UnaskableError: the catalogue has too few items that the user never took.
    """
    if facts.target is None:
        return facts
    if "candidates" in task.required:
        negatives = _negatives(key, own_items, num_items, config.num_candidates - 1)
        return dataclasses.replace(facts, candidates=shuffled_with(key, facts.target, negatives))
    if task.answer == "yes_no" and random.Random(stable_seed("no", *key)).random() < config.no_share:
        return dataclasses.replace(facts, question_item=_negatives(key, own_items, num_items, 1)[0])
    return facts


def _negatives(key: DrawKey, own_items: Collection[int], num_items: int, num_negatives: int) -> list[int]:
    try:
        return draw_negatives(key, own_items, num_items, num_negatives)
    except DataError as error:
        raise UnaskableError(str(error)) from error
