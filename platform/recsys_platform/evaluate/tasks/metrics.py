"""Figures of one task over its questions: of the model and, on the same questions, of the baselines.

Every figure comes with a 95 % interval from a bootstrap over users, of whom each has one question, or a pair of them
for yes/no.

Shape suffixes: U = users.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from recsys_model.config.text import LanguageCode
from recsys_model.decoding.answer_scorer import expected_value, most_likely_value
from recsys_model.evaluation.baselines import CoOccurrence, Popularity, Ranker, rank_targets
from recsys_model.evaluation.intervals import Estimate
from recsys_model.evaluation.metrics import METRIC_NAMES, measure, rank_in
from recsys_model.evaluation.protocols import rank_of_target
from recsys_model.evaluation.ratings import measure_ratings
from recsys_model.evaluation.text_warnings import bleu_warning, script_warnings
from recsys_model.evaluation.texts import measure_texts
from recsys_model.evaluation.yes_no import measure_accuracy, measure_auc
from recsys_model.text.task_facts import TaskFacts, fold
from recsys_model.text.tasks import CHOICES, TASKS
from recsys_platform.evaluate.report.wording import (
    EXPECTED_RATING,
    MODEL,
    MOST_LIKELY_RATING,
    TASK_METHOD_TITLES,
)
from recsys_platform.evaluate.tasks.answers import TaskAnswer
from recsys_platform.evaluate.tasks.baselines import TrainingAnswers
from recsys_platform.evaluate.tasks.cases import TaskCase

RATINGS = tuple(float(choice) for choice in CHOICES["rating"])
BLEU_ORDERS = {"explanation": 4, "summary": 2}
"""Longest word groups of BLEU (paper, Tables 5 and 6)."""

Answers = TypeVar("Answers")
TaskMetrics = dict[str, dict[str, Estimate]]
"""Method -> metric -> estimate."""
AnsweredCases = Sequence[tuple[TaskCase, TaskAnswer]]
"""Questions with their answers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    """What the baselines know: events that the model was trained on."""

    answers: TrainingAnswers
    """Ratings and texts."""
    popularity: Popularity
    """How often each item was taken."""
    co_occurrence: CoOccurrence
    """What was taken later than an item."""


class TaskMeter:
    """Measures the answers to the questions of one task."""

    def __init__(
        self,
        training: Training,
        *,
        num_samples: int,
        seed: int,
        exclude_seen: bool,
        language: LanguageCode = "en",
    ) -> None:
        """Take the number of resamples, whether a user's own items are left out, and the language of free texts."""
        self._training = training
        self._sampling: dict[str, Any] = {"num_samples": num_samples, "seed": seed}
        self._exclude_seen = exclude_seen
        self.language: LanguageCode = language
        """Language of the questions and of free texts."""

    def warnings(self, answered: AnsweredCases) -> list[str]:
        """Return why figures on questions of one task say less than they seem to; for free texts alone."""
        answer = TASKS[answered[0][0].task].answer
        if answer not in BLEU_ORDERS:
            return []
        texts, references = self._method_texts(answered)
        titled = {TASK_METHOD_TITLES[method]: own for method, own in texts.items()}
        about_bleu = bleu_warning(titled, references, BLEU_ORDERS[answer], self.language)
        about_script = script_warnings([*references, *texts[MODEL]], self.language)
        return [*about_script, *([] if about_bleu is None else [about_bleu])]

    def measure(self, answered: AnsweredCases) -> TaskMetrics:
        """Return the figures of every method on questions of one task.

        Raises:
            DataError: there is no question.
        """
        task = TASKS[answered[0][0].task]
        if task.answer == "rating":
            return self._ratings(answered)
        if task.answer == "yes_no":
            return self._yes_no(answered)
        if task.answer == "item":
            return self._among_candidates(answered) if "candidates" in task.required else self._in_catalogue(answered)
        return self._texts(answered)

    def _ratings(self, answered: AnsweredCases) -> TaskMetrics:
        true_U = np.array([case.facts.rating for case, _ in answered])
        training = self._training.answers
        predicted = {
            EXPECTED_RATING: [rating_of(answer) for _, answer in answered],
            MOST_LIKELY_RATING: [most_likely_rating_of(answer) for _, answer in answered],
            "item_mean": [training.item_mean(target_of(case.facts)) for case, _ in answered],
            "mean_rating": [training.mean_rating()] * len(answered),
        }
        return self._each(predicted, lambda values: measure_ratings(np.array(values), true_U, **self._sampling))

    def _yes_no(self, answered: AnsweredCases) -> TaskMetrics:
        """Questions come in pairs: about the target, then about the wrong item."""
        pairs = list(zip(answered[::2], answered[1::2], strict=True))
        right_U, wrong_U = (np.array([log_odds(pair[side][1]) for pair in pairs]) for side in (0, 1))
        count_N = self._training.popularity.count_N
        items = [(target_of(right[0].facts), wrong[0].facts.asked_item) for right, wrong in pairs]
        right_count_U, wrong_count_U = (np.array([count_N[pair[side]] for pair in items]) for side in (0, 1))
        return {
            MODEL: {
                "accuracy": measure_accuracy(right_U, wrong_U, **self._sampling),
                "auc": measure_auc(right_U, wrong_U, **self._sampling),
            },
            "popularity": {"auc": measure_auc(right_count_U, wrong_count_U, **self._sampling)},
        }

    def _among_candidates(self, answered: AnsweredCases) -> TaskMetrics:
        key_N = self._training.popularity.sort_keys(())
        popular = [
            rank_of_target(case.facts.candidates, key_N[case.facts.candidates].tolist(), target_of(case.facts))
            for case, _ in answered
        ]
        own = [rank_of_answer(case, answer) for case, answer in answered]
        metrics = self._ranks({MODEL: own, "popularity": popular})
        fewest = min(len(case.facts.candidates) for case, _ in answered)
        # HR@k is 1 for every method if there are no more than k candidates
        names = [name for name in METRIC_NAMES if name.startswith("ndcg") or int(name.rpartition("_")[2]) < fewest]
        return {method: {name: figures[name] for name in names} for method, figures in metrics.items()}

    def _in_catalogue(self, answered: AnsweredCases) -> TaskMetrics:
        rankers: dict[str, Ranker] = {
            "co_occurrence": self._training.co_occurrence,
            "popularity": self._training.popularity,
        }
        histories = [[event.item for event in case.facts.history] for case, _ in answered]
        targets = [target_of(case.facts) for case, _ in answered]
        excluded = [case.event.seen_items for case, _ in answered] if self._exclude_seen else None
        own = [rank_of_answer(case, answer) for case, answer in answered]
        others = {name: rank_targets(ranker, histories, targets, excluded) for name, ranker in rankers.items()}
        return self._ranks({MODEL: own, **others})

    def _texts(self, answered: AnsweredCases) -> TaskMetrics:
        order = BLEU_ORDERS[TASKS[answered[0][0].task].answer]
        texts, references = self._method_texts(answered)
        metrics = self._each(
            texts,
            lambda own: measure_texts(own, references, bleu_order=order, language=self.language, **self._sampling),
        )
        return _with_effective_order(metrics, order)

    def _method_texts(self, answered: AnsweredCases) -> tuple[dict[str, list[str]], list[str]]:
        """Return the texts of each method, and what the users wrote."""
        task = TASKS[answered[0][0].task]
        choice = {"is_summary": task.answer == "summary", "has_hint": "feature" in task.required}
        others = [self._training.answers.texts(case.facts, **choice) for case, _ in answered]
        texts = {MODEL: [answer.text for _, answer in answered]}
        texts |= {method: [other[method] for other in others] for method in others[0]}
        return texts, [truth_text(case.facts, task.answer) for case, _ in answered]

    def _ranks(self, method_to_ranks: Mapping[str, Sequence[int] | np.ndarray]) -> TaskMetrics:
        return self._each(method_to_ranks, lambda ranks: measure(np.asarray(ranks), **self._sampling))

    def _each(
        self, method_to_answers: Mapping[str, Answers], figures: Callable[[Answers], dict[str, Estimate]]
    ) -> TaskMetrics:
        return {method: figures(answers) for method, answers in method_to_answers.items()}


def _with_effective_order(metrics: TaskMetrics, order: int) -> TaskMetrics:
    """Give every method BLEU with effective order if one has it; where all groups occur, it equals plain BLEU."""
    plain, effective = f"bleu_{order}", f"bleu_{order}_effective"
    if not any(effective in figures for figures in metrics.values()):
        return metrics
    return {
        method: {plain: figures[plain], effective: figures.get(effective, figures[plain]), **figures}
        for method, figures in metrics.items()
    }


def rating_of(answer: TaskAnswer) -> float:
    """Return the expected rating."""
    return expected_value(answer.scores, RATINGS)


def most_likely_rating_of(answer: TaskAnswer) -> float:
    """Return the rating with the highest probability."""
    return most_likely_value(answer.scores, RATINGS)


def log_odds(answer: TaskAnswer) -> float:
    """Return how much likelier the model holds yes than no, as a difference of log-probabilities."""
    yes, no = answer.scores
    return yes - no


def rank_of_answer(case: TaskCase, answer: TaskAnswer) -> int:
    """Return the place of the target, 1 for the first; 0 if it is not among the items that came back."""
    target = target_of(case.facts)
    if case.facts.candidates:
        return rank_of_target(case.facts.candidates, answer.scores, target)
    return rank_in(answer.items, target)


def target_of(facts: TaskFacts) -> int:
    """Return the item of an event."""
    assert facts.target is not None, "a held-out event has an item"
    return facts.target


def truth_text(facts: TaskFacts, answer: str) -> str:
    """Return what the user wrote: the explanation or the headline, white space folded."""
    return fold(facts.explanation if answer == "explanation" else facts.summary)
