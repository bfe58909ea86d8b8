"""Simple answers from training events alone, so that the figures of a task can be judged.

Ratings: the mean of all training ratings, and that of the item. Texts: the most frequent one, that of the same item,
and the beginning of the review. What is counted are the events that training examples ask for.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from recsys_model.config.text import LanguageCode
from recsys_model.text.seeding import stable_seed
from recsys_model.text.task_facts import TaskFacts, fold
from recsys_model.text.units import first_units, num_units

PRIOR_RATINGS = 5.0
"""An item's mean rating is drawn towards the mean of all as if it had so many more ratings of that mean."""

Key = tuple[int | str, ...]
"""(item,), (item, feature word) or (feature word,)."""


@dataclass(slots=True)
class TextCounts:
    """Texts of training events: all, and those of each key."""

    all: Counter[str] = field(default_factory=Counter)
    """Text -> how often it was written."""
    by_key: dict[Key, Counter[str]] = field(default_factory=dict)
    """Key -> text -> how often, for the keys that are asked about."""

    def add(self, text: str, keys: Iterable[Key]) -> None:
        """Count a text, and under those keys that are wanted."""
        self.all[text] += 1
        for key in keys:
            if key in self.by_key:
                self.by_key[key][text] += 1

    def most_frequent(self, *keys: Key) -> str:
        """Return the most frequent text of the first key that has any, else of all; a hash of the text decides ties."""
        for counts in (*(self.by_key.get(key) for key in keys), self.all):
            if counts:
                return min(counts, key=lambda text: (-counts[text], stable_seed(text)))
        return ""


class TrainingAnswers:
    """Counts the answers of training events; memory follows the items that are asked about, and the distinct texts."""

    def __init__(self, questions: Iterable[TaskFacts], language: LanguageCode = "en") -> None:
        """Take the facts of all questions, whose items and feature words are what is counted apart."""
        self._language: LanguageCode = language
        questions = list(questions)
        items = {facts.target for facts in questions if facts.target is not None}
        self._item_to_ratings: dict[int, tuple[float, int]] = dict.fromkeys(items, (0.0, 0))
        self._rating_sum, self.num_ratings = 0.0, 0
        self._summaries = TextCounts(by_key={(item,): Counter() for item in items})
        keys = {key for facts in questions for key in _keys(facts)}
        self._sentences = TextCounts(by_key={key: Counter() for key in keys})
        self._num_summary_units = 0

    def add(self, facts: TaskFacts) -> None:
        """Count one training event."""
        if facts.rating is not None:
            self._add_rating(facts.target, facts.rating)
        if summary := fold(facts.summary):
            self._summaries.add(summary, [] if facts.target is None else [(facts.target,)])
            self._num_summary_units += num_units(summary, self._language)
        if sentence := fold(facts.explanation):
            self._sentences.add(sentence, _keys(facts))

    def mean_rating(self) -> float:
        """Return the mean of all training ratings; 3, the middle, where there is none."""
        return self._rating_sum / self.num_ratings if self.num_ratings else 3.0

    def item_mean(self, item: int) -> float:
        """Return the mean rating of an item that was asked about, drawn towards the mean of all."""
        total, count = self._item_to_ratings[item]
        return (total + PRIOR_RATINGS * self.mean_rating()) / (count + PRIOR_RATINGS)

    def texts(self, facts: TaskFacts, *, is_summary: bool, has_hint: bool) -> dict[str, str]:
        """Return by method a text for an event: a headline, or an explanation with or without a hint word."""
        assert facts.target is not None, "a question has a target"
        if is_summary:
            return {
                "same_item": self._summaries.most_frequent((facts.target,)),
                "most_frequent": self._summaries.most_frequent(),
                "review_lead": self._lead(facts.review),
            }
        item_and_feature, item, feature = _keys(facts)
        return {
            "same_item": self._sentences.most_frequent(*([item_and_feature] if has_hint else []), item),
            "most_frequent": self._sentences.most_frequent(*([feature] if has_hint else [])),
        }

    def _add_rating(self, item: int | None, rating: float) -> None:
        self._rating_sum += rating
        self.num_ratings += 1
        if item is not None and item in self._item_to_ratings:
            total, count = self._item_to_ratings[item]
            self._item_to_ratings[item] = total + rating, count + 1

    def _lead(self, review: str) -> str:
        """Return as many words (in Chinese: characters) of the review as a training summary has on average, at least one."""
        mean_units = self._num_summary_units / max(self._summaries.all.total(), 1)
        return first_units(review, max(1, round(mean_units)), self._language)


def _keys(facts: TaskFacts) -> list[Key]:
    """Return what texts of an event are counted under: its item and feature word, the item, the feature word."""
    assert facts.target is not None, "an event has an item"
    return [(facts.target, facts.feature), (facts.target,), (facts.feature,)]
