"""The facts about one event of a user, from which questions are built."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from recsys_model.errors import DataError
from recsys_model.text.tasks import CHOICES, AnswerKind, Task
from recsys_model.text.textualize import Behaviour

LOWEST_RATING, HIGHEST_RATING = 1, 5


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskFacts:
    """One event, the events before it, and its review; unknown facts are empty or None."""

    target: int | None = None
    """Catalogue index of the item that the user took; None while serving, when only a question is needed."""
    features: Mapping[str, str] = field(default_factory=dict)
    """Features of the user."""
    history: Sequence[Behaviour] = ()
    """Events before this one, oldest first."""
    question_item: int | None = None
    """Item that a question asks about, where it is not the target."""
    candidates: Sequence[int] = ()
    """Items to choose from, in the order of the question."""
    rating: float | None = None
    """Rating by the user, 1 to 5."""
    review: str = ""
    """Review by the user."""
    summary: str = ""
    """Headline of the review."""
    feature: str = ""
    """The hint word of the explanation."""
    explanation: str = ""
    """The sentence of the review that explains the choice."""

    def answer(self, kind: AnswerKind) -> str | int | None:
        """Return the answer of a task: a catalogue index for an item, else a text; None if it is unknown.

        Raises:
            DataError: the rating lies outside 1 to 5, or the target is not among the candidates.
        """
        if kind == "item":
            self._check_candidates()
            return self.target
        if kind == "rating":
            return None if self.rating is None else rating_answer(self.rating)
        if kind == "yes_no":
            yes, no = CHOICES["yes_no"]
            if self.target is None:
                return None
            return yes if self.asked_item == self.target else no
        return fold(self.explanation if kind == "explanation" else self.summary) or None

    @property
    def asked_item(self) -> int | None:
        """The item that a question is about, if there is one."""
        return self.target if self.question_item is None else self.question_item

    def _check_candidates(self) -> None:
        if self.target is not None and self.candidates and self.target not in self.candidates:
            raise DataError(
                f"the candidates must have the target among them, got {len(self.candidates)} without item "
                f"{self.target}; add it"
            )


def can_ask(task: Task, facts: TaskFacts) -> bool:
    """Return whether the required fields and the answer of a task are known.

    Candidates and the item of a yes/no question are drawn later, so they may be missing.
    """
    values = {
        "history": facts.history,
        "feature": fold(facts.feature),
        "review": fold(facts.review),
    }
    is_known = all(values.get(name, True) for name in task.required)
    return is_known and facts.answer(task.answer) is not None


def rating_answer(rating: float) -> str:
    """Return the rating as one of the five answers, rounded half up.

    Raises:
        DataError: it lies outside 1 to 5.

    Example:
        >>> rating_answer(4.0), rating_answer(3.5)
        ('4', '4')
    """
    if not LOWEST_RATING <= rating <= HIGHEST_RATING:
        raise DataError(
            f"a rating must be from {LOWEST_RATING} to {HIGHEST_RATING} to be an answer, got {rating:g}; rescale it"
        )
    return str(math.floor(rating + 0.5))


def fold(text: str) -> str:
    """Strip a text and make every run of white space in it one blank."""
    return " ".join(text.split())
