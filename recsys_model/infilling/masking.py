"""Draw the hidden spans of a text: whole units, in chronological order.

A unit is one entity or one separate token; an entity is never split (paper, Mask Mechanism). With
`mask_units: token`, the ablation, every token is a unit. Spans are half-open token ranges of the
text without `[CLS]` and `[EOS]`.
"""

import bisect
import math
from collections.abc import Sequence

import numpy as np

from recsys_model.config import ObjectiveConfig
from recsys_model.errors import DataError
from recsys_model.text.textualize import TokenizedText

Span = tuple[int, int]


def units_of(text: TokenizedText) -> list[Span]:
    """Return the units of a text in order; together they cover every token once."""
    units: list[Span] = []
    position = 0
    for start, end in zip(text.entity_starts, text.entity_ends, strict=True):
        units.extend((token, token + 1) for token in range(position, start))
        units.append((start, end))
        position = end
    units.extend((token, token + 1) for token in range(position, len(text)))
    return units


def entity_level_spans(text: TokenizedText, config: ObjectiveConfig, rng: np.random.Generator) -> list[Span]:
    """Draw spans of whole units until the masked share is reached.

    A length comes from Poisson(`poisson_mean`) on 1..`max_span_tokens`; units are added from a random
    start until it is reached. At least one unit stays between two spans. A span stops growing before
    the total exceeds twice the budget; a single unit that is too long for what is left is passed over,
    unless nothing is hidden yet.
    """
    by_token = config.mask_units == "token"
    units = [(token, token + 1) for token in range(len(text))] if by_token else units_of(text)
    budget = max(1, round(config.mask_share * len(text)))
    free = [True] * len(units)
    spans: list[Span] = []
    num_hidden = 0
    for start in rng.permutation(len(units)).tolist():
        if num_hidden >= budget:
            break
        if not free[start]:
            continue
        room = 2 * budget - num_hidden
        length = 1 if config.span_units == "single" else _span_length(config, rng)
        stop = _grow(units, free, start, length, room)
        size = units[stop - 1][1] - units[start][0]
        if spans and size > room:
            continue
        spans.append((units[start][0], units[stop - 1][1]))
        num_hidden += size
        for unit in range(max(start - 1, 0), min(stop + 1, len(units))):
            free[unit] = False
    return sorted(spans)


def sentence_level_spans(text: TokenizedText, config: ObjectiveConfig, rng: np.random.Generator) -> list[Span]:
    """Draw whole sentences, at least one, while they stay within the masked share.

    Neighbouring sentences stay spans of their own.
    """
    sentences = list(zip([0, *text.sentence_ends], [*text.sentence_ends, len(text)], strict=True))
    sentences = [(start, end) for start, end in sentences if start < end]
    budget = config.mask_share * len(text)
    spans: list[Span] = []
    num_hidden = 0
    for index in rng.permutation(len(sentences)):
        start, end = sentences[index]
        if spans and num_hidden + end - start > budget:
            continue
        spans.append((start, end))
        num_hidden += end - start
    return sorted(spans)


def document_level_span(text: TokenizedText, config: ObjectiveConfig, rng: np.random.Generator) -> list[Span]:
    """Draw one span of a uniform 50-100 % of the text (paper), snapped outwards to unit boundaries."""
    num_tokens = len(text)
    length = math.ceil(rng.uniform(config.document_min_share, 1.0) * num_tokens)
    start = num_tokens - length
    if config.document_span == "anywhere":
        start = int(rng.integers(0, start + 1))
    end = start + length
    return [(start, end) if config.mask_units == "token" else _snap_outwards(text, start, end)]


def next_item_cut(text: TokenizedText, config: ObjectiveConfig, rng: np.random.Generator) -> int:
    """Return which entity of the text the supervised task asks for: its last item, or any item after the first.

    Raises:
        DataError: the text has no item.
    """
    items = [entity for entity, item in enumerate(text.entity_items) if item >= 0]
    if not items:
        raise DataError(
            "the supervised task asks for an item of the text, got a text without one; "
            "give it a target or set objective.next_item_weight to 0"
        )
    if config.next_item_target == "last" or len(items) == 1:
        return items[-1]
    return items[int(rng.integers(1, len(items)))]


def _span_length(config: ObjectiveConfig, rng: np.random.Generator) -> int:
    """Draw from Poisson(`poisson_mean`), again where the draw lies outside 1..`max_span_tokens`."""
    for _ in range(100):
        length = int(rng.poisson(config.poisson_mean))
        if 1 <= length <= config.max_span_tokens:
            return length
    return min(max(round(config.poisson_mean), 1), config.max_span_tokens)


def _grow(units: Sequence[Span], free: Sequence[bool], start: int, length: int, room: int) -> int:
    """Return one past the last unit of a span that starts at `start` and reaches `length` tokens if it can.

    From its second unit on, the span stays within `room` tokens.
    """
    begin = units[start][0]
    stop = start + 1
    while stop < len(units) and free[stop] and units[stop - 1][1] - begin < length and units[stop][1] - begin <= room:
        stop += 1
    return stop


def _snap_outwards(text: TokenizedText, start: int, end: int) -> Span:
    """Widen a range until it cuts no entity."""
    entity = bisect.bisect_right(text.entity_starts, start) - 1
    if entity >= 0 and text.entity_ends[entity] > start:
        start = text.entity_starts[entity]
    entity = bisect.bisect_left(text.entity_ends, end)
    if entity < len(text.entity_ends) and text.entity_starts[entity] < end:
        end = text.entity_ends[entity]
    return start, end
