"""How explanations are extracted from reviews: what a rule of one language has to decide."""

from collections.abc import Sequence
from typing import Protocol


class ExplanationRule(Protocol):
    """Sentences, words and votes of one language."""

    @property
    def statement(self) -> str:
        """A sentence that every figure carries that depends on the rule."""
        ...

    def sentences(self, review: str) -> list[str]:
        """Return the sentences of a review, white space folded."""
        ...

    def words(self, text: str) -> list[str]:
        """Return the words of a text that may be features, in order, with repetitions."""
        ...

    def votes(self, words: Sequence[str], text: str) -> list[str]:
        """Return those places of `words` that look like a feature, as their words."""
        ...

    def is_usual_length(self, sentence: str) -> bool:
        """Return whether a sentence is neither too short nor too long to explain."""
        ...
