"""`next_item_target: all`: the text from its first item on is one document-level blank, and every item is a target.

Part A is the text in front of the first item and one `[gMASK]`. Part B has, for each item, an `[S]` that carries the
vector of the item before it (with `entity.earlier_inputs` also those of the two items before that one) and whose state
predicts the item, and then the item's tokens; with `history: vectors` these are left out of all items but the last, so
that an item of the history is one token. Text between two items precedes the `[S]` of the second one, unless it is a
lone separator. So no event sees a later one.

The inter position id of part B counts items. From the first: it begins with the place of `[gMASK]` and grows by 1 with
each, so that a longer history reuses the keys and values of a shorter one. From the last (`history: vectors_from_last`):
the last item has the place of `[gMASK]`, as a single blank has, and each earlier one 1 more.
"""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, field

from recsys_model.config import HistoryLayout
from recsys_model.entity_config import NUM_EARLIER
from recsys_model.infilling.item_places import NO_EARLIER, NO_ITEM
from recsys_model.infilling.part_a import PartA, corrupt
from recsys_model.infilling.positions import IntraMode, part_a_intra_ids
from recsys_model.text.textualize import TokenizedText
from recsys_model.text.tokenizer import SpecialTokens

START_ID = 1
"""Intra position id of `[S]`; the item behind it is one unit with it in every mode, so its tokens count on."""


@dataclass(slots=True)
class ItemRow:
    """Part A of a text, and part B up to the next `[S]`."""

    part_a: PartA
    """The text before its first item, and the blank."""
    num_items: int | None = None
    """Items of the whole row where position ids count from the last one, None where they count from the first."""
    token_ids: list[int] = field(default_factory=list)
    """Part B so far."""
    inter_position_ids: list[int] = field(default_factory=list)
    """Place of `[gMASK]` plus the number of items before, or behind where they count from the last."""
    intra_position_ids: list[int] = field(default_factory=list)
    """1 for `[S]`, then the place inside the item; between items as in part A."""
    input_items: list[int] = field(default_factory=list)
    """Catalogue index of the item whose vector each token carries, or `NO_ITEM`."""
    earlier_items: list[tuple[int, ...]] = field(default_factory=list)
    """The items before that one, the latest first, or `NO_EARLIER`."""
    start_places: list[int] = field(default_factory=list)
    """Index in part B of the `[S]` of each item."""
    items: list[int] = field(default_factory=list)
    """The items so far."""

    @property
    def position(self) -> int:
        """Inter position id of what comes next."""
        before = len(self.items)
        return self.part_a.mask_position + (before if self.num_items is None else self.num_items - 1 - before)

    @property
    def last_item(self) -> int:
        """The item that the next `[S]` carries, or `NO_ITEM`."""
        return self.items[-1] if self.items else NO_ITEM

    @property
    def items_before_last(self) -> tuple[int, ...]:
        """The items before the last one, the latest first, filled up with `NO_ITEM`."""
        latest = self.items[-2 : -2 - NUM_EARLIER : -1]
        return (*latest, *NO_EARLIER[len(latest) :])

    def add_item(self, start_token: int, token_ids: Sequence[int], item: int) -> None:
        """Append the `[S]` of an item and the given tokens of the item."""
        self.start_places.append(len(self.token_ids))
        self._add(start_token, START_ID, self.last_item)
        for intra_id, token in enumerate(token_ids, start=START_ID + 1):
            self._add(token, intra_id, NO_ITEM)
        self.items.append(item)

    def add_text(self, token_ids: Sequence[int], intra_ids: Sequence[int]) -> None:
        """Append text behind an item; its first token carries the item."""
        for place, (token, intra_id) in enumerate(zip(token_ids, intra_ids, strict=True)):
            self._add(token, intra_id, self.last_item if place == 0 else NO_ITEM)

    def _add(self, token: int, intra_id: int, item: int) -> None:
        self.token_ids.append(token)
        self.inter_position_ids.append(self.position)
        self.intra_position_ids.append(intra_id)
        self.input_items.append(item)
        self.earlier_items.append(NO_EARLIER if item == NO_ITEM else self.items_before_last)


def lay_out_history(
    text: TokenizedText, special: SpecialTokens, intra_mode: IntraMode, layout: HistoryLayout
) -> ItemRow:
    """Return the row of a history: a text that ends before its target, which is the last item of the row."""
    entities = [entity for entity, item in enumerate(text.entity_items) if item >= 0]
    first = text.entity_starts[entities[0]] if entities else len(text)
    part_a, _ = corrupt(text.first_tokens(first), [(first, first)], special.gmask, special, intra_mode)
    row = ItemRow(part_a, len(entities) + 1 if layout == "vectors_from_last" else None)
    intra_T = part_a_intra_ids(len(text), text.entity_starts, text.entity_ends, intra_mode)
    stops = [*(text.entity_starts[entity] for entity in entities[1:]), len(text)]
    for entity, stop in zip(entities, stops, strict=False):
        start, end = text.entity_starts[entity], text.entity_ends[entity]
        item_tokens = text.token_ids[start:end] if layout == "tokens" else []
        row.add_item(special.start, item_tokens, text.entity_items[entity])
        if _is_more_than_separator(text, end, stop):
            row.add_text(text.token_ids[end:stop], intra_T[end:stop])
    return row


def _is_more_than_separator(text: TokenizedText, start: int, end: int) -> bool:
    """Whether text between two items is more than a separator of one token."""
    has_entity = bisect.bisect_left(text.entity_starts, start) < bisect.bisect_left(text.entity_starts, end)
    return end - start > 1 or has_entity
