"""Extract explanations from reviews: a feature word and the sentence that has it.

Published data sets extract explanations with sentiment parsers. For data without explanations this project has its own
rule, and every figure that depends on it must carry `STATEMENT`. English only, without a part-of-speech tagger:

1. A review is cut into sentences at `.`, `!`, `?` followed by white space.
2. After a determiner ("the", "my", ...) words that are not function words are followed to the end of their run:
   "the sound quality is" ends in "quality". The last word of a run of at most three gets a vote as a noun.
3. Features are the words with at least `min_votes` votes that end a run in at least `min_vote_share` of their
   occurrences ("great" often follows a determiner, but seldom ends the run); of these, the `max_features` with
   most votes, ties in alphabetical order.
4. A review is explained by its sentence of `MIN_WORDS` to `MAX_WORDS` words that holds the feature with most
   votes; ties go to the earlier place. A review without one is not explained.

Count features in training reviews only.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from recsys_model.text.task_facts import fold

STATEMENT = (
    "Explanations are ours: sentences of the reviews that hold a frequent noun-like word, found by counting without a "
    "tagger, so figures cannot be compared with those on other extractions."
)
MIN_WORDS, MAX_WORDS = 4, 30
MIN_LETTERS = 3
MAX_RUN = 3
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_TOKEN = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*|[^\w\s]|\w+")
_DETERMINERS = "a an the this that these those my your his her its our their"
_OTHERS = """
about above after again all almost also although always am and any are aren't as at back be because been before
being below between both but by can can't cannot could couldn't did didn't do does doesn't doing don't done down
during each either else enough even ever every few first for from further get gets getting give go goes going gone
got had hadn't has hasn't have haven't having he hers here him how i i'd i'll i'm i've if in into is isn't it it'd
it'll it's just keep keeps last least less let like lot lots made make makes many may maybe me might mine more most
much must never next no none nor not nothing now of off on once one only onto or other others out over own per
quite rather really same second seem seems several shall she should shouldn't since so some something soon still
such sure than that's them then there there's they they're thing things think though three through to too two
under until up upon us use used using very want was wasn't way we we're well went were weren't what when where
whether which while who whom whose why will with within without won't would wouldn't yet you you'll you're yours
"""
DETERMINERS = frozenset(_DETERMINERS.split())
FUNCTION_WORDS = DETERMINERS | frozenset(_OTHERS.split())
"""Words that are never features and end a run."""


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

    def add(self, review: str) -> None:
        """Count one review."""
        tokens = _tokens(review)
        self.occurrences.update(tokens)
        self.votes.update(_run_ends(tokens))


class FeatureWords:
    """The feature words of a collection of reviews, or of its word counts."""

    def __init__(
        self,
        reviews: Iterable[str] | WordCounts,
        *,
        min_votes: int = 5,
        min_vote_share: float = 0.2,
        max_features: int = 1000,
    ) -> None:
        counts = reviews if isinstance(reviews, WordCounts) else _count(reviews)
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
        for sentence in sentences(review):
            tokens = _tokens(sentence)
            if not MIN_WORDS <= sum(token[0].isalnum() for token in tokens) <= MAX_WORDS:
                continue
            for token in tokens:
                if self.votes.get(token, 0) > (self.votes[best.feature] if best else 0):
                    best = Explanation(token, sentence)
        return best


def sentences(review: str) -> list[str]:
    """Cut a review into sentences, white space folded.

    Example:
        >>> sentences("Great sound!  It costs 2.50 only.")
        ['Great sound!', 'It costs 2.50 only.']
    """
    return [fold(sentence) for sentence in _SENTENCE_END.split(review.strip()) if sentence]


def _count(reviews: Iterable[str]) -> WordCounts:
    counts = WordCounts()
    for review in reviews:
        counts.add(review)
    return counts


def _tokens(text: str) -> list[str]:
    """Return words, numbers and marks, lower case."""
    return _TOKEN.findall(text.lower())


def _run_ends(tokens: Sequence[str]) -> Iterator[str]:
    """Yield the last word of each run of content words that follows a determiner."""
    for place, token in enumerate(tokens):
        if token not in DETERMINERS:
            continue
        run: list[str] = []
        for word in tokens[place + 1 : place + 2 + MAX_RUN]:
            if word in FUNCTION_WORDS or not word[0].isalpha():
                break
            run.append(word)
        if 1 <= len(run) <= MAX_RUN and len(run[-1]) >= MIN_LETTERS:
            yield run[-1]
