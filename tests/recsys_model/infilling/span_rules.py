"""Which spans each level may draw, as a check of the drawn ones; written from the definition, no product code."""

import itertools
import math
from collections.abc import Sequence

from recsys_model.config import ObjectiveConfig
from recsys_model.text.textualize import ATTRIBUTE
from tests.recsys_model.infilling.definition import ReadText

Span = tuple[int, int]


def whole_units(text: ReadText, by_token: bool) -> list[Span]:
    """Group neighbouring tokens of the same entity."""
    units: list[Span] = []
    for token, entity in enumerate(text.entity):
        if not by_token and entity is not None and token > 0 and text.entity[token - 1] == entity:
            units[-1] = (units[-1][0], token + 1)
        else:
            units.append((token, token + 1))
    return units


def check_entity_level(text: ReadText, spans: Sequence[Span], config: ObjectiveConfig) -> None:
    """Whole units, one at least between spans, no more than asked, and as many as fit."""
    units = whole_units(text, config.mask_units == "token")
    owner = {}
    for number, span in enumerate(spans):
        inside = [unit for unit in units if span[0] <= unit[0] and unit[1] <= span[1]]
        assert sum(end - start for start, end in inside) == span[1] - span[0], "whole units"
        assert config.span_units == "poisson" or len(inside) == 1
        assert inside[-1][0] - span[0] < config.max_span_tokens, "the last unit was still needed"
        owner.update(dict.fromkeys(inside, number))
    owners = [owner.get(unit) for unit in units]
    for left, right in itertools.pairwise(owners):
        assert left == right or None in (left, right), "a unit stays between two spans"
    budget = max(1, round(config.mask_share * len(text.tokens)))
    num_hidden = sum(end - start for start, end in spans)
    assert num_hidden <= 2 * budget or (len(spans) == 1 and spans[0] in units)
    for index, (start, end) in enumerate(units):
        if num_hidden < budget and owners[index] is None:
            near = [other for other in owners[max(index - 1, 0) : index + 2] if other is not None]
            assert near or end - start > 2 * budget - num_hidden, "goes on while something can still be hidden"


def check_sentence_level(text: ReadText, spans: Sequence[Span], config: ObjectiveConfig) -> None:
    """Whole sentences within the share, at least one, and no more that would still fit."""
    sentences: dict[int, list[int]] = {}
    for token, sentence in enumerate(text.sentence):
        sentences.setdefault(sentence, []).append(token)
    bounds = [(tokens[0], tokens[-1] + 1) for tokens in sentences.values()]
    assert all(span in bounds for span in spans)
    budget = config.mask_share * len(text.tokens)
    num_hidden = sum(end - start for start, end in spans)
    assert num_hidden <= budget or len(spans) == 1
    assert all(num_hidden + end - start > budget for start, end in bounds if (start, end) not in spans)


def check_document_level(text: ReadText, spans: Sequence[Span], config: ObjectiveConfig) -> None:
    """One span: some range of an allowed length, widened to the units at its two ends."""
    units = whole_units(text, config.mask_units == "token")
    unit_of = {token: unit for unit in units for token in range(*unit)}
    num_tokens = len(text.tokens)
    shortest = math.ceil(config.document_min_share * num_tokens)
    allowed = set()
    for length in range(shortest, num_tokens + 1):
        starts = [num_tokens - length] if config.document_span == "suffix" else range(num_tokens - length + 1)
        allowed |= {(unit_of[start][0], unit_of[start + length - 1][1]) for start in starts}
    assert len(spans) == 1
    assert spans[0] in allowed


def check_next_item(text: ReadText, spans: Sequence[Span], config: ObjectiveConfig) -> None:
    """One span: the last item, or any but the first."""
    items = [number for number, item in enumerate(text.items) if item != ATTRIBUTE]
    asked = items[-1:] if config.next_item_target == "last" else items[1:] or items
    ranges = [[token for token, entity in enumerate(text.entity) if entity == number] for number in asked]
    assert len(spans) == 1
    assert spans[0] in [(tokens[0], tokens[-1] + 1) for tokens in ranges]


CHECKS = {
    "entity": check_entity_level,
    "sentence": check_sentence_level,
    "document": check_document_level,
    "next_item": check_next_item,
}
