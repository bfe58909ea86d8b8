"""`decoding.scoring: entity` against a softmax over all items after one whole forward pass, for every family."""

import numpy as np
import pytest
import torch

from recsys_model.config import DecodingConfig
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.entity_head.scorer import EntityScorer
from tests.recsys_model.backbones.tiny_backbones import NAMES, tiny_backbone
from tests.recsys_model.decoding.tiny_decoding import SPECIAL, make_model
from tests.recsys_model.decoding.tiny_entities import best, catalog_of, head_of, prompt_of, scorer_of, scores_by_hand

TITLES = [(1, 2), (1, 2, 3), (1, 4, 0), (5, 4), (5, 4, 3, 2, 1), (0,), (2, 2), (2, 3, 1)]
HISTORIES = [[0, 3, 6], [], [4, 4, 1, 7, 2]]
MODEL = make_model(5)
HEAD = head_of(MODEL, TITLES)


def generator_of(model, titles, scorer: EntityScorer, *, exact=False) -> TrieGuidedGenerator:
    config = DecodingConfig(num_beams=2, scoring="entity", exact=exact)
    return TrieGuidedGenerator(model, catalog_of(titles), SPECIAL, config, scorer)


GENERATOR = generator_of(MODEL, TITLES, scorer_of(HEAD, MODEL, TITLES))


def assert_found(found, expected):
    assert [entry.item for entry in found] == [item for item, _ in expected]
    assert [entry.score for entry in found] == pytest.approx([score for _, score in expected], abs=2e-4)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("layout", ["text", "tokens", "vectors", "vectors_from_last"])
def test_all_items_have_the_log_softmax_of_one_state_in_every_family(name, layout):
    model = tiny_backbone(name)
    head = head_of(model, TITLES)
    generator = generator_of(model, TITLES, scorer_of(head, model, TITLES))
    prompts = [prompt_of(history, TITLES, layout=layout) for history in HISTORIES]
    excluded = [(), {0, 5}, {1}]
    allowed = [None, {1, 0, 7}, None]
    for prompt, found in zip(prompts, generator.recommend(prompts, 8), strict=True):
        assert_found(found, best(scores_by_hand(model, head, TITLES, prompt), 8))
    first, second, third = generator.recommend(prompts, 8, excluded, allowed)
    by_hand = [scores_by_hand(model, head, TITLES, prompt) for prompt in prompts]
    assert_found(first, best(by_hand[0], 8))
    assert_found(second, best(by_hand[1], 8, {0, 2, 3, 4, 5, 6}))
    assert_found(third, best(by_hand[2], 8, {1}))


@pytest.mark.parametrize(
    "settings",
    [
        {"words": False},
        {"residuals": False},
        {"inputs": False},
        {"earlier_inputs": True},
        {"repeat_bias": False},
        {"temperature": 2.5},
    ],
)
def test_every_kind_of_head_is_scored_by_its_definition(settings):
    head = head_of(MODEL, TITLES, **settings)
    generator = generator_of(MODEL, TITLES, scorer_of(head, MODEL, TITLES))
    for history in HISTORIES:
        prompt = prompt_of(history, TITLES)
        (found,) = generator.recommend([prompt], 8)
        assert_found(found, best(scores_by_hand(MODEL, head, TITLES, prompt), 8))


def test_the_probabilities_of_all_items_add_up_to_one():
    (found,) = GENERATOR.recommend([prompt_of([0, 3], TITLES)], 8)
    assert sum(torch.tensor(entry.score, dtype=torch.float64).exp() for entry in found) == pytest.approx(1.0, abs=1e-5)


def test_of_equal_scores_the_lower_index_comes_first_even_where_the_answer_ends():
    head = head_of(MODEL, TITLES, words=False, repeat_bias=False)
    with torch.no_grad():
        head.residuals.zero_()  # scores are the biases
        head.biases.copy_(torch.tensor([0.0, 2.0, 0.0, 2.0, 0.0, 2.0, -1.0, 2.0]))
    generator = generator_of(MODEL, TITLES, scorer_of(head, MODEL, TITLES), exact=True)
    for k, items in [(1, [1]), (3, [1, 3, 5]), (5, [1, 3, 5, 7, 0]), (8, [1, 3, 5, 7, 0, 2, 4, 6])]:
        (answer,) = generator.search([prompt_of([2], TITLES)], k)
        assert [entry.item for entry in answer.items] == items
        assert answer.certificate.is_exact
        assert answer.certificate.num_expanded == 0
    (answer,) = generator.search([prompt_of([2], TITLES)], 2, [{3, 1}])
    assert [entry.item for entry in answer.items] == [5, 7]


def test_an_item_of_the_history_gets_the_repeat_bias_once_and_no_other_item_does():
    head = head_of(MODEL, TITLES, words=False)
    with torch.no_grad():
        head.residuals.zero_()
        head.biases.zero_()
        head.repeat_weight.fill_(-0.02)
    generator = generator_of(MODEL, TITLES, scorer_of(head, MODEL, TITLES))
    (found,) = generator.recommend([prompt_of([5, 0, 5, 3], TITLES)], 8)
    assert [entry.item for entry in found] == [1, 2, 4, 6, 7, 0, 3, 5]
    total = np.log(5.0 + 3.0 * np.exp(-2.0))
    assert [entry.score for entry in found] == pytest.approx([-total] * 5 + [-2.0 - total] * 3, abs=1e-5)


def test_the_bound_is_the_score_of_the_best_item_outside_the_answer():
    generator = generator_of(MODEL, TITLES, scorer_of(HEAD, MODEL, TITLES), exact=True)
    prompt = prompt_of([7, 1], TITLES)
    expected = best(scores_by_hand(MODEL, HEAD, TITLES, prompt), 8, {1})
    for k in (1, 3, 6):
        (answer,) = generator.search([prompt], k, [{1}])
        assert_found(answer.items, expected[:k])
        assert answer.certificate.is_exact
        assert answer.certificate.bound == pytest.approx(expected[k][1], abs=2e-4)


def test_more_items_than_beams_or_than_the_catalogue_has_are_no_error():
    (found,) = GENERATOR.recommend([prompt_of([1], TITLES)], 50, [{2}])
    assert_found(found, best(scores_by_hand(MODEL, HEAD, TITLES, prompt_of([1], TITLES)), 50, {2}))
    assert GENERATOR.recommend([prompt_of([1], TITLES)], 3, [set(range(8))]) == [[]]
    assert GENERATOR.recommend([], 3) == []


def test_hidden_items_never_come_and_leave_the_scores_of_the_others():
    prompts = [prompt_of([1], TITLES), prompt_of([4, 0], TITLES)]
    hiding = GENERATOR.hiding([0, 6]).hiding([2])
    for allowed, lists in ((None, [set(), set()]), ([{0, 1, 2, 3}, None], [{4, 5, 7}, set()])):
        found = hiding.recommend(prompts, 8, None, allowed)
        for prompt, without, entries in zip(prompts, lists, found, strict=True):
            assert_found(entries, best(scores_by_hand(MODEL, HEAD, TITLES, prompt), 8, {0, 2, 6} | without))


def test_an_edited_catalogue_is_normalised_over_what_is_present_and_new_items_have_words_alone():
    longer = [*TITLES, (3,), (1, 2, 5)]
    present = [0, 1, 3, 4, 6, 7, 8, 9]
    edited = GENERATOR.of_items(catalog_of(longer).items, present)
    # a removed item may be told of, and so may one that came later
    prompts = [prompt_of(history, longer) for history in ([2, 8], [9], [])]
    for prompt, found in zip(prompts, edited.recommend(prompts, 9, [{9}, (), {2}]), strict=True):
        without = {9} if prompt is prompts[0] else set()
        scores = scores_by_hand(MODEL, HEAD, longer, prompt, present=present)
        assert_found(found, best(scores, 9, without))
    (before,) = GENERATOR.recommend([prompts[2]], 8)
    assert_found(before, best(scores_by_hand(MODEL, HEAD, TITLES, prompts[2]), 8))


def test_candidates_and_tables_have_the_scores_of_the_search():
    prompts = [prompt_of([1], TITLES), prompt_of([4, 0], TITLES)]
    found = [{entry.item: entry.score for entry in entries} for entries in GENERATOR.recommend(prompts, 8)]
    candidates = [[5, 0, 3], [2]]
    scores = GENERATOR.score_candidates(prompts, candidates)
    assert scores[0] == pytest.approx([found[0][item] for item in candidates[0]], abs=1e-5)
    assert scores[1] == pytest.approx([found[1][2]], abs=1e-5)
    table = GENERATOR.score_all(prompts, [(), {3}])
    assert table[0].tolist() == pytest.approx([found[0][item] for item in range(8)], abs=1e-5)
    assert table[1].tolist() == pytest.approx(
        [-float("inf") if item == 3 else found[1][item] for item in range(8)], abs=1e-5
    )


def test_with_no_item_left_outside_the_answer_nothing_is_bounded():
    generator = generator_of(MODEL, TITLES, scorer_of(HEAD, MODEL, TITLES), exact=True)
    for k, without in ((9, set()), (3, {0, 1, 2, 3, 4, 5}), (1, set(range(8)))):
        (answer,) = generator.search([prompt_of([1], TITLES)], k, [without])
        assert len(answer.items) == 8 - len(without)
        assert answer.certificate.is_exact
        assert answer.certificate.bound == float("-inf")


def test_scoring_leaves_a_model_that_is_training_as_it_was():
    model = make_model(0).train()
    generator = generator_of(model, TITLES, scorer_of(HEAD, model, TITLES))
    prompts = [prompt_of([1], TITLES)]
    generator.search(prompts, 1)
    assert model.training
    generator.score_candidates(prompts, [[0]])
    assert model.training
    generator.score_all(prompts, [()])
    assert model.training


@pytest.mark.parametrize("scoring", ["trie", "entity"])
def test_no_prompts_and_no_candidates_have_no_scores(scoring):
    config = DecodingConfig(scoring=scoring)
    generator = TrieGuidedGenerator(MODEL, catalog_of(TITLES), SPECIAL, config, scorer_of(HEAD, MODEL, TITLES))
    assert generator.score_candidates([], []) == []
    assert generator.score_candidates([prompt_of([1], TITLES)], [[]]) == [[]]
