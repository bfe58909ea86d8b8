"""Spans are whole units, in order, apart from each other, within the budget."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_model.config import ObjectiveConfig
from recsys_model.infilling.masking import (
    document_level_span,
    entity_level_spans,
    next_item_cut,
    sentence_level_spans,
    units_of,
)
from recsys_model.text.textualize import ATTRIBUTE, TokenizedText


def text_of(units: list[tuple[str, int]]) -> TokenizedText:
    """Build a text from (kind, size): `e` an item, `a` an attribute, `t` plain tokens, `.` a sentence end."""
    text = TokenizedText()
    for kind, size in units:
        if kind in "ea":
            text.add_entity(list(range(size)), 0 if kind == "e" else ATTRIBUTE)
        else:
            text.add_text([99] * size)
        if kind == ".":
            text.end_sentence()
    return text


UNITS = st.lists(st.tuples(st.sampled_from("eat."), st.integers(1, 6)), min_size=1, max_size=25)
SEEDS = st.integers(0, 2**32 - 1)


def assert_whole_units(text: TokenizedText, spans: list[tuple[int, int]]) -> None:
    starts = {start for start, _ in units_of(text)}
    ends = {end for _, end in units_of(text)}
    assert all(start < end and start in starts and end in ends for start, end in spans)
    assert spans == sorted(spans)
    assert all(left[1] <= right[0] for left, right in itertools.pairwise(spans))


def test_units_are_entities_and_separate_tokens() -> None:
    assert units_of(text_of([("t", 2), ("e", 3), ("e", 1), ("t", 1)])) == [(0, 1), (1, 2), (2, 5), (5, 6), (6, 7)]


@settings(deadline=None)
@given(units=UNITS, seed=SEEDS, kind=st.sampled_from(["poisson", "single"]), share=st.floats(0.05, 1.0))
def test_entity_level_hides_whole_units_with_one_between_spans(units: list, seed: int, kind: str, share: float) -> None:
    text = text_of(units)
    config = ObjectiveConfig(span_units=kind, mask_share=share)  # type: ignore[arg-type]
    spans = entity_level_spans(text, config, np.random.default_rng(seed))
    assert_whole_units(text, spans)
    assert spans, "something is always hidden"
    assert all(left[1] < right[0] for left, right in itertools.pairwise(spans))
    budget = max(1, round(share * len(text)))
    hidden = sum(end - start for start, end in spans)
    assert hidden <= 2 * budget or (len(spans) == 1 and spans[0] in units_of(text))
    if kind == "single":
        assert all(span in units_of(text) for span in spans)


@settings(deadline=None)
@given(units=UNITS, seed=SEEDS)
def test_sentence_level_hides_whole_sentences(units: list, seed: int) -> None:
    text = text_of(units)
    config = ObjectiveConfig()
    spans = sentence_level_spans(text, config, np.random.default_rng(seed))
    bounds = {0, len(text), *text.sentence_ends}
    assert spans
    assert_whole_units(text, spans)
    assert all(start in bounds and end in bounds for start, end in spans)
    assert all(not any(start < end_of < end for end_of in text.sentence_ends) for start, end in spans)
    assert len(spans) == 1 or sum(end - start for start, end in spans) <= config.mask_share * len(text) + max(
        end - start for start, end in spans
    )


def test_full_stop_inside_an_entity_ends_no_sentence() -> None:
    text = text_of([("e", 4), (".", 1), ("e", 4), (".", 1)])
    config = ObjectiveConfig(mask_share=0.5)
    drawn = {tuple(sentence_level_spans(text, config, np.random.default_rng(seed))) for seed in range(20)}
    assert drawn == {((0, 5),), ((5, 10),)}


@settings(deadline=None)
@given(units=UNITS, seed=SEEDS, place=st.sampled_from(["suffix", "anywhere"]))
def test_document_level_hides_half_or_more_in_one_span(units: list, seed: int, place: str) -> None:
    text = text_of(units)
    config = ObjectiveConfig(document_span=place)  # type: ignore[arg-type]
    spans = document_level_span(text, config, np.random.default_rng(seed))
    assert len(spans) == 1
    assert_whole_units(text, spans)
    assert spans[0][1] - spans[0][0] >= len(text) / 2
    if place == "suffix":
        assert spans[0][1] == len(text)


def test_document_level_snaps_outwards_by_no_more_than_needed() -> None:
    text = text_of([("e", 10), ("e", 10), ("e", 10)])
    drawn = {document_level_span(text, ObjectiveConfig(), np.random.default_rng(seed))[0] for seed in range(50)}
    assert drawn == {(0, 30), (10, 30)}


@pytest.mark.parametrize(("target", "expected"), [("last", {4}), ("any", {2, 4})])
def test_next_item_asks_for_the_last_item_or_for_any_but_the_first(target: str, expected: set[int]) -> None:
    text = text_of([("a", 1), ("e", 2), ("e", 2), ("a", 1), ("e", 2)])
    config = ObjectiveConfig(next_item_target=target)  # type: ignore[arg-type]
    assert {next_item_cut(text, config, np.random.default_rng(seed)) for seed in range(40)} == expected
