"""Find an item by what a user typed: an item id, a title, or an item's unique text.

The error for an unknown reference names the closest titles. Candidates are the items that share most words
with the reference, so that the slow comparison by letters sees a bounded number of them.
"""

import copy
import difflib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set

from recsys_model.entities.unique_texts import fold_whitespace
from recsys_model.errors import DataError

MAX_CANDIDATES = 50
"""Titles compared letter by letter for one unknown reference."""
MAX_SUGGESTIONS = 3
"""Titles named in the error."""


class ReferenceIndex:
    """Dictionaries from item ids, unique texts and titles to catalogue indices."""

    def __init__(self, item_ids: Sequence[str], titles: Sequence[str], texts: Sequence[str]) -> None:
        self._item_ids = list(item_ids)
        self._texts = list(texts)
        self._item_id_to_index = {item_id: index for index, item_id in enumerate(item_ids)}
        self._text_to_index = {text: index for index, text in enumerate(texts)}
        self._title_to_indices: dict[str, list[int]] = defaultdict(list)
        self._word_to_indices: dict[str, list[int]] = {}
        self._removed: Set[int] = frozenset()
        for index, title in enumerate(titles):
            self._title_to_indices[fold_whitespace(title)].append(index)

    def edited(
        self, item_ids: Sequence[str], titles: Sequence[str], texts: Mapping[int, str], removed: Set[int]
    ) -> "ReferenceIndex":
        """Return an index that also knows the items behind the last one, with these ids and titles.

        `texts` are those of all items that came or came back. A removed item is still found by its id, and by its
        title or text where no other item has them.
        """
        other = copy.copy(self)
        num_known = len(self._item_ids)
        other._item_ids = [*self._item_ids, *item_ids]
        other._texts = [*self._texts, *(texts[num_known + place] for place in range(len(item_ids)))]
        other._item_id_to_index = self._item_id_to_index | {other._item_ids[index]: index for index in texts}
        other._text_to_index = self._text_to_index | {text: index for index, text in texts.items()}
        other._title_to_indices = self._title_to_indices.copy()
        for index, title in enumerate(map(fold_whitespace, titles), start=num_known):
            other._title_to_indices[title] = [*other._title_to_indices.get(title, []), index]
        other._word_to_indices = {}
        other._removed = removed
        return other

    def index_of(self, item_id: str) -> int | None:
        """Return the catalogue index of an item id, the latest where an item was replaced; None if it is not known."""
        return self._item_id_to_index.get(item_id)

    def find(self, reference: str) -> int:
        """Return the catalogue index of the item that `reference` means.

        An item id wins over a title; a title counts only if no other item has it.

        Raises:
            DataError: nothing fits, or several items have this title; the message names what would fit.
        """
        if reference in self._item_id_to_index:
            return self._item_id_to_index[reference]
        folded = fold_whitespace(reference)
        known = self._title_to_indices.get(folded, []) if folded else []
        indices = [index for index in known if index not in self._removed] or known[-1:]
        if len(indices) == 1:
            return indices[0]
        if len(indices) > 1:
            raise DataError(
                f"title {reference!r} belongs to {len(indices)} items; give one of the item ids "
                f"{', '.join(self._item_ids[index] for index in indices[:10])}"
            )
        if folded in self._text_to_index:
            return self._text_to_index[folded]
        raise DataError(f"no item has the id or title {reference!r}; {self._advice(folded)}")

    def _advice(self, reference: str) -> str:
        closest = self.closest(reference)
        if not closest:
            return "give an item id or an exact title of the catalogue"
        return "closest: " + ", ".join(f"{self._texts[index]!r} ({self._item_ids[index]})" for index in closest)

    def closest(self, reference: str) -> list[int]:
        """Return the indices of up to `MAX_SUGGESTIONS` items whose text or id resembles `reference`, best first."""
        ids = difflib.get_close_matches(reference, self._ids_like(reference), n=1, cutoff=0.8)
        sharing = [index for index in self._sharing_words(reference) if index not in self._removed]
        lowered_to_index = {self._texts[index].lower(): index for index in sharing}
        texts = difflib.get_close_matches(reference.lower(), lowered_to_index, n=MAX_SUGGESTIONS, cutoff=0.3)
        found = [self._item_id_to_index[item_id] for item_id in ids] + [lowered_to_index[text] for text in texts]
        return list(dict.fromkeys(found))[:MAX_SUGGESTIONS]

    def _ids_like(self, reference: str) -> list[str]:
        """Ids of the same length with at most two other characters; cheap, so all are looked at."""
        return [
            item_id
            for item_id in self._item_ids
            if len(item_id) == len(reference) and sum(a != b for a, b in zip(item_id, reference, strict=True)) <= 2
        ][:MAX_CANDIDATES]

    def _sharing_words(self, reference: str) -> list[int]:
        if not self._word_to_indices:
            self._word_to_indices = self._index_words()
        counts: Counter[int] = Counter()
        for piece in _pieces(reference):
            counts.update(self._word_to_indices.get(piece, ()))
        return [index for index, _ in counts.most_common(MAX_CANDIDATES)]

    def _index_words(self) -> dict[str, list[int]]:
        word_to_indices: dict[str, list[int]] = defaultdict(list)
        for index, text in enumerate(self._texts):
            for piece in _pieces(text):
                word_to_indices[piece].append(index)
        return dict(word_to_indices)


def _pieces(text: str) -> set[str]:
    """Words, and beginnings of words, so that a typing error later in a word does not hide it."""
    words = text.lower().split()
    return {*words, *(word[:3] for word in words)}
