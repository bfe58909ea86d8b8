"""Prompts that carry items, in part A and in part B, through everything that reads them."""

from dataclasses import replace

import pytest
import torch

from recsys_model.config import DecodingConfig, GenerationConfig
from recsys_model.decoding.answer_scorer import AnswerScorer
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.decoding.prefix_cache import PartACache
from recsys_model.decoding.prompts import encode_prompts
from recsys_model.decoding.text import TextGenerator
from recsys_model.entity_config import BlendWeights
from recsys_model.errors import ConfigError
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.infilling.prompt import build_prompt
from recsys_model.text.textualize import TokenizedText
from tests.recsys_model.backbones.tiny_backbones import NAMES, tiny_backbone
from tests.recsys_model.decoding.tiny_decoding import CONTROL_IDS, SPECIAL, make_model
from tests.recsys_model.decoding.tiny_entities import (
    best,
    catalog_of,
    head_of,
    prompt_of,
    scorer_of,
    states_by_hand,
    tables_by_hand,
    text_of,
    token_scores_by_hand,
)

TITLES = [(1, 2), (1, 2, 3), (1, 4, 0), (5, 4), (5, 4, 3, 2, 1), (0,), (2, 2), (2, 3, 1)]
HISTORIES = [[0, 3, 6], [], [4, 4, 1, 7, 2], [0, 3, 6, 5]]
BLEND = BlendWeights(token=0.5, entity=1.0, co_occurrence=0.3)
PAIRS = {(6, 1): 2, (2, 0): 5}
LAYOUTS = pytest.mark.parametrize("layout", ["text", "tokens", "vectors", "vectors_from_last"])


def tiny_head(model):
    return head_of(model, TITLES, earlier_inputs=True)


def generator_of(model, **settings):
    scorer = scorer_of(tiny_head(model), model, TITLES, BLEND, PAIRS)
    return TrieGuidedGenerator(model, catalog_of(TITLES), SPECIAL, DecodingConfig(**settings), scorer)


def automaton_of():
    return PositionAutomaton(catalog_of(TITLES).pool())


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert [entry.item for entry in one] == [entry.item for entry in other]
        assert [entry.score for entry in one] == pytest.approx([entry.score for entry in other], abs=2e-4)


def test_all_layouts_literally():
    prompt = prompt_of([0, 3], TITLES)
    assert prompt.token_ids == [24, 10, 12, 13, 11, 26, 21, 22, 1, 2, 22, 5, 4]
    assert prompt.inter_position_ids == [0, 1, 2, 3, 4, 5, 6, 5, 5, 5, 6, 6, 6]
    assert prompt.intra_position_ids == [0, 0, 1, 2, 0, 0, 0, 1, 2, 3, 1, 2, 3]
    assert prompt.input_items == [-1] * 10 + [0, -1, -1]
    assert (prompt.earlier_items, prompt.items_before_last) == ([(-1, -1)] * 13, (0, -1))
    assert (prompt.mask_position, prompt.part_a_len, prompt.last_item, prompt.history) == (7, 7, 3, (0, 3))
    plain = prompt_of([0, 3], TITLES, layout="text")
    assert plain.token_ids == [24, 10, 12, 13, 11, 1, 2, 11, 5, 4, 26, 21]
    assert plain.input_items == [-1, -1, -1, -1, -1, 0, 0, 0, 3, 3, -1, -1]
    assert (plain.mask_position, plain.part_a_len, plain.last_item, plain.history) == (10, 12, -1, (0, 3))
    vectors = prompt_of([0, 3], TITLES, layout="vectors")
    assert vectors.token_ids == [24, 10, 12, 13, 11, 26, 21, 22, 22]
    assert vectors.inter_position_ids == [0, 1, 2, 3, 4, 5, 6, 5, 6]
    assert vectors.intra_position_ids == [0, 0, 1, 2, 0, 0, 0, 1, 1]
    assert vectors.input_items == [-1] * 8 + [0]
    longer = prompt_of([0, 3, 6, 1], TITLES, layout="vectors")
    assert longer.input_items == [-1] * 8 + [0, 3, 6]
    assert longer.earlier_items == [*[(-1, -1)] * 9, (0, -1), (3, 0)]
    assert (longer.last_item, longer.items_before_last) == (1, (6, 3))
    assert (vectors.mask_position, vectors.part_a_len, vectors.last_item, vectors.history) == (7, 7, 3, (0, 3))
    empty = prompt_of([], TITLES)
    assert (empty.token_ids, empty.last_item, empty.history) == ([24, 10, 12, 13, 26, 21], -1, ())


@pytest.mark.parametrize("name", NAMES)
@LAYOUTS
def test_tokens_of_items_are_scored_as_by_full_passes_alone_and_together(name, layout):
    model = tiny_backbone(name)
    inputs_END = tables_by_hand(tiny_head(model), model, TITLES)[2]
    prompts = [prompt_of(history, TITLES, layout=layout) for history in HISTORIES]
    for prompt, found in zip(prompts, generator_of(model).recommend(prompts, 8), strict=True):
        expected = best(token_scores_by_hand(model, prompt, TITLES, range(8), inputs_END), 8)
        assert [entry.item for entry in found] == [item for item, _ in expected]
        assert [entry.score for entry in found] == pytest.approx([score for _, score in expected], abs=2e-4)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scoring", ["trie", "entity", "blend"])
def test_what_is_kept_of_earlier_prompts_changes_no_answer(name, scoring):
    model = tiny_backbone(name)
    plain, keeping = (generator_of(model, scoring=scoring, reuse_mb=megabytes) for megabytes in (0, 1))
    histories = [[0, 3, 6], [0, 3, 2], [4, 4, 1, 7, 2], [0, 3, 6], [0, 3, 6, 5], []]
    for layout in ("text", "tokens", "vectors", "vectors_from_last"):
        prompts = [prompt_of(history, TITLES, layout=layout) for history in histories]
        for call in (prompts[:1], prompts[1:4], prompts[::-1]):
            assert_same(keeping.recommend(call, 8), plain.recommend(call, 8))


def renamed(prompt, place, item):
    """Let one token carry another item, as if two items had the same title."""
    carried = list(prompt.input_items)
    carried[place] = item
    return replace(prompt, input_items=carried)


@pytest.mark.parametrize("name", ["glm", "llama prefix", "qwen2 causal"])
@LAYOUTS
@torch.inference_mode()
def test_users_who_differ_in_the_residual_of_one_token_share_nothing_behind_it(name, layout):
    model = tiny_backbone(name, num_positions=60)
    vectors = scorer_of(tiny_head(model), model, TITLES).vectors
    # beginnings are looked up in steps of 16 tokens
    history = [0, 3, 6, 1, 7, 4] * (3 if layout.startswith("vectors") else 1)
    first = prompt_of(history, TITLES, layout=layout)
    place = max(place for place, item in enumerate(first.input_items) if item >= 0)
    second = renamed(first, place, 2)
    prefix_cache = PartACache(model, SPECIAL, 10_000_000, vectors)
    for prompt in (first, second, first):
        found, expected = prefix_cache.encode([prompt]), encode_prompts(model, [prompt], SPECIAL, vectors)
        for mine, theirs in zip(
            [*found.keys_LRGAE, *found.values_LRGAE], [*expected.keys_LRGAE, *expected.values_LRGAE], strict=True
        ):
            torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)
    shares_beginnings = model.part_a_is_causal or layout != "text"
    assert prefix_cache.num_reused == len(first.token_ids) + (place if shares_beginnings else 0)
    assert place >= 16


def test_users_who_differ_in_the_last_item_alone_get_answers_of_their_own():
    model = make_model(2)
    first = prompt_of([0, 3], TITLES)
    second = replace(first, last_item=5)
    plain, keeping = (generator_of(model, scoring="entity", reuse_mb=megabytes) for megabytes in (0, 1))
    assert_same(keeping.recommend([first], 8), plain.recommend([first], 8))
    assert_same(keeping.recommend([second, first], 8), plain.recommend([second, first], 8))
    scores = [{entry.item: entry.score for entry in entries} for entries in keeping.recommend([first, second], 8)]
    assert max(abs(scores[0][item] - scores[1][item]) for item in range(8)) > 0.01


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scoring", ["trie", "lm"])
@torch.no_grad()
def test_given_answers_are_scored_as_by_full_passes(name, scoring):
    model = tiny_backbone(name)
    head = head_of(model, TITLES)
    inputs_END = tables_by_hand(head, model, TITLES)[2]
    answer_scorer = AnswerScorer(model, SPECIAL, automaton_of(), scoring, scorer_of(head, model, TITLES).vectors)
    prompts = [prompt_of([0, 3], TITLES), prompt_of([4, 1], TITLES, layout="text"), prompt_of([], TITLES)]
    answers = [TITLES, [(1, 2)], [(3, 3), (3, 4), (6,)]]
    for prompt, choices, found in zip(prompts, answers, answer_scorer.log_probs(prompts, answers), strict=True):
        expected = []
        ended = [(*choice, SPECIAL.end) for choice in choices]
        for tokens in ended:
            intra_ids = automaton_of().span_ids(tokens[:-1])
            logits = model.logits(states_by_hand(model, prompt, tokens[:-1], intra_ids, inputs_END)).double()
            score = 0.0
            for depth, token in enumerate(tokens):
                siblings = sorted({other[depth] for other in ended if other[:depth] == tokens[:depth]})
                allowed = siblings if scoring == "trie" else list(range(logits.shape[1]))
                score += float(logits[depth, token] - logits[depth, allowed].logsumexp(0))
            expected.append(score)
        assert found == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_free_text_is_what_full_passes_write_token_by_token(name):
    model = tiny_backbone(name)
    head = head_of(model, TITLES)
    inputs_END = tables_by_hand(head, model, TITLES)[2]
    vectors = scorer_of(head, model, TITLES).vectors
    writer = TextGenerator(model, SPECIAL, automaton_of(), GenerationConfig(max_tokens=5), vectors)
    prompts = [prompt_of([0, 3], TITLES), prompt_of([4, 1], TITLES, layout="text"), prompt_of([6], TITLES)]
    for prompt, text in zip(prompts, writer.generate(prompts), strict=True):
        tokens, score = [], 0.0
        while len(tokens) <= 5:
            hidden = states_by_hand(model, prompt, tokens, automaton_of().span_ids(tokens), inputs_END)
            logits = model.logits(hidden[-1]).double()
            logits[CONTROL_IDS] = -float("inf")
            token = int(logits.argmax())
            if token != SPECIAL.end and len(tokens) == 5:
                break
            score += float(logits.log_softmax(0)[token])
            if token == SPECIAL.end:
                break
            tokens.append(token)
        assert list(text.token_ids) == tokens
        assert text.log_prob == pytest.approx(score, abs=2e-4)


@pytest.mark.parametrize("reuse_mb", [0, 1])
@pytest.mark.parametrize("layout", ["text", "tokens", "vectors", "vectors_from_last"])
def test_a_prompt_that_is_too_long_is_refused_whatever_makes_it_so(layout, reuse_mb):
    generator = generator_of(make_model(0), reuse_mb=reuse_mb)
    generator.recommend([prompt_of([0], TITLES, layout=layout)], 1)
    many_features, many_items = TokenizedText(), text_of([0] * 40, TITLES)
    many_features.add_text([11] * 45)
    many_features.extend(text_of([0], TITLES))
    for text in (many_features, many_items):
        with pytest.raises(ConfigError, match=r"at most 40 \(max_sequence_length\), the longest prompt needs"):
            generator.recommend([build_prompt(text, SPECIAL, layout=layout)], 1)
