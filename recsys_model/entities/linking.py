"""Find the items that a free text names: the longest match over all names, from left to right.

    I bought an [Alder Lake stove] and two [Red Tents], not the [Red Tent Pole].

Names and text are compared word by word as `recsys_model.text.words` folds them, so a match begins and ends at a word border,
and "tent" is not found in "tentative". The names are a `pygtrie.Trie` whose keys are tuples of words, because the names change
while serving: one is added or removed in the time of its length. `EntityPool` holds the same entities as token ids; it cannot
do this, since tokens of a text depend on what stands around them.

A name that any sentence may hold ("It", "The One", "的") is found between quotation marks alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pygtrie

from recsys_model.errors import DataError
from recsys_model.text.words import Word, split_words

_FUNCTION_WORDS = """
a about after all also am an and any are as at be because been before but by can could d did do does for from get got had has
have he her here him his how i if in into is it its just ll m me more most my no not now of on one only or other our out over re
s she should so some such t than that the their them then there these they this those to too up us ve very was we were what when
where which who why will with would you your
我们 你们 他们 什么 这个 那个 一个 没有 可以 因为 所以 但是 如果 就是 还是 不是 已经 自己
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())
"""What stands in sentences on any subject, and what is left of words behind an apostrophe."""
_OPENING = frozenset("\"'“„‘«‹「『《〈【")
_CLOSING = frozenset("\"'”“’»›」』》〉】")


@dataclass(frozen=True, slots=True)
class LinkedEntity:
    """A name that a text holds."""

    start: int
    """Offset of its first character in the text."""
    end: int
    """Offset one past its last character."""
    text: str
    """The characters between, as the text writes them."""
    name: str
    """The name, as it was added first."""
    items: tuple[int, ...]
    """Catalogue indices of all items with this name, ascending."""


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    items: tuple[int, ...]
    needs_quotes: bool


class EntityLinker:
    """Links texts to items by their names; names can be added and removed.

    Example:
        >>> linker = EntityLinker([("Red Tent", 0), ("Red Tent Pole", 1), ("It", 2)])
        >>> [(found.text, found.items) for found in linker.link("It is a red tent pole, no RED TENT; see “It”.")]
        [('red tent pole', (1,)), ('RED TENT', (0,)), ('It', (2,))]
    """

    def __init__(self, names: Iterable[tuple[str, int]] = ()) -> None:
        """Take pairs of name and catalogue index; those without a letter or digit are kept in `unlinkable`."""
        self._trie = pygtrie.Trie()
        self._lengths: dict[int, int] = {}
        self.unlinkable: list[tuple[str, int]] = []
        """Names that no text can be searched for: empty, or signs alone."""
        for name, item in names:
            if any(not word.is_sign for word in split_words(name)):
                self.add(name, item)
            else:
                self.unlinkable.append((name, item))

    def __len__(self) -> int:
        return len(self._trie)

    def add(self, name: str, item: int) -> None:
        """Add a name of an item; several items may have the same.

        Raises:
            DataError: it has neither letter nor digit.
        """
        words = split_words(name)
        if all(word.is_sign for word in words):
            raise DataError(f"a name needs a letter or a digit to be found in a text, got {name!r} for item {item}")
        key = tuple(word.text for word in words)
        entry = self._trie.get(key)
        if entry is None:
            entry = _Entry(name, (), _is_common(words))
            self._lengths[len(key)] = self._lengths.get(len(key), 0) + 1
        self._trie[key] = replace(entry, items=tuple(sorted({*entry.items, item})))

    def remove(self, name: str, item: int) -> None:
        """Remove a name of an item; other items keep it.

        Raises:
            DataError: the item does not have this name.
        """
        key = tuple(word.text for word in split_words(name))
        entry = self._trie.get(key) if key else None
        if entry is None or item not in entry.items:
            raise DataError(f"only a name that was added can be removed, got {name!r} for item {item}")
        left = tuple(other for other in entry.items if other != item)
        if left:
            self._trie[key] = replace(entry, items=left)
            return
        del self._trie[key]
        self._lengths[len(key)] -= 1
        if not self._lengths[len(key)]:
            del self._lengths[len(key)]

    def link(self, text: str) -> list[LinkedEntity]:
        """Return the names in a text, in order; they do not overlap, and the one that begins first wins."""
        words = split_words(text)
        keys = [word.text for word in words]
        longest = max(self._lengths, default=0)
        linked: list[LinkedEntity] = []
        place = 0
        while place < len(words):
            found = self._longest_at(text, words, keys[place : place + longest], place)
            if found is None:
                place += 1
                continue
            length, entry = found
            start, end = words[place].start, words[place + length - 1].end
            linked.append(LinkedEntity(start, end, text[start:end], entry.name, entry.items))
            place += length
        return linked

    def _longest_at(
        self, text: str, words: Sequence[Word], keys: Sequence[str], place: int
    ) -> tuple[int, _Entry] | None:
        """Return the number of words and the entry of the longest name that begins at a word, None if none does."""
        for step in reversed(list(self._trie.prefixes(keys))):
            length = len(step.key)
            start, end = words[place].start, words[place + length - 1].end
            # a sign such as "½" folds to several words, none of which can be cut off
            is_cut = any(
                0 < border < len(words) and words[border - 1].end > words[border].start
                for border in (place, place + length)
            )
            if not is_cut and (not step.value.needs_quotes or _is_quoted(text, start, end)):
                return length, step.value
        return None


def _is_common(words: Sequence[Word]) -> bool:
    """Return whether any sentence may hold these words: all function words, or a single character."""
    letters = [word.text for word in words if not word.is_sign]
    joined = "".join(letters)
    return all(word in FUNCTION_WORDS for word in letters) or joined in FUNCTION_WORDS or len(joined) == 1


def _is_quoted(text: str, start: int, end: int) -> bool:
    return start > 0 and end < len(text) and text[start - 1] in _OPENING and text[end] in _CLOSING
