"""`decoding.scoring: blend` against adding up three scores for every item, and what its certificate claims."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_model.config import DecodingConfig
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.entity_config import BlendWeights
from recsys_model.errors import ConfigError
from tests.recsys_model.backbones.tiny_backbones import NAMES, tiny_backbone
from tests.recsys_model.decoding.tiny_decoding import SPECIAL
from tests.recsys_model.decoding.tiny_entities import (
    best,
    catalog_of,
    head_of,
    prompt_of,
    scorer_of,
    scores_by_hand,
)
from tests.recsys_model.decoding.tiny_models import MODELS, TITLES

WEIGHTS = st.builds(
    BlendWeights,
    token=st.sampled_from([0.1, 1.0, 3.0]),
    entity=st.sampled_from([0.0, 0.3, 1.0]),
    co_occurrence=st.sampled_from([0.0, 0.2, 2.0]),
)


@st.composite
def cases(draw):
    """A model, a head that may give all items the same score, titles, weights, counts, a prompt and what it excludes."""
    model, titles, weights = draw(st.sampled_from(MODELS)), draw(TITLES), draw(WEIGHTS)
    items = st.integers(0, len(titles) - 1)
    pairs = draw(st.dictionaries(st.tuples(items, items), st.integers(1, 3), max_size=20))
    head = head_of(model, titles, draw(st.integers(0, 3)), size=draw(st.sampled_from([0.3, 0.0])))
    layout = draw(st.sampled_from(["text", "tokens", "vectors", "vectors_from_last"]))
    prompt = prompt_of(draw(st.lists(items, max_size=3)), titles, layout=layout)
    scores = scores_by_hand(model, head, titles, prompt, weights, pairs)
    config = {"scoring": "blend", "num_beams": 100}
    scorer = scorer_of(head, model, titles, weights, pairs)

    def generator(**settings):
        return TrieGuidedGenerator(model, catalog_of(titles), SPECIAL, DecodingConfig(**config, **settings), scorer)

    return generator, prompt, scores, draw(st.sets(items))


def assert_best(found, scores, k, without):
    """Say that these are best items with their own scores; of items that tie, any may come."""
    expected = [score for _, score in best(scores, k, without)]
    assert [entry.score for entry in found] == pytest.approx(expected, abs=1e-4)
    assert [entry.score for entry in found] == pytest.approx([scores[entry.item] for entry in found], abs=1e-4)
    assert len({entry.item for entry in found} - without) == len(expected)


@settings(max_examples=50)
@given(cases(), st.integers(1, 16))
def test_exact_search_finds_what_adding_up_the_scores_of_every_item_finds(case, k):
    generator, prompt, scores, without = case
    (answer,) = generator(exact=True).search([prompt], k, [without])
    assert_best(answer.items, scores, k, without)
    assert answer.certificate.is_exact
    found = {entry.item for entry in answer.items} | without
    others = [score for item, score in scores.items() if item not in found]
    assert answer.certificate.bound >= max(others, default=-float("inf")) - 1e-4
    assert answer.certificate.bound == (answer.items[-1].score if len(answer.items) == k else -float("inf"))


@settings(max_examples=30)
@given(cases(), st.integers(1, 16))
def test_beams_that_hold_every_node_find_the_same(case, k):
    generator, prompt, scores, without = case
    (found,) = generator().recommend([prompt], k, [without])
    assert_best(found, scores, k, without)


@settings(max_examples=50)
@given(cases(), st.integers(1, 5), st.integers(1, 6))
def test_a_search_that_was_cut_short_bounds_every_item_that_it_missed(case, k, limit):
    generator, prompt, scores, without = case
    (answer,) = generator(exact=True, max_expansions=limit).search([prompt], k, [without])
    certificate, found = answer.certificate, {entry.item for entry in answer.items}
    others = [score for item, score in scores.items() if item not in found | without]
    assert certificate.num_expanded <= limit
    assert [entry.score for entry in answer.items] == pytest.approx([scores[e.item] for e in answer.items], abs=1e-4)
    assert all(score <= certificate.bound + 1e-4 for score in others)
    if certificate.is_exact:
        assert_best(answer.items, scores, k, without)
    elif len(found) < k:
        assert certificate.missing == float("inf")
    else:
        assert certificate.missing == pytest.approx(certificate.bound - answer.items[-1].score, abs=1e-4)


@settings(max_examples=25)
@given(cases(), st.data())
def test_candidates_have_the_scores_that_the_search_gives_them(case, data):
    generator, prompt, scores, _ = case
    candidates = data.draw(st.lists(st.sampled_from(sorted(scores)), min_size=1, unique=True))
    (found,) = generator().score_candidates([prompt], [candidates])
    assert found == pytest.approx([scores[item] for item in candidates], abs=1e-4)


FEW = [(1, 2), (1, 2, 3), (1, 4, 0), (5, 4), (5, 4, 3, 2, 1), (0,), (2, 2), (2, 3, 1)]
PAIRS = {(3, 0): 4, (3, 6): 1, (0, 3): 2, (7, 2): 9}
BLEND = BlendWeights(token=0.4, entity=1.0, co_occurrence=0.5, history_decay=0.6)
HISTORIES = [[0, 3], [], [4, 4, 1, 7], [6]]


def generator_of(model, blend=BLEND, pairs=PAIRS, **settings):
    head = head_of(model, FEW)
    config = DecodingConfig(scoring="blend", **settings)
    return TrieGuidedGenerator(model, catalog_of(FEW), SPECIAL, config, scorer_of(head, model, FEW, blend, pairs))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("exact", [True, False])
def test_every_family_blends_by_the_definition_and_a_request_is_the_same_alone_and_among_others(name, exact):
    model = tiny_backbone(name)
    generator = generator_of(model, exact=exact)
    prompts = [prompt_of(history, FEW) for history in HISTORIES]
    excluded = [{1}, set(), {0, 1, 2, 3, 4, 5, 7}, set(range(8))]
    together = generator.search(prompts, 8, excluded)
    for prompt, without, answer in zip(prompts, excluded, together, strict=True):
        scores = scores_by_hand(model, head_of(model, FEW), FEW, prompt, BLEND, PAIRS)
        expected = best(scores, 8, without)
        assert [entry.item for entry in answer.items] == [item for item, _ in expected]
        assert [entry.score for entry in answer.items] == pytest.approx([score for _, score in expected], abs=3e-4)
        (alone,) = generator.search([prompt], 8, [without])
        assert [entry.item for entry in alone.items] == [entry.item for entry in answer.items]
        assert [entry.score for entry in alone.items] == pytest.approx([e.score for e in answer.items], abs=1e-4)


def test_without_tokens_nothing_is_searched():
    blend = BlendWeights(token=0.0, entity=1.0, co_occurrence=0.5)
    generator = generator_of(MODELS[0], blend, exact=True, max_expansions=1)
    for history in HISTORIES:
        prompt = prompt_of(history, FEW)
        (answer,) = generator.search([prompt], 8)
        expected = best(scores_by_hand(MODELS[0], head_of(MODELS[0], FEW), FEW, prompt, blend, PAIRS), 8)
        assert [entry.item for entry in answer.items] == [item for item, _ in expected]
        assert [entry.score for entry in answer.items] == pytest.approx([score for _, score in expected], abs=1e-4)
        assert answer.certificate.is_exact
        assert answer.certificate.num_expanded == 0


def test_counts_alone_are_told_by_the_last_item_and_ties_by_the_index():
    generator = generator_of(MODELS[0], BlendWeights(token=0.0, entity=0.0, co_occurrence=1.0))
    (found,) = generator.recommend([prompt_of([7, 3], FEW)], 4)
    assert [entry.item for entry in found] == [0, 6, 1, 2]
    assert [entry.score for entry in found] == pytest.approx([1.609438, 0.693147, 0.0, 0.0])
    (found,) = generator.recommend([prompt_of([], FEW)], 2)
    assert [(entry.item, entry.score) for entry in found] == [(0, 0.0), (1, 0.0)]


def test_the_table_of_scores_has_all_but_the_tokens_and_nothing_that_is_excluded_or_gone():
    generator = generator_of(MODELS[0])
    prompts = [prompt_of([0, 3], FEW), prompt_of([7], FEW)]
    present = [0, 1, 2, 4, 5, 6, 7]
    edited = generator.of_items(catalog_of(FEW).items, present)
    head, rest = head_of(MODELS[0], FEW), BlendWeights(token=0.0, entity=1.0, co_occurrence=0.5)
    for prompt, without, row in zip(prompts, [{2}, set()], edited.score_all(prompts, [{2}, ()]).tolist(), strict=True):
        scores = scores_by_hand(MODELS[0], head, FEW, prompt, rest, PAIRS, present)
        expected = [-float("inf") if item in without else scores.get(item, -float("inf")) for item in range(8)]
        assert row == pytest.approx(expected, abs=1e-4)


def test_more_items_than_beams_are_refused_only_where_beams_are_searched():
    prompt = prompt_of([1], FEW)
    with pytest.raises(ConfigError, match=r"k must be from 1 to decoding.num_beams \(2\), got 3"):
        generator_of(MODELS[0], num_beams=2).recommend([prompt], 3)
    without_tokens = BlendWeights(token=0.0, entity=1.0, co_occurrence=0.0)
    assert len(generator_of(MODELS[0], without_tokens, num_beams=2).recommend([prompt], 3)[0]) == 3
    assert len(generator_of(MODELS[0], num_beams=2, exact=True).recommend([prompt], 3)[0]) == 3


@pytest.mark.parametrize("scoring", ["entity", "blend"])
def test_a_model_without_an_entity_head_says_what_to_do(scoring):
    with pytest.raises(ConfigError, match=rf"scoring {scoring} needs .* set decoding.scoring to trie, or train with"):
        TrieGuidedGenerator(MODELS[0], catalog_of(FEW), SPECIAL, DecodingConfig(scoring=scoring))


def test_a_blend_without_weights_says_what_to_do():
    with pytest.raises(ConfigError, match=r"train with validation events, or set decoding.scoring to entity"):
        generator_of(MODELS[0], blend=None)
