"""The text of a history without one of its events, for explanations that ask what an event contributes."""

import bisect

from recsys_model.text.textualize import TokenizedText


def events_of(text: TokenizedText) -> list[int]:
    """Return the entities, as indices into `entity_starts`, that are the items of the events, oldest first."""
    return [entity for entity, item in enumerate(text.entity_items) if item >= 0]


def text_without(text: TokenizedText, entity: int) -> TokenizedText:
    """Return the text without the event whose item is this entity: the item and the rest of its sentence.

    Text without sentences ends an event where the item of the next one begins.

    Example:
        >>> text = TokenizedText()
        >>> for item, tokens in enumerate([[5, 6], [7], [8, 9]]):
        ...     text.add_entity(tokens, item)
        ...     text.add_text([1])
        ...     text.end_sentence()
        >>> cut = text_without(text, 1)
        >>> cut.token_ids, cut.entity_items, cut.entity_starts, cut.sentence_ends
        ([5, 6, 1, 8, 9, 1], [0, 2], [0, 3], [3, 6])
    """
    start, end = text.entity_starts[entity], _event_end(text, entity)
    size = end - start
    kept = [
        place
        for place, (first, last) in enumerate(zip(text.entity_starts, text.entity_ends, strict=True))
        if last <= start or first >= end
    ]
    return TokenizedText(
        token_ids=text.token_ids[:start] + text.token_ids[end:],
        entity_starts=[_moved(text.entity_starts[place], end, size) for place in kept],
        entity_ends=[_moved(text.entity_ends[place], end + 1, size) for place in kept],
        entity_items=[text.entity_items[place] for place in kept],
        sentence_ends=[
            sentence_end if sentence_end <= start else sentence_end - size
            for sentence_end in text.sentence_ends
            if sentence_end <= start or sentence_end > end
        ],
    )


def _event_end(text: TokenizedText, entity: int) -> int:
    later = (text.entity_starts[place] for place in events_of(text) if place > entity)
    next_item = next(later, len(text))
    sentence = bisect.bisect_left(text.sentence_ends, text.entity_ends[entity])
    if sentence < len(text.sentence_ends) and text.sentence_ends[sentence] <= next_item:
        return text.sentence_ends[sentence]
    return next_item


def _moved(place: int, end: int, size: int) -> int:
    """Move a place behind the cut to the left."""
    return place - size if place >= end else place
