"""Split any text into folded words that know where they stand, so that texts compare without case, width or accents' encoding.

A word is a run of letters, digits and marks; so are a run of katakana and an underscore. Where words are written without
blanks (Han, hiragana, Hangul, Thai, Lao, Khmer, Burmese, Tibetan) every character is a word, as is every other sign. Blanks
part words; a soft hyphen or a joiner does not.

Folding happens cluster by cluster (a character with its marks), and a word keeps the offsets of its clusters in the original
text. So a letter that folding makes longer ("ß", "ﬁ", "½") moves nothing.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Kind = Literal["word", "alone", "sign", "blank"]

_APOSTROPHES = frozenset("'’‘ʼ′＇")
_QUOTES = frozenset('"“”„″＂')
_BLANKS = frozenset("\u200b\ufeff")
"""Format characters that part words."""
_ALONE: tuple[tuple[int, int], ...] = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x0F00, 0x0FFF),  # Tibetan
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x2FDF),  # radicals
    (0x3005, 0x3007),  # iteration marks and zero
    (0x3021, 0x3029),
    (0x3040, 0x309F),  # hiragana
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xAC00, 0xD7FF),  # Hangul
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
"""First and last code points of scripts whose words are not parted by blanks, or take endings as Korean ones do."""
_JAMO = range(0x1100, 0x1200)
"""Parts of Hangul syllables, which belong to one cluster."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a text."""

    text: str
    """Folded."""
    start: int
    """Offset of its first character in the original text."""
    end: int
    """Offset one past its last character."""
    is_sign: bool
    """Whether it is neither letter nor digit."""


def split_words(text: str) -> list[Word]:
    """Return the words of a text in order.

    Example:
        >>> [(word.text, word.start, word.end) for word in split_words("Große Öfen, 好")]
        [('grosse', 0, 5), ('öfen', 6, 10), (',', 10, 11), ('好', 12, 13)]
    """
    words: list[Word] = []
    grows = False
    for start, end in _clusters(text):
        for folded, kind in _folded(text[start:end]):
            if kind == "word" and grows:
                words[-1] = Word(words[-1].text + folded, words[-1].start, end, is_sign=False)
            elif kind != "blank":
                words.append(Word(folded, start, end, is_sign=kind == "sign"))
            grows = kind == "word"
    return words


def _clusters(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each character with the marks behind it."""
    start = 0
    for place in range(1, len(text) + 1):
        if place == len(text) or not _continues(text[place - 1], text[place]):
            yield start, place
            start = place


@lru_cache(maxsize=65536)
def _continues(before: str, character: str) -> bool:
    category = unicodedata.category(character)
    if category == "Cf":
        return character not in _BLANKS
    return category.startswith("M") or (ord(before) in _JAMO and ord(character) in _JAMO)


@lru_cache(maxsize=65536)
def _folded(cluster: str) -> tuple[tuple[str, Kind], ...]:
    """Return the parts of a folded cluster with their kinds; a part is one character and its marks."""
    visible = "".join(each for each in cluster if unicodedata.category(each) != "Cf" or each in _BLANKS)
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).casefold())
    parts: list[tuple[str, Kind]] = []
    for character in folded:
        kind = _kind_of(character)
        if parts and unicodedata.category(character).startswith("M"):
            parts[-1] = parts[-1][0] + character, parts[-1][1]
        else:
            parts.append((_same_sign(character), kind))
    return tuple(parts)


def _kind_of(character: str) -> Kind:
    category, code = unicodedata.category(character), ord(character)
    if category[0] in "ZC":
        return "blank"
    if category[0] not in "LNM" and category != "Pc":
        return "sign"
    return "alone" if any(first <= code <= last for first, last in _ALONE) else "word"


def _same_sign(character: str) -> str:
    """Return one sign for all dashes, apostrophes and quotation marks."""
    if character in _APOSTROPHES:
        return "'"
    if character in _QUOTES:
        return '"'
    return "-" if unicodedata.category(character) == "Pd" else character
