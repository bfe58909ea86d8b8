"""Which tokens of a text carry items: residuals of the entity head on inputs, items as targets.

All functions take a text without `[CLS]` and `[EOS]`, and spans that hide parts of it.
"""

import bisect
from collections.abc import Sequence

from recsys_model.entity_config import NUM_EARLIER
from recsys_model.infilling.masking import Span
from recsys_model.text.textualize import TokenizedText

NO_ITEM = -1
"""Value in `input_items`, `earlier_items` and `item_targets` for no item."""
NO_EARLIER = (NO_ITEM,) * NUM_EARLIER
"""Value in `earlier_items` of a token that carries no earlier items."""


def visible_input_items(text: TokenizedText, spans: Sequence[Span]) -> list[int]:
    """Return, for each token of a text, the item whose residual it carries in part A, or `NO_ITEM`.

    These are the tokens of an item and the one behind it; none if a span hides part of the item.
    """
    items = [NO_ITEM] * len(text)
    for start, end, item in zip(text.entity_starts, text.entity_ends, text.entity_items, strict=True):
        if item >= 0 and all(end <= span_start or span_end <= start for span_start, span_end in spans):
            items[start : end + 1] = [item] * len(items[start : end + 1])
    return items


def input_items_in(text: TokenizedText, span: Span) -> list[int]:
    """Return, for each token of a hidden span, the item whose residual it carries in part B, or `NO_ITEM`.

    Only the token behind an item carries it: there the item is known to be complete. Where an item ends a span, that
    is the `[S]` of the next one.
    """
    items = [NO_ITEM] * (span[1] - span[0])
    first = bisect.bisect_left(text.entity_starts, span[0])
    for entity in range(first, len(text.entity_starts)):
        end = text.entity_ends[entity]
        if end >= span[1]:
            break
        if text.entity_items[entity] >= 0:
            items[end - span[0]] = text.entity_items[entity]
    return items


def item_at_end(text: TokenizedText, span: Span) -> int:
    """Return the item that ends where a span ends and lies inside it, or `NO_ITEM`."""
    entity = bisect.bisect_left(text.entity_ends, span[1])
    if entity == len(text.entity_ends) or text.entity_ends[entity] != span[1] or text.entity_starts[entity] < span[0]:
        return NO_ITEM
    return max(text.entity_items[entity], NO_ITEM)


def item_targets_of(text: TokenizedText, span: Span) -> list[int]:
    """Return the item that begins with the target of `[S]` and of each token of a span, or `NO_ITEM`."""
    targets = [NO_ITEM] * (span[1] - span[0] + 1)
    first = bisect.bisect_left(text.entity_starts, span[0])
    for entity in range(first, len(text.entity_starts)):
        if text.entity_ends[entity] > span[1]:
            break
        if text.entity_items[entity] >= 0:
            targets[text.entity_starts[entity] - span[0]] = text.entity_items[entity]
    return targets
