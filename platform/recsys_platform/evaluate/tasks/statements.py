"""The statements of a report on a task: events, wordings, answers, baselines and intervals in words."""

from dataclasses import dataclass

from recsys_model.config.text import LanguageCode
from recsys_model.evaluation.metrics import LARGEST_K
from recsys_model.evaluation.texts import TOKENS
from recsys_model.text.explanations import RULES
from recsys_model.text.tasks import TASKS, Task
from recsys_model.text.templates import TemplateSplit
from recsys_platform.evaluate.tasks.baselines import PRIOR_RATINGS

WORDS: dict[TemplateSplit, str] = {
    "seen": "The wordings were used in training; each question's wording is drawn by seed, user and task.",
    "unseen": "Zero-shot: the wordings were never used in training; each question's wording is drawn by seed, user and "
    "task.",
}
"""The statement on the wordings."""
BOOTSTRAP = "95 % intervals: bootstrap over users."


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskCounts:
    """The sizes that the statements on a task name."""

    num_users: int
    """Users with a question, including those whose question does not fit into a text."""
    num_askable: int
    """Users whose data has every field of the question, drawn or not."""
    num_left_out: int
    """Users whose question does not fit into a text."""
    num_items: int
    """Items of the catalogue."""
    num_candidates: int
    """Items that a question with candidates names."""


def describe_task(
    task: str,
    templates: TemplateSplit,
    counts: TaskCounts,
    *,
    split: str,
    exclude_seen: bool,
    language: LanguageCode,
) -> list[str]:
    """Return one sentence each on events, wordings, answers, baselines and intervals."""
    kind = TASKS[task]
    event = "last event" if split == "test" else "last event but one"
    which = "all" if counts.num_users == counts.num_askable else f"{counts.num_users:,} drawn by seed"
    sentences = [
        f"Questions are about the held-out {event} ({split} split) of users whose data has every field of the question: "
        f"{which} of {counts.num_askable:,}.",
        WORDS[templates],
        *_answers(kind, counts.num_items, counts.num_candidates, language, exclude_seen=exclude_seen),
    ]
    if counts.num_left_out:
        sentences.append(
            f"{counts.num_left_out:,} users are left out, because a question exceeds the maximum length of a text."
        )
    return [*sentences, BOOTSTRAP]


def _answers(
    kind: Task, num_items: int, num_candidates: int, language: LanguageCode, *, exclude_seen: bool
) -> list[str]:
    """Return the statements on the model's answers and on the baselines."""
    if kind.answer == "rating":
        return [
            "Expected rating: the mean of the ratings 1 to 5 under the model's exact probabilities. Most likely rating: the "
            "one with the highest probability, which is what generation without sampling answers. The mean has the smaller "
            "RMSE where the probabilities are right; the paper does not say which of the two it measures.",
            "The baselines use the ratings of training examples: their mean, and the mean of the item, shrunk "
            f"towards the overall mean with the weight of {PRIOR_RATINGS:g} ratings.",
        ]
    if kind.answer == "yes_no":
        return [
            "Each user has two questions: about the item taken, and about an item drawn by seed that the user never took.",
            "Accuracy: the answer is yes if yes is more probable than no; always yes gives 0.5. AUC is over all pairs of "
            "a question on a taken item and one on an item never taken; the score of popularity is an item's number of "
            "training events.",
        ]
    if kind.answer == "item" and "candidates" in kind.required:
        return [
            f"The target is ranked among {num_candidates} candidates in the question. The others are drawn by seed and "
            "user from the items that the user never took. Scores are exact probabilities; the target loses ties.",
            "Popularity ranks the same candidates by their number of training events. HR@k is shown for k below the "
            "number of candidates.",
        ]
    if kind.answer == "item":
        seen = (
            "without the items of the user's history" if exclude_seen else "including the items of the user's history"
        )
        return [
            f"The target is ranked against the whole catalogue of {num_items:,} items, {seen}. The model returns its "
            f"best {LARGEST_K}.",
            "The baselines rank the same targets and use the model's training events.",
        ]
    return [TOKENS[language].statement, *_texts(kind, language)]


def _texts(kind: Task, language: LanguageCode) -> list[str]:
    if kind.answer == "summary":
        return [
            "The reference is the headline that the user gave to the review.",
            "Baselines: the most frequent training headline; the most frequent one of the same item (of all items if it "
            f"has none); and the first {TOKENS[language].unit} of the review, as many as a training headline has on "
            "average.",
        ]
    if "feature" in kind.required:
        baselines = (
            "Baselines: the most frequent training sentence with the same hint word, and the most frequent one of the "
            "same item with the same word (else of the item, else of all)."
        )
    else:
        baselines = (
            "Baselines: the most frequent training sentence, and the most frequent one of the same item (of all items if "
            "it has none)."
        )
    return [RULES[language].statement, baselines]
