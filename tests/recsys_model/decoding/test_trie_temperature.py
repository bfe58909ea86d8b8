"""`objective.trie_temperature` in decoding: logits divided by it, by beams, exactly, and where answers are given."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_model.config import DecodingConfig
from recsys_model.decoding.answer_scorer import AnswerScorer
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.entity_config import BlendWeights
from recsys_model.infilling.positions import PositionAutomaton
from tests.recsys_model.decoding.tiny_decoding import SPECIAL, make_model
from tests.recsys_model.decoding.tiny_entities import (
    best,
    catalog_of,
    head_of,
    prompt_of,
    scorer_of,
    tables_by_hand,
    token_scores_by_hand,
)

MODELS = [make_model(seed) for seed in range(3)]
TITLES = st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=4).map(tuple), min_size=1, max_size=10, unique=True)
FEW = [(1, 2), (1, 2, 3), (1, 4, 0), (5, 4), (5, 4, 3, 2, 1), (0,), (2, 2), (2, 3, 1)]


@settings(max_examples=30)
@given(
    st.sampled_from(MODELS),
    TITLES,
    st.sampled_from([0.5, 1.5, 5.0]),
    st.booleans(),
    st.sampled_from(["text", "tokens", "vectors"]),
    st.integers(1, 10),
)
def test_the_best_items_are_those_of_divided_logits(model, titles, temperature, exact, layout, k):
    prompt = prompt_of([0, len(titles) - 1], titles, layout=layout)
    config = DecodingConfig(num_beams=100, exact=exact)
    generator = TrieGuidedGenerator(model, catalog_of(titles), SPECIAL, config, temperature=temperature)
    scores = token_scores_by_hand(model, prompt, titles, range(len(titles)), temperature=temperature)
    (found,) = generator.recommend([prompt], k)
    assert [entry.score for entry in found] == pytest.approx([score for _, score in best(scores, k)], abs=1e-4)
    assert [entry.score for entry in found] == pytest.approx([scores[entry.item] for entry in found], abs=1e-4)


def test_an_edited_catalogue_keeps_the_temperature():
    prompt, present = prompt_of([3], FEW), [0, 1, 2, 4, 7]
    generator = TrieGuidedGenerator(MODELS[0], catalog_of(FEW), SPECIAL, DecodingConfig(), temperature=3.0)
    (found,) = generator.of_items(catalog_of(FEW).items, present).recommend([prompt], 5)
    expected = best(token_scores_by_hand(MODELS[0], prompt, FEW, present, temperature=3.0), 5)
    assert [entry.item for entry in found] == [item for item, _ in expected]
    assert [entry.score for entry in found] == pytest.approx([score for _, score in expected], abs=1e-4)


def test_a_blend_divides_the_logits_of_tokens_and_leaves_the_entity_head_alone():
    prompt, model = prompt_of([3, 0], FEW), MODELS[1]
    head = head_of(model, FEW)
    blend = BlendWeights(token=0.7, entity=1.0, co_occurrence=0.0)
    scorer = scorer_of(head, model, FEW, blend)
    entity, blended = (
        TrieGuidedGenerator(model, catalog_of(FEW), SPECIAL, DecodingConfig(scoring=name), scorer, temperature=2.0)
        for name in ("entity", "blend")
    )
    inputs_END = tables_by_hand(head, model, FEW)[2]
    tokens = token_scores_by_hand(model, prompt, FEW, range(8), inputs_END, temperature=2.0)
    whole = {entry.item: entry.score for entry in entity.recommend([prompt], 8)[0]}
    expected = best({item: 0.7 * tokens[item] + whole[item] for item in range(8)}, 8)
    (found,) = blended.recommend([prompt], 8)
    assert [entry.item for entry in found] == [item for item, _ in expected]
    assert [entry.score for entry in found] == pytest.approx([score for _, score in expected], abs=1e-4)


def test_scores_over_the_whole_vocabulary_have_no_temperature():
    prompt = prompt_of([3], FEW)
    plain, divided = (
        TrieGuidedGenerator(MODELS[0], catalog_of(FEW), SPECIAL, DecodingConfig(scoring="lm"), temperature=temperature)
        for temperature in (1.0, 4.0)
    )
    assert plain.recommend([prompt], 8) == divided.recommend([prompt], 8)


def test_given_answers_are_chosen_with_the_temperature():
    prompt = prompt_of([3], FEW)
    automaton = PositionAutomaton(catalog_of(FEW).pool())
    answer_scorer = AnswerScorer(MODELS[0], SPECIAL, automaton, temperature=2.5)
    expected = token_scores_by_hand(MODELS[0], prompt, FEW, range(8), temperature=2.5)
    assert answer_scorer.log_probs([prompt], [FEW])[0] == pytest.approx([expected[item] for item in range(8)], abs=1e-4)
