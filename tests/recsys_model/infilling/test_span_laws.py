"""How often what is hidden: the drawn shares against the exact laws.

Every seed is fixed, so the outcomes are too; the margins are five standard deviations or more.
"""

import itertools
import math
from collections import Counter

import numpy as np
import pytest

from recsys_model.config import PLAIN_GLM, ObjectiveConfig
from recsys_model.infilling.masking import document_level_span, entity_level_spans, sentence_level_spans
from recsys_model.text.textualize import TokenizedText

Span = tuple[int, int]


def plain_text(num_tokens: int) -> TokenizedText:
    text = TokenizedText()
    text.add_text(range(num_tokens))
    return text


def poisson_on(mean: float, largest: int) -> dict[int, float]:
    """Probabilities of a Poisson law that is drawn again outside 1..largest."""
    weights = {value: mean**value / math.factorial(value) for value in range(1, largest + 1)}
    return {value: weight / sum(weights.values()) for value, weight in weights.items()}


@pytest.mark.parametrize(("mean", "largest"), [(3.0, 39), (1.0, 39), (6.0, 4)])
def test_lengths_of_spans_follow_poisson_on_1_to_the_largest(mean: float, largest: int) -> None:
    config = ObjectiveConfig(mask_share=0.05, poisson_mean=mean, max_span_tokens=largest)
    # a budget of 20 of 400 tokens, so the first span meets no other and no limit
    found = [_first_span(plain_text(400), config, seed) for seed in range(2000)]
    lengths = Counter(end - start for start, end in found if start < 360)
    num_spans = lengths.total()
    law = poisson_on(mean, largest)
    assert set(lengths) <= set(law)
    assert num_spans > 1500
    for length, share in law.items():
        assert abs(lengths[length] - share * num_spans) < 5 * math.sqrt(share * num_spans) + 2


def _first_span(text: TokenizedText, config: ObjectiveConfig, seed: int) -> Span:
    """Find the span that was drawn first: it begins at the first element of the permutation of all units."""
    first = int(np.random.default_rng(seed).permutation(len(text))[0])
    spans = entity_level_spans(text, config, np.random.default_rng(seed))
    return next(span for span in spans if span[0] == first)


def test_span_of_one_unit_begins_anywhere_with_the_same_probability() -> None:
    config = ObjectiveConfig(mask_share=0.1, span_units="single")
    starts = Counter(entity_level_spans(plain_text(10), config, np.random.default_rng(seed))[0] for seed in range(5000))
    assert set(starts) == {(token, token + 1) for token in range(10)}
    # 500 each, standard deviation 21
    assert all(abs(count - 500) < 110 for count in starts.values())


def test_entity_level_hides_the_share_asked_for_and_little_more() -> None:
    text = plain_text(1000)
    hidden = [
        sum(end - start for start, end in entity_level_spans(text, ObjectiveConfig(), np.random.default_rng(seed)))
        for seed in range(100)
    ]
    assert min(hidden) >= 150
    assert max(hidden) <= 150 + 39
    assert np.mean(hidden) < 154


def test_span_stops_growing_where_twice_the_budget_would_be_exceeded() -> None:
    # 15 % of 10 tokens are 2, so 4 at most; the lengths drawn are far longer
    config = ObjectiveConfig(mask_share=0.15, poisson_mean=38.0)
    drawn = [entity_level_spans(plain_text(10), config, np.random.default_rng(seed)) for seed in range(50)]
    assert {spans[0] for spans in drawn if len(spans) == 1} == {(start, min(start + 4, 10)) for start in range(9)}


def test_entity_longer_than_twice_the_budget_is_hidden_alone() -> None:
    text = TokenizedText()
    text.add_entity(range(10), 0)
    text.add_text([99])
    drawn = {tuple(entity_level_spans(text, ObjectiveConfig(), np.random.default_rng(seed))) for seed in range(20)}
    assert drawn == {((0, 10),), ((10, 11),)}


def test_document_level_lengths_are_uniform_from_half_of_the_text_to_all_of_it() -> None:
    config = ObjectiveConfig(document_span="anywhere")
    lengths: Counter[int] = Counter()
    starts: Counter[int] = Counter()
    for seed in range(10_000):
        ((start, end),) = document_level_span(plain_text(20), config, np.random.default_rng(seed))
        lengths[end - start] += 1
        starts[start] += end - start == 11
    # 1,000 of each length from 11 to 20, standard deviation 30; a length of 11 starts at 0..9, 100 each
    assert set(lengths) == set(range(11, 21))
    assert all(abs(count - 1000) < 150 for count in lengths.values())
    assert all(abs(starts[start] - 100) < 50 for start in range(10))


def test_every_sentence_is_hidden_equally_often() -> None:
    text = TokenizedText()
    for _ in range(8):
        text.add_text([1, 2])
        text.end_sentence()
    config = ObjectiveConfig(mask_share=0.25)
    hidden = Counter(
        itertools.chain.from_iterable(
            sentence_level_spans(text, config, np.random.default_rng(seed)) for seed in range(4000)
        )
    )
    # 2 of 8 each time: 1,000 each, standard deviation 27
    assert set(hidden) == {(start, start + 2) for start in range(0, 16, 2)}
    assert all(abs(count - 1000) < 140 for count in hidden.values())


def test_plain_glm_cuts_entities_and_the_papers_setting_never_does() -> None:
    text = TokenizedText()
    for item in range(6):
        text.add_entity(range(5), item)
    bounds = {token for start in range(0, 30, 5) for token in (start, start + 5)}

    def cuts(config: ObjectiveConfig) -> int:
        drawn = [entity_level_spans(text, config, np.random.default_rng(seed)) for seed in range(200)]
        return sum(not set(span) <= bounds for spans in drawn for span in spans)

    assert cuts(ObjectiveConfig()) == 0
    assert cuts(PLAIN_GLM) > 200
