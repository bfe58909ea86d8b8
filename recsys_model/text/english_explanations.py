"""Explanations of English reviews, found without a part-of-speech tagger.

1. A review is cut into sentences at `.`, `!`, `?` followed by white space.
2. After a determiner ("the", "my", ...) words that are not function words are followed to the end of their run:
   "the sound quality is" ends in "quality". The last word of a run of at most three gets a vote as a noun.
3. A sentence of `MIN_WORDS` to `MAX_WORDS` words may explain.
"""

import re
from collections.abc import Iterator, Sequence

from recsys_model.text.task_facts import fold

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


class EnglishRule:
    """The rule of the module."""

    statement = (
        "Explanations are ours: sentences of the reviews that hold a frequent noun-like word, found by counting without "
        "a tagger, so figures cannot be compared with those on other extractions."
    )

    def sentences(self, review: str) -> list[str]:
        """Cut a review at `.`, `!`, `?` followed by white space.

        Example:
            >>> EnglishRule().sentences("Great sound!  It costs 2.50 only.")
            ['Great sound!', 'It costs 2.50 only.']
        """
        return [fold(sentence) for sentence in _SENTENCE_END.split(review.strip()) if sentence]

    def words(self, text: str) -> list[str]:
        """Return words, numbers and marks, lower case."""
        return _TOKEN.findall(text.lower())

    def votes(self, words: Sequence[str], text: str) -> list[str]:
        """Return the last word of each run of content words that follows a determiner."""
        del text
        return list(_run_ends(words))

    def is_usual_length(self, sentence: str) -> bool:
        """Return whether the sentence has `MIN_WORDS` to `MAX_WORDS` words."""
        return MIN_WORDS <= sum(word[0].isalnum() for word in self.words(sentence)) <= MAX_WORDS


def _run_ends(tokens: Sequence[str]) -> Iterator[str]:
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
