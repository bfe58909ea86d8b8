"""Best-first search against scoring every item, and what its certificate claims."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_model.config import DecodingConfig
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.entities.catalog import Catalog, CatalogItem
from recsys_model.infilling.positions import PositionAutomaton
from tests.recsys_model.decoding.tiny_decoding import SPECIAL, make_model, make_prompt, next_logits

MODELS = [make_model(seed) for seed in range(4)]
TOKENS = st.integers(0, 5)
SEQUENCES = st.lists(st.lists(TOKENS, min_size=1, max_size=5).map(tuple), min_size=1, max_size=25, unique=True)


def catalog_of(sequences):
    return Catalog([CatalogItem(f"i{n}", f"t{n}", f"t{n}", tuple(row)) for n, row in enumerate(sequences)], {})


def generator(model, sequences, scoring="trie", max_expansions=5000):
    config = DecodingConfig(num_beams=1, scoring=scoring, exact=True, max_expansions=max_expansions)
    return TrieGuidedGenerator(model, catalog_of(sequences), SPECIAL, config)


def scores_by_forcing(model, sequences, prompt, scoring):
    """Score every item by a full forward pass."""
    automaton = PositionAutomaton(catalog_of(sequences).pool())
    ended = [(*row, SPECIAL.end) for row in sequences]
    scores = []
    for row in ended:
        logits = next_logits(model, automaton, prompt, list(row[:-1]))
        score = 0.0
        for depth, token in enumerate(row):
            siblings = sorted({other[depth] for other in ended if other[:depth] == row[:depth]})
            allowed = siblings if scoring == "trie" else list(range(logits.shape[1]))
            score += float(logits[depth, token] - logits[depth, allowed].logsumexp(0))
        scores.append(score)
    return scores


@settings(max_examples=60)
@given(st.sampled_from(MODELS), SEQUENCES, st.data(), st.sampled_from(["trie", "lm"]))
def test_the_answer_is_what_scoring_every_item_finds_whatever_is_excluded(model, sequences, data, scoring):
    prompts = [make_prompt(data.draw(st.lists(TOKENS, max_size=6))) for _ in range(data.draw(st.integers(1, 3)))]
    excluded = [data.draw(st.sets(st.integers(0, len(sequences) - 1))) for _ in prompts]
    k = data.draw(st.integers(1, 12))
    answers = generator(model, sequences, scoring).search(prompts, k, excluded)
    for prompt, without, answer in zip(prompts, excluded, answers, strict=True):
        scores = scores_by_forcing(model, sequences, prompt, scoring)
        expected = sorted((score for item, score in enumerate(scores) if item not in without), reverse=True)[:k]
        assert [entry.score for entry in answer.items] == pytest.approx(expected, abs=1e-5)
        assert [entry.score for entry in answer.items] == pytest.approx(
            [scores[e.item] for e in answer.items], abs=1e-5
        )
        assert len({entry.item for entry in answer.items} - without) == len(expected)
        assert answer.certificate.is_exact


@settings(max_examples=40)
@given(st.sampled_from(MODELS), SEQUENCES, st.integers(1, 6), st.integers(1, 4), st.sampled_from(["trie", "lm"]))
def test_a_search_that_was_cut_short_bounds_every_item_that_it_missed(model, sequences, limit, k, scoring):
    prompt = make_prompt([1, 2])
    (answer,) = generator(model, sequences, scoring, limit).search([prompt], k)
    scores = scores_by_forcing(model, sequences, prompt, scoring)
    certificate, found = answer.certificate, {entry.item for entry in answer.items}
    others = [score for item, score in enumerate(scores) if item not in found]
    assert certificate.num_expanded <= limit
    assert all(score <= certificate.bound + 1e-5 for score in others)
    if len(found) < min(k, len(sequences)):
        assert certificate.missing == float("inf")
    elif certificate.is_exact:
        assert sorted(scores)[-len(found) :] == pytest.approx(sorted(e.score for e in answer.items), abs=1e-5)
    else:
        assert certificate.bound == pytest.approx(answer.items[-1].score + certificate.missing, abs=1e-5)


def test_narrow_beams_can_miss_what_the_exact_search_finds():
    sequences = [(a, b, c) for a in range(6) for b in range(6) for c in range(6)]
    missed = 0
    for number in range(12):
        model, prompt = MODELS[number % 4], make_prompt([number % 6, number % 5])
        narrow = TrieGuidedGenerator(model, catalog_of(sequences), SPECIAL, DecodingConfig(num_beams=1))
        (best,) = generator(model, sequences).recommend([prompt], 1)
        (found,) = narrow.recommend([prompt], 1)
        assert found[0].score <= best[0].score + 1e-6
        missed += found[0].item != best[0].item
    assert missed > 0


def test_a_request_is_answered_the_same_alone_and_among_others_that_end_sooner():
    sequences = [(a, b, c) for a in range(5) for b in range(5) for c in range(4)]
    prompts = [make_prompt([1]), make_prompt([5, 4, 3, 2, 1, 0]), make_prompt([2, 2])]
    excluded = [set(), set(range(95)), set(range(50))]
    exact = generator(MODELS[0], sequences)
    together = exact.search(prompts, 10, excluded)
    for prompt, without, answer in zip(prompts, excluded, together, strict=True):
        (alone,) = exact.search([prompt], 10, [without])
        assert [entry.item for entry in alone.items] == [entry.item for entry in answer.items]
    assert len(together[1].items) == 5
    assert together[1].certificate.bound == float("-inf")


@settings(max_examples=60)
@given(st.sampled_from(MODELS), SEQUENCES, st.data())
def test_the_first_of_an_answer_are_certified_for_themselves(model, sequences, data):
    prompt = make_prompt(data.draw(st.lists(TOKENS, max_size=6)))
    max_expansions = data.draw(st.integers(1, 40))
    (answer,) = generator(model, sequences, max_expansions=max_expansions).search([prompt], 12)
    k = data.draw(st.integers(1, 12))
    first = answer.first(k)
    assert first.items == answer.items[:k]
    scores = scores_by_forcing(model, sequences, prompt, "trie")
    left = [score for item, score in enumerate(scores) if item not in {entry.item for entry in first.items}]
    assert first.certificate.bound >= max(left, default=float("-inf")) - 1e-5
    if first.certificate.is_exact:
        expected = sorted(scores, reverse=True)[:k]
        assert [entry.score for entry in first.items] == pytest.approx(expected, abs=1e-5)
    else:
        assert first.certificate.missing >= max(left) - first.items[-1].score - 1e-5 if first.items else True
    # what all twelve were proven for, fewer are too
    assert first.certificate.is_exact or not answer.certificate.is_exact
