"""Suggest items for an unknown reference: ids that differ in few characters, texts with common words.

Comparing letters is slow, so an index chooses candidates first; the work for one reference hardly grows with the
catalogue. Chinese and Japanese have no blanks between words, so neighbouring characters count as words too, and
full-width forms count as half-width ones. All versions of an edited catalogue share the index.

Shape suffixes: I = ids of one length, L = characters of these.
"""

import difflib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence, Set

import numpy as np
from numpy.typing import NDArray

from recsys_model.text.units import UNSPACED

_UNSPACED_RUN = re.compile(f"[{UNSPACED}]+")
MAX_CANDIDATES = 50
"""Ids, and texts, that are compared letter by letter."""
MAX_SUGGESTIONS = 3
"""Items suggested in an error."""
MAX_OTHER_CHARACTERS = 2
"""Characters in which a suggested id may differ, at the same length."""
MAX_SHARING = 50_000
"""Texts searched for common words; the rarest words come first, since words of half the catalogue distinguish little."""


class Suggestions:
    """An index over ids and texts; each call first adds the new ones.

    Only one thread at a time may extend it, which `extend` does ahead of time: a million texts take ten seconds.

    >>> Suggestions().closest("Combb", ["a", "b"], ["Comb", "Tent"], frozenset())
    [0]
    """

    def __init__(self) -> None:
        self._num_indexed = 0
        self._word_to_indices: dict[str, list[int]] = defaultdict(list)
        self._length_to_ids: dict[int, tuple[NDArray[np.int64], NDArray[np.uint32]]] = {}

    def closest(
        self,
        reference: str,
        item_ids: Sequence[str],
        texts: Sequence[str],
        removed: Set[int],
        limit: int = MAX_SUGGESTIONS,
        similarity: float = 0.3,
    ) -> list[int]:
        """Return the indices of up to `limit` items whose id or text resembles `reference`, best first.

        A text of less `similarity`, from 0 to 1, is none of them although it shares words. From call to call ids and texts may only grow, or be shorter again by some of the last.
        """
        self.extend(item_ids, texts)
        like = [index for index in self._ids_like(reference) if index < len(item_ids) and index not in removed]
        id_to_index = {item_ids[index]: index for index in like[:MAX_CANDIDATES]}
        ids = difflib.get_close_matches(reference, id_to_index, n=1, cutoff=0.8)
        sharing = [index for index in self._sharing_words(reference) if index < len(texts) and index not in removed]
        text_to_index = {_folded(texts[index]): index for index in sharing[:MAX_CANDIDATES]}
        close = difflib.get_close_matches(_folded(reference), text_to_index, n=limit, cutoff=similarity)
        indices = [id_to_index[item_id] for item_id in ids] + [text_to_index[text] for text in close]
        return list(dict.fromkeys(indices))[:limit]

    def extend(self, item_ids: Sequence[str], texts: Sequence[str]) -> None:
        """Index the ids and texts that are not indexed yet."""
        new_ids: dict[int, list[int]] = defaultdict(list)
        for index in range(self._num_indexed, len(texts)):
            for piece in _pieces(texts[index]):
                self._word_to_indices[piece].append(index)
            new_ids[len(item_ids[index])].append(index)
        for length, indices in new_ids.items():
            index_I, code_IL = np.array(indices, np.int64), _codes([item_ids[index] for index in indices])
            if length in self._length_to_ids:
                old_index_I, old_code_IL = self._length_to_ids[length]
                index_I, code_IL = np.concatenate([old_index_I, index_I]), np.concatenate([old_code_IL, code_IL])
            self._length_to_ids[length] = index_I, code_IL
        self._num_indexed = max(self._num_indexed, len(texts))

    def _ids_like(self, reference: str) -> list[int]:
        if len(reference) not in self._length_to_ids:
            return []
        index_I, code_IL = self._length_to_ids[len(reference)]
        num_other_I = (code_IL != _codes([reference])[0]).sum(axis=1)
        return index_I[num_other_I <= MAX_OTHER_CHARACTERS].tolist()

    def _sharing_words(self, reference: str) -> list[int]:
        """Return the items that share most words."""
        counts: Counter[int] = Counter()
        num_left = MAX_SHARING
        index_lists = [self._word_to_indices[piece] for piece in _pieces(reference) if piece in self._word_to_indices]
        for indices in sorted(index_lists, key=len):
            counts.update(indices[:num_left])
            num_left -= len(indices)
            if num_left <= 0:
                break
        return [index for index, _ in counts.most_common()]


def _codes(texts: Sequence[str]) -> NDArray[np.uint32]:
    """Return the characters of texts of one length as numbers, one row a text.

    >>> _codes(["ab", "aZ"]).tolist()
    [[97, 98], [97, 90]]
    """
    length = len(texts[0])
    return np.array(texts, dtype=f"U{length}").view(np.uint32).reshape(len(texts), length)


def _pieces(text: str) -> set[str]:
    """Words, and beginnings of words, so that a typing error later in a word does not hide it; pairs of characters.

    >>> sorted(_pieces("Ａlder 帐篷布"))
    ['ald', 'alder', '帐篷', '帐篷布', '篷布']
    """
    folded = _folded(text)
    words = folded.split()
    pairs = {run[place : place + 2] for run in _UNSPACED_RUN.findall(folded) for place in range(len(run) - 1)}
    return {*words, *(word[:3] for word in words), *pairs}


def _folded(text: str) -> str:
    """Return a text in lower case, full-width forms as half-width ones."""
    return unicodedata.normalize("NFKC", text).lower()
