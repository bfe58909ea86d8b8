"""Find an item by what a user typed: an item id, a title, or an item's unique text.

The error of an unknown reference names the closest items.
"""

import copy
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set

from recsys_model.entities.suggestions import Suggestions
from recsys_model.entities.unique_texts import fold_whitespace
from recsys_model.errors import DataError

GENERAL_ADVICE = "give an item id or an exact title of the catalogue"


class ReferenceIndex:
    """Dictionaries from item ids, unique texts and titles to catalogue indices."""

    def __init__(self, item_ids: Sequence[str], titles: Sequence[str], texts: Sequence[str]) -> None:
        self._item_ids = list(item_ids)
        self._texts = list(texts)
        self._item_id_to_index = {item_id: index for index, item_id in enumerate(item_ids)}
        self._text_to_index = {text: index for index, text in enumerate(texts)}
        self._title_to_indices: dict[str, list[int]] = defaultdict(list)
        self._suggestions = Suggestions()
        self._removed: Set[int] = frozenset()
        for index, title in enumerate(titles):
            self._title_to_indices[fold_whitespace(title)].append(index)

    def edited(
        self, item_ids: Sequence[str], titles: Sequence[str], texts: Mapping[int, str], removed: Set[int]
    ) -> "ReferenceIndex":
        """Return an index with further items, which have these ids and titles.

        `texts` are those of all added and restored items. A removed item is still found by its id, and by its title or
        text if no other item has them.
        """
        other = copy.copy(self)
        num_items = len(self._item_ids)
        other._item_ids = [*self._item_ids, *item_ids]
        other._texts = [*self._texts, *(texts[num_items + place] for place in range(len(item_ids)))]
        other._item_id_to_index = self._item_id_to_index | {other._item_ids[index]: index for index in texts}
        other._text_to_index = self._text_to_index | {text: index for index, text in texts.items()}
        other._title_to_indices = self._title_to_indices.copy()
        for index, title in enumerate(map(fold_whitespace, titles), start=num_items):
            other._title_to_indices[title] = [*other._title_to_indices.get(title, []), index]
        other._removed = removed
        return other

    def index_of(self, item_id: str) -> int | None:
        """Return the catalogue index of an item id, the latest where an item was replaced; None if it is not known."""
        return self._item_id_to_index.get(item_id)

    def find(self, reference: str, *, suggest: bool = True) -> int:
        """Return the catalogue index of the item that `reference` means.

        An item id wins over a title; a title counts only if no other item has it.

        Raises:
            DataError: no item fits, or several items have this title. The message names those
                items; with `suggest` it names similar items, which is slow.
        """
        if reference in self._item_id_to_index:
            return self._item_id_to_index[reference]
        folded = fold_whitespace(reference)
        same_title = self._title_to_indices.get(folded, []) if folded else []
        indices = [index for index in same_title if index not in self._removed] or same_title[-1:]
        if len(indices) == 1:
            return indices[0]
        if len(indices) > 1:
            raise DataError(
                f"title {reference!r} belongs to {len(indices)} items; give one of the item ids "
                f"{', '.join(self._item_ids[index] for index in indices[:10])}"
            )
        if folded in self._text_to_index:
            return self._text_to_index[folded]
        advice = self._advice(folded) if suggest else GENERAL_ADVICE
        raise DataError(f"no item has the id or title {reference!r}; {advice}")

    def search(self, reference: str, limit: int) -> list[int]:
        """Return up to `limit` catalogue indices: items with this id, title or text, then similar ones that are present."""
        folded = fold_whitespace(reference)
        exact = [self._item_id_to_index.get(reference), *self._title_to_indices.get(folded, [])]
        exact.append(self._text_to_index.get(folded))
        similar = self._suggestions.closest(folded, self._item_ids, self._texts, self._removed, limit, 0.0)
        indices = [index for index in exact if index is not None and index not in self._removed]
        return list(dict.fromkeys([*indices, *similar]))[:limit]

    def prepare(self) -> None:
        """Index the suggestions ahead of time, so that the first unknown reference does not wait for it."""
        self._suggestions.extend(self._item_ids, self._texts)

    def _advice(self, reference: str) -> str:
        closest = self._suggestions.closest(reference, self._item_ids, self._texts, self._removed)
        if not closest:
            return GENERAL_ADVICE
        return "closest: " + ", ".join(f"{self._texts[index]!r} ({self._item_ids[index]})" for index in closest)
