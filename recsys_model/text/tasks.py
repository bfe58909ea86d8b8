"""The tasks: the fields of each question and the kind of its answer (paper, Implementation; P5).

Seven families: the five of P5 (Geng et al. 2022, arXiv 2203.13366) and the two of the paper's industrial data.
A family is one task or two variants of it.
"""

from dataclasses import dataclass
from typing import Literal

AnswerKind = Literal["item", "rating", "yes_no", "explanation", "summary"]
"""Kind of an answer: an item of the catalogue, a choice of `CHOICES`, or free text."""

FIELDS: tuple[str, ...] = (
    "user",
    "history",
    "item",
    "attributes",
    "candidates",
    "feature",
    "rating",
    "review",
    "summary",
)
"""Fields of templates: features of the user, past behaviours, the item of the question and its attributes,
items to choose from, the hint word of an explanation, and the rating, text and headline of a review."""

CHOICES: dict[str, tuple[str, ...]] = {"rating": ("1", "2", "3", "4", "5"), "yes_no": ("yes", "no")}
"""The possible answers of a kind, where there are few."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One kind of question."""

    name: str
    """Its name in `templates.toml`."""
    family: str
    """The family, which the weights of `TasksConfig` are for."""
    answer: AnswerKind
    """What the answer is."""
    required: tuple[str, ...]
    """Fields of every template; without their values the question cannot be built."""
    offered: tuple[str, ...] = ()
    """Fields of every template, in an optional part."""
    allowed: tuple[str, ...] = ()
    """Further fields that a template may have, in an optional part."""

    @property
    def optional(self) -> tuple[str, ...]:
        """Fields whose values may be unknown."""
        return self.offered + self.allowed


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task(
            name="rating",
            family="rating",
            answer="rating",
            required=("item", "history"),
            offered=("user",),
            allowed=("attributes",),
        ),
        Task(name="sequential", family="sequential", answer="item", required=("history",), allowed=("user",)),
        Task(
            name="explanation",
            family="explanation",
            answer="explanation",
            required=("item", "history"),
            allowed=("user", "attributes", "rating"),
        ),
        Task(
            name="explanation_hint",
            family="explanation",
            answer="explanation",
            required=("item", "history", "feature"),
            allowed=("user", "attributes", "rating"),
        ),
        Task(
            name="review_summary",
            family="review",
            answer="summary",
            required=("item", "review"),
            allowed=("user", "attributes", "rating"),
        ),
        Task(
            name="review_rating",
            family="review",
            answer="rating",
            required=("item", "review"),
            allowed=("user", "attributes", "summary"),
        ),
        Task(
            name="direct_yes_no",
            family="direct",
            answer="yes_no",
            required=("item", "history"),
            allowed=("user", "attributes"),
        ),
        Task(
            name="direct_choose", family="direct", answer="item", required=("history", "candidates"), allowed=("user",)
        ),
        Task(name="next_item", family="next_item", answer="item", required=("history",), offered=("user",)),
        Task(
            name="candidate",
            family="candidate",
            answer="item",
            required=("history", "candidates"),
            offered=("user",),
        ),
    )
}
"""All tasks by name."""

FAMILIES: tuple[str, ...] = tuple(dict.fromkeys(task.family for task in TASKS.values()))
"""All families, in the order of the paper's tables."""
