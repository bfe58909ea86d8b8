"""Equal scores come back by score and index, at every k and in every search, against sorting all items."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_model.config import DecodingConfig, GenerationConfig
from recsys_model.decoding import exact
from recsys_model.decoding.beam import beam_search
from recsys_model.decoding.exact import best_first
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.decoding.hypotheses import DEAD, Finished, sort_keys
from recsys_model.decoding.text import TextGenerator
from recsys_model.entities.catalog import Catalog, CatalogItem
from recsys_model.infilling.positions import PositionAutomaton
from tests.recsys_model.decoding.tiny_decoding import SPECIAL, make_model, make_prompt
from tests.recsys_model.decoding.tiny_trees import CPU, Tree

SEQUENCES = st.lists(
    st.lists(st.integers(0, 2), min_size=1, max_size=4).map(tuple), min_size=2, max_size=30, unique=True
)
STEPS = st.lists(st.sampled_from([0, 1, 2]), min_size=1, max_size=20)


@pytest.fixture(scope="module")
def indifferent_model():
    """Gives every token the same logit."""
    model = make_model(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.startswith("word_embeddings"):
                parameter.zero_()
    return model


def catalog_of(sequences):
    return Catalog([CatalogItem(f"i{n}", f"t{n}", f"t{n}", tuple(row)) for n, row in enumerate(sequences)], {})


def by_score_and_index(scores):
    return sorted(((item, score) for item, score in enumerate(scores)), key=lambda pair: (-pair[1], pair[0]))


@given(st.lists(st.tuples(st.sampled_from([-math.inf, -1.5, -1.0, -0.0, 0.0, 1e-30, 2.0]), st.integers(0, 2**31 - 1))))
def test_sort_keys_order_like_score_and_index(pairs):
    scores, items = (torch.tensor([pair[part] for pair in pairs]) for part in (0, 1))
    keys = sort_keys(scores, items.long()).tolist()
    expected = sorted(range(len(pairs)), key=lambda place: (-pairs[place][0], pairs[place][1]))
    assert [keys[place] for place in expected] == sorted(keys, reverse=True)
    for one, other in itertools.pairwise(expected):
        assert (keys[one] == keys[other]) == (pairs[one] == pairs[other])


@settings(max_examples=150)
@given(SEQUENCES, STEPS, st.integers(1, 12), st.sampled_from([1, 3, 32]))
def test_the_exact_search_returns_ties_by_index(sequences, steps, k, nodes_together):
    tree = Tree(sequences, steps, 1)
    tree.finished = Finished(1, k, CPU)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "NODES_TOGETHER", nodes_together)
        (certificate,) = best_first(tree, 1, 10**6)
    assert tree.finished.as_lists() == [by_score_and_index(tree.item_scores)[:k]]
    assert certificate.is_exact


@settings(max_examples=150)
@given(SEQUENCES, STEPS, st.integers(1, 6), st.integers(1, 6))
def test_an_exact_search_that_was_cut_short_claims_nothing_about_ties_that_it_did_not_compare(
    sequences, steps, k, limit
):
    tree = Tree(sequences, steps, 1)
    tree.finished = Finished(1, k, CPU)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "NODES_TOGETHER", 1)
        (certificate,) = best_first(tree, 1, limit)
    if certificate.is_exact:
        assert tree.finished.as_lists() == [by_score_and_index(tree.item_scores)[:k]]


def slow_beams(tree, num_beams):
    """All items that beams reach: every step keeps the best nodes by score and by the lowest item below them."""
    beams, reached = [0], []
    while beams:
        children = [child for node in beams for child in tree.trie.children(node)[1].tolist()]
        reached += [child for child in children if tree.trie.leaf_item(child) is not None]
        inner = [child for child in children if tree.trie.leaf_item(child) is None]
        beams = sorted(inner, key=lambda node: (-tree.scores[node], int(tree.lowest_item_N[node])))[:num_beams]
    items = [(tree.trie.leaf_item(node), tree.scores[node]) for node in reached]
    return sorted(items, key=lambda pair: (-pair[1], pair[0]))


@settings(max_examples=150)
@given(SEQUENCES, STEPS, st.integers(1, 6), st.data())
def test_beams_keep_the_lower_index_among_ties_and_fewer_items_are_the_first_of_more(sequences, steps, beams, data):
    tree = Tree(sequences, steps, 1)
    k = data.draw(st.integers(1, beams))
    tree.finished = Finished(1, k, CPU)
    beam_search(tree, 1, beams)
    # nodes that cannot beat the k-th item are dropped; all that take their places are worse still
    assert tree.finished.as_lists() == [slow_beams(tree, beams)[:k]]


@settings(max_examples=40)
@given(SEQUENCES, st.sampled_from(["trie", "lm"]), st.booleans(), st.data())
def test_a_model_that_prefers_nothing_returns_the_first_of_all_its_items_at_every_k(
    indifferent_model, sequences, scoring, is_exact, data
):
    config = DecodingConfig(num_beams=32, scoring=scoring, exact=is_exact)
    generator = TrieGuidedGenerator(indifferent_model, catalog_of(sequences), SPECIAL, config)
    prompt = make_prompt([1, 2])
    excluded = data.draw(st.sets(st.integers(0, len(sequences) - 1)))
    scores = generator.score_candidates([prompt], [list(range(len(sequences)))])[0]
    expected = [pair for pair in by_score_and_index(scores) if pair[0] not in excluded]
    for k in (1, 2, 3, 5, 8, 30):
        (found,) = generator.recommend([prompt], k, [excluded])
        assert [(entry.item, entry.score) for entry in found] == expected[:k]


def test_free_text_takes_the_lower_token_among_ties(indifferent_model):
    automaton = PositionAutomaton(catalog_of([(1, 2)]).pool())
    config = GenerationConfig(num_beams=1, max_tokens=3)
    (text,) = TextGenerator(indifferent_model, SPECIAL, automaton, config).generate([make_prompt([3])])
    assert text.token_ids == (0, 0, 0)
    several = TextGenerator(indifferent_model, SPECIAL, automaton, GenerationConfig(num_beams=2, max_tokens=2))
    (text,) = several.generate([make_prompt([3])])
    assert text.token_ids == (0, 0)


def test_dead_entries_stand_behind_all_others():
    keys = sort_keys(torch.tensor([DEAD, -3.4e38]), torch.tensor([0, 2**31 - 1]))
    assert keys[0] < keys[1]
