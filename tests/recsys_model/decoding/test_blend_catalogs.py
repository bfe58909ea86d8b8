"""Blended scores where beams are few, the catalogue is edited, or it has nodes that are never expanded."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_model.config import DecodingConfig
from recsys_model.decoding import exact as exact_search
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.entity_config import BlendWeights
from tests.recsys_model.decoding.tiny_decoding import SPECIAL, make_model
from tests.recsys_model.decoding.tiny_entities import best, catalog_of, head_of, prompt_of, scorer_of, scores_by_hand

MODELS = [make_model(seed) for seed in range(3)]
TITLES = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4).map(tuple), min_size=1, max_size=12, unique=True)
BLEND = BlendWeights(token=0.6, entity=0.8, co_occurrence=0.7)


def pairs_of(num_items):
    """Every third item came later than the one before it, some more than once."""
    return {(item, (item + 1) % num_items): 1 + item % 2 for item in range(0, num_items, 3)}


def generator_of(model, titles, blend=BLEND, **options):
    scorer = scorer_of(head_of(model, titles), model, titles, blend, pairs_of(len(titles)))
    return TrieGuidedGenerator(model, catalog_of(titles), SPECIAL, DecodingConfig(scoring="blend", **options), scorer)


def assert_found(found, expected):
    assert [entry.item for entry in found] == [item for item, _ in expected]
    assert [entry.score for entry in found] == pytest.approx([score for _, score in expected], abs=2e-4)


@settings(max_examples=20)
@given(st.sampled_from(MODELS), TITLES, st.data())
def test_few_beams_give_as_many_distinct_items_as_are_left_with_their_exact_scores(model, titles, data):
    num_beams = data.draw(st.integers(1, 3))
    k, items = data.draw(st.integers(1, num_beams)), st.integers(0, len(titles) - 1)
    without = data.draw(st.sets(items))
    prompt = prompt_of(data.draw(st.lists(items, max_size=3)), titles)
    scores = scores_by_hand(model, head_of(model, titles), titles, prompt, BLEND, pairs_of(len(titles)))
    (found,) = generator_of(model, titles, num_beams=num_beams).recommend([prompt], k, [without])
    assert len({entry.item for entry in found} - without) == len(found) == min(k, len(titles) - len(without))
    assert [entry.score for entry in found] == pytest.approx([scores[entry.item] for entry in found], abs=1e-4)
    assert [entry.score for entry in found] == sorted((entry.score for entry in found), reverse=True)


@pytest.mark.parametrize("exact", [True, False])
def test_an_edited_catalogue_that_hides_items_is_searched_by_its_definition(exact):
    model, titles = MODELS[0], [(1, 2), (1, 2, 3), (1, 4, 0), (5, 4), (5, 4, 3, 2, 1), (0,), (2, 2), (2, 3, 1)]
    longer = [*titles, (3,), (1, 2, 5)]
    present, hidden = [0, 1, 3, 4, 6, 7, 8, 9], [4, 9]
    edited = generator_of(model, titles, exact=exact).of_items(catalog_of(longer).items, present).hiding(hidden)
    prompts = [prompt_of(history, longer) for history in ([2, 8], [0], [6, 3])]
    allowed = [None, {0, 4, 8}, None]
    found = edited.recommend(prompts, 8, [{1}, (), ()], allowed)
    gone = [{1, 4, 9}, {1, 3, 4, 6, 7, 9}, {4, 9}]
    for prompt, without, entries in zip(prompts, gone, found, strict=True):
        scores = scores_by_hand(model, head_of(model, titles), longer, prompt, BLEND, pairs_of(8), present)
        assert_found(entries, best(scores, 8, without))


@pytest.mark.parametrize(
    "blend",
    [
        BlendWeights(token=1.0, entity=0.0, co_occurrence=0.0),
        BlendWeights(token=0.1, entity=1.0, co_occurrence=0.5),
        BlendWeights(token=3.0, entity=0.5, co_occurrence=3.0),
    ],
)
def test_what_cannot_be_better_is_never_expanded_and_the_answer_is_proven(monkeypatch, blend):
    monkeypatch.setattr(exact_search, "NODES_TOGETHER", 1)
    titles = [(a, b, c) for a in range(4) for b in range(4) for c in range(4)]
    model, prompt = MODELS[1], prompt_of([9, 30], titles)
    scores = scores_by_hand(model, head_of(model, titles), titles, prompt, blend, pairs_of(64))
    generator = generator_of(model, titles, blend, exact=True)
    for k, without in ((1, set()), (10, set()), (5, set(range(0, 64, 2)))):
        (answer,) = generator.search([prompt], k, [without])
        assert_found(answer.items, best(scores, k, without))
        assert answer.certificate.is_exact
        assert answer.certificate.bound == answer.items[-1].score
        (found,) = generator_of(model, titles, blend, num_beams=30).recommend([prompt], k, [without])
        assert_found(found, best(scores, k, without))
    (first,) = generator.search([prompt], 1)
    assert first.certificate.num_expanded < 1 + 4 + 16


def test_of_tokens_alone_a_blend_is_the_trie_guided_generator():
    titles = [(1, 2), (1, 2, 3), (1, 4, 0), (5, 4)]
    alone = BlendWeights(token=1.0, entity=0.0, co_occurrence=0.0)
    blended = generator_of(MODELS[2], titles, alone)
    scorer = scorer_of(head_of(MODELS[2], titles), MODELS[2], titles)
    tokens = TrieGuidedGenerator(MODELS[2], catalog_of(titles), SPECIAL, DecodingConfig(scoring="trie"), scorer)
    prompts = [prompt_of([3, 0], titles), prompt_of([], titles)]
    for one, other in zip(blended.recommend(prompts, 4), tokens.recommend(prompts, 4), strict=True):
        assert_found(one, [(entry.item, entry.score) for entry in other])
