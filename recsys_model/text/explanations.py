"""Extract explanations from reviews: a feature word and the sentence that has it.

Published data sets extract explanations with sentiment parsers. For data without explanations this project has a rule
of its own for each language, and every figure that depends on it must carry the rule's `statement`:

1. A rule cuts a review into sentences and words and says which words look like features
   (`english_explanations.py`, `chinese_explanations.py`): each such place is a vote.
2. Features are the words with at least `min_votes` votes and a vote in at least `min_vote_share` of their occurrences
   ("great" often follows a determiner, but seldom ends the run); of these, the `max_features` with most votes, ties in
   alphabetical order.
3. A review is explained by its sentence of usual length that holds the feature with most votes; ties go to the earlier
   place. A review without one is not explained.

Count features in training reviews only.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from recsys_model.config.text import LanguageCode
from recsys_model.text.chinese_explanations import ChineseRule
from recsys_model.text.english_explanations import EnglishRule
from recsys_model.text.explanation_rules import ExplanationRule

RULES: dict[LanguageCode, ExplanationRule] = {"en": EnglishRule(), "zh": ChineseRule()}
"""The rule of each language."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a user chose an item, in the user's words."""

    feature: str
    """The feature word, lower case."""
    sentence: str
    """A sentence of the review, white space folded."""


@dataclass(slots=True)
class WordCounts:
    """Word counts of reviews; counts of several parts add up."""

    occurrences: Counter[str] = field(default_factory=Counter)
    """Word -> how often it occurs."""
    votes: Counter[str] = field(default_factory=Counter)
    """Word -> its votes as a noun."""

    def add(self, review: str, language: LanguageCode = "en") -> None:
        """Count one review."""
        rule = RULES[language]
        words = rule.words(review)
        self.occurrences.update(words)
        self.votes.update(rule.votes(words, review))


class FeatureWords:
    """The feature words of a collection of reviews, or of its word counts."""

    def __init__(
        self,
        reviews: Iterable[str] | WordCounts,
        *,
        language: LanguageCode = "en",
        min_votes: int = 5,
        min_vote_share: float = 0.2,
        max_features: int = 1000,
    ) -> None:
        self._rule = RULES[language]
        counts = reviews if isinstance(reviews, WordCounts) else _count(reviews, language)
        occurrences, votes = counts.occurrences, counts.votes
        frequent = [
            word for word, count in votes.items() if count >= min_votes and count >= min_vote_share * occurrences[word]
        ]
        frequent.sort(key=lambda word: (-votes[word], word))
        self.votes: dict[str, int] = {word: votes[word] for word in frequent[:max_features]}
        """Feature words, the most frequent first, and their votes."""

    def explain(self, review: str) -> Explanation | None:
        """Return the feature and the sentence that explain a review, None if no sentence does."""
        best: Explanation | None = None
        for sentence in self._rule.sentences(review):
            if not self._rule.is_usual_length(sentence):
                continue
            for word in self._rule.words(sentence):
                if self.votes.get(word, 0) > (self.votes[best.feature] if best else 0):
                    best = Explanation(word, sentence)
        return best


def _count(reviews: Iterable[str], language: LanguageCode) -> WordCounts:
    counts = WordCounts()
    for review in reviews:
        counts.add(review, language)
    return counts
