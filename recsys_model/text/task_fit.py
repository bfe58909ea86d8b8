"""Shorten a question until it fits: the order in which its parts are dropped.

1. The oldest behaviours go first, or before them those that take more than half of the room for the history, if more are
   told then; the latest one stays.
2. Then a review is cut at its end, between two tokens but never inside a character.
3. Optional parts of the template are dropped, the last one first, only if 1 and 2 are not enough; a review then counts
   as `MIN_REVIEW_TOKENS` tokens.

Words of the template, the item that is asked about, candidates and the answer are never cut.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from recsys_model.errors import UnaskableError
from recsys_model.text.task_fields import Value
from recsys_model.text.textualize import TokenizedText, places_that_fit

MIN_REVIEW_TOKENS = 16
"""Optional parts of a template are left out before a review is cut shorter than this."""
MAX_CHARACTER_TOKENS = 4
"""A character has at most four bytes in UTF-8, and no tokenizer here splits a byte."""
REPLACEMENT = "\ufffd"
"""The character that a tokenizer decodes part of a character to."""


@dataclass(slots=True)
class WrittenPart:
    """A part of a template with its values filled in."""

    values: list[Value]
    """Words of the template and values of fields in order."""
    is_optional: bool
    """Whether it may be left out."""

    @property
    def min_tokens(self) -> int:
        """Tokens that are left when it is as short as it may get."""
        return sum(_min_tokens(value) for value in self.values)


def fit(
    parts: Sequence[WrittenPart], room: int, decode: Callable[[Sequence[int]], str], template_id: str
) -> list[Value]:
    """Return the values of the parts that stay, shortened to at most `room` tokens.

    Raises:
        UnaskableError: what is never cut is longer than that.
    """
    kept = list(parts)
    while (needed := sum(part.min_tokens for part in kept)) > room:
        optional = [index for index, part in enumerate(kept) if part.is_optional]
        if not optional:
            raise UnaskableError(
                f"template {template_id}: the question needs at least {needed} tokens, but text.max_tokens leaves {room} next to "
                "the answer; raise it, or lower the number of candidates"
            )
        del kept[optional[-1]]
    values = [value for part in kept for value in part.values]
    excess = sum(len(value) for value in values) - room
    for value in values:
        if value.field == "history" and excess > 0:
            excess -= _drop_behaviours(value, excess)
    for value in values:
        if value.field == "review" and excess > 0:
            num_tokens = max(len(value) - excess, _min_tokens(value))
            excess -= len(value) - num_tokens
            value.pieces = [first_whole(value.pieces[0], num_tokens, decode)]
    return values


def first_whole(text: TokenizedText, num_tokens: int, decode: Callable[[Sequence[int]], str]) -> TokenizedText:
    """Return the first tokens of a text; a character that they would cut is left out."""
    for end in range(num_tokens, max(num_tokens - MAX_CHARACTER_TOKENS, 0), -1):
        if not decode(text.token_ids[:end]).endswith(REPLACEMENT):
            return text.first_tokens(end)
    return text.first_tokens(num_tokens)


def whole_text(token_ids: Sequence[int], decode: Callable[[Sequence[int]], str]) -> str:
    """Return generated tokens in words; a character that the limit of tokens has cut is left out."""
    text = TokenizedText(token_ids=list(token_ids))
    return decode(first_whole(text, len(text), decode).token_ids).strip()


def _drop_behaviours(value: Value, excess: int) -> int:
    """Drop behaviours of a history until it is `excess` tokens shorter, but not the latest; return how many it lost."""
    before = len(value)
    *earlier, latest = value.pieces
    places = places_that_fit([len(piece) for piece in earlier], before - excess - len(latest))
    value.pieces = [*(earlier[place] for place in places), latest]
    return before - len(value)


def _min_tokens(value: Value) -> int:
    if value.field == "history":
        return len(value.pieces[-1])
    return min(len(value), MIN_REVIEW_TOKENS) if value.field == "review" else len(value)
