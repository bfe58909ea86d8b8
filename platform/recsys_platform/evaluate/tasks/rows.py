"""Questions with their answers as a table, and some of them to read."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from recsys_model.entities.catalog import Catalog
from recsys_model.text.language import Language
from recsys_model.text.tasks import TASKS
from recsys_platform.evaluate.report.content import TaskExample
from recsys_platform.evaluate.tasks.answers import TaskAnswer
from recsys_platform.evaluate.tasks.cases import TaskCase
from recsys_platform.evaluate.tasks.metrics import (
    AnsweredCases,
    log_odds,
    most_likely_rating_of,
    rank_of_answer,
    rating_of,
    target_of,
    truth_text,
)

NUM_TASK_EXAMPLES = 5
"""Questions a task and kind of words that a report shows."""
TASK_ROW_SCHEMA = pa.schema(
    [
        ("task", pa.string()),
        ("templates", pa.string()),
        ("template_id", pa.string()),
        ("user_id", pa.string()),
        ("target_index", pa.int32()),
        ("target_item", pa.int32()),
        ("asked_item", pa.int32()),
        ("question", pa.large_string()),
        ("truth", pa.large_string()),
        ("answer", pa.large_string()),
        ("prediction", pa.float64()),
        ("most_likely_rating", pa.float64()),
        ("rank", pa.int32()),
        ("items", pa.list_(pa.int32())),
    ]
)
"""Columns of a question; then those of its answer, as in `ReadAnswer`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadAnswer:
    """Truth and answer as a reader meets them, and what the answer is made of."""

    truth: str
    """What the user did or wrote."""
    answer: str
    """What the model answered."""
    prediction: float | None = None
    """The expected rating, 1 to 5, or the log-odds of yes; None for other tasks."""
    most_likely_rating: float | None = None
    """The rating with the highest probability, 1 to 5; None for other tasks."""
    rank: int | None = None
    """Rank of the target, 0 where it did not come back; None where no items are ranked."""
    items: list[int] | None = None
    """The best items; None where no items are ranked."""


def build_task_rows(answered: AnsweredCases, catalog: Catalog, language: Language) -> pa.Table:
    """Return one row a question; yes and no are in the words of the language."""
    rows = [_row(case, answer, catalog, language) for case, answer in answered]
    return pa.Table.from_pylist(rows, schema=TASK_ROW_SCHEMA)


def build_task_examples(answered: AnsweredCases, catalog: Catalog, language: Language) -> tuple[TaskExample, ...]:
    """Return evenly spaced questions of a task."""
    places = np.unique(np.linspace(0, len(answered) - 1, num=min(NUM_TASK_EXAMPLES, len(answered))).astype(int))
    return tuple(_example(case, answer, catalog, language) for case, answer in (answered[place] for place in places))


def _example(case: TaskCase, answer: TaskAnswer, catalog: Catalog, language: Language) -> TaskExample:
    read = _read(case, answer, catalog, language)
    return TaskExample(question=answer.question, truth=read.truth, answer=read.answer)


def _row(case: TaskCase, answer: TaskAnswer, catalog: Catalog, language: Language) -> dict[str, object]:
    task = TASKS[case.task]
    return {
        "task": case.task,
        "templates": case.templates,
        "template_id": case.template_id,
        "user_id": case.event.user_id,
        "target_index": case.event.target_index,
        "target_item": case.facts.target,
        "asked_item": case.facts.asked_item if "item" in task.required else None,
        "question": answer.question,
        **dataclasses.asdict(_read(case, answer, catalog, language)),
    }


def _read(case: TaskCase, answer: TaskAnswer, catalog: Catalog, language: Language) -> ReadAnswer:
    kind = TASKS[case.task].answer
    if kind == "rating":
        return _read_rating(case, answer)
    if kind == "yes_no":
        yes, no = language.choices["yes_no"]
        odds = log_odds(answer)
        is_right = case.facts.asked_item == case.facts.target
        return ReadAnswer(truth=yes if is_right else no, answer=yes if odds > 0.0 else no, prediction=odds)
    if kind == "item":
        items = _best_items(case, answer)
        answered = _title(catalog, items[0]) if items else ""
        truth = _title(catalog, target_of(case.facts))
        return ReadAnswer(truth=truth, answer=answered, rank=rank_of_answer(case, answer), items=items)
    return ReadAnswer(truth=truth_text(case.facts, kind), answer=answer.text)


def _read_rating(case: TaskCase, answer: TaskAnswer) -> ReadAnswer:
    expected, most_likely = rating_of(answer), most_likely_rating_of(answer)
    return ReadAnswer(
        truth=f"{case.facts.rating:g}",
        answer=f"{expected:.2f} (expected), {most_likely:g} (most likely)",
        prediction=expected,
        most_likely_rating=most_likely,
    )


def _best_items(case: TaskCase, answer: TaskAnswer) -> list[int]:
    """Return the items that came back, or the candidates, best first; of equal scores the lower index comes first."""
    if not case.facts.candidates:
        return list(answer.items)
    scored = zip(answer.scores, case.facts.candidates, strict=True)
    return [item for _, item in sorted(scored, key=lambda pair: (-pair[0], pair[1]))]


def _title(catalog: Catalog, item: int) -> str:
    return catalog.items[item].title or catalog.items[item].text
