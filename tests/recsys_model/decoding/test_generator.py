import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_model.backbones.base import FullAttention, part_a_and_part_b_mask
from recsys_model.backbones.glm import GLM
from recsys_model.config import DecodingConfig, GLMConfig
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.entities.catalog import Catalog, CatalogItem
from recsys_model.errors import ConfigError, DataError
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.text.tokenizer import SpecialTokens
from tests.recsys_model.decoding.plain_prompt import plain_prompt

SPECIAL = SpecialTokens(pad=20, eos=21, start=22, end=23, cls=24, mask=25, gmask=26, smask=27)
NUM_TEXT_TOKENS = 6


def make_model(seed: int = 0) -> GLM:
    torch.manual_seed(seed)
    model = GLM(GLMConfig(num_layers=2, hidden_size=16, num_heads=2, vocab_size=32, max_sequence_length=40))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return model.eval()


MODEL = make_model()


def make_catalog(sequences, attributes=()):
    items = [CatalogItem(f"id{i}", f"t{i}", f"t{i}", tuple(tokens)) for i, tokens in enumerate(sequences)]
    return Catalog(items=items, attributes={f"a{i}": tuple(tokens) for i, tokens in enumerate(attributes)})


def make_prompt(tokens):
    token_ids = [SPECIAL.cls, *tokens, SPECIAL.gmask, SPECIAL.eos]
    intra_ids = [0, *[1 + i % 3 for i in range(len(tokens))], 0, 0]
    return plain_prompt(token_ids, intra_ids, len(tokens) + 1)


def make_generator(catalog, num_beams=200, scoring="trie", model=MODEL):
    return TrieGuidedGenerator(model, catalog, SPECIAL, DecodingConfig(num_beams=num_beams, scoring=scoring))


@torch.no_grad()
def teacher_forced_scores(model, catalog, prompt, scoring, intra_mode="paper"):
    """Score every item by a full forward pass over part A and `[S] item`, with a prefix search over lists."""
    automaton = PositionAutomaton(catalog.pool(), intra_mode)
    ended = [[*item.token_ids, SPECIAL.end] for item in catalog.items]
    scores = []
    for tokens in ended:
        part_b = [SPECIAL.start, *tokens[:-1]]
        intra_ids = prompt.intra_position_ids + automaton.span_ids(tokens[:-1])
        inter_ids = prompt.inter_position_ids + [prompt.mask_position] * len(part_b)
        ids = torch.tensor([prompt.token_ids + part_b])
        visible = part_a_and_part_b_mask(torch.tensor([len(prompt.token_ids)]), ids.shape[1])
        hidden = model.hidden_states(ids, torch.tensor([inter_ids]), torch.tensor([intra_ids]), FullAttention(visible))
        logits = model.logits(hidden[0, len(prompt.token_ids) :]).double()
        score = 0.0
        for depth, token in enumerate(tokens):
            siblings = sorted({other[depth] for other in ended if other[:depth] == tokens[:depth]})
            allowed = siblings if scoring == "trie" else list(range(logits.shape[1]))
            score += float(logits[depth, token] - logits[depth, allowed].logsumexp(0))
        scores.append(score)
    return scores


def assert_equals_exhaustive(found, scores, k, excluded=()):
    expected = sorted((item for item in range(len(scores)) if item not in excluded), key=lambda item: -scores[item])
    assert [entry.item for entry in found] == expected[:k]
    assert [entry.score for entry in found] == pytest.approx([scores[item] for item in expected[:k]], abs=1e-5)


tokens = st.integers(0, NUM_TEXT_TOKENS - 1)
sequences = st.lists(st.lists(tokens, min_size=1, max_size=5).map(tuple), min_size=1, max_size=14, unique=True)


@settings(max_examples=40, deadline=None)
@given(sequences, st.lists(st.lists(tokens, max_size=6), min_size=1, max_size=3), st.sampled_from(["trie", "lm"]))
def test_a_beam_wider_than_the_catalogue_finds_what_scoring_every_item_finds(items, texts, scoring):
    catalog = make_catalog(items)
    prompts = [make_prompt(text) for text in texts]
    found = make_generator(catalog, scoring=scoring).recommend(prompts, k=len(items))
    for prompt, entries in zip(prompts, found, strict=True):
        assert_equals_exhaustive(entries, teacher_forced_scores(MODEL, catalog, prompt, scoring), len(items))


@settings(max_examples=40, deadline=None)
@given(sequences, st.data(), st.sampled_from(["trie", "lm"]))
def test_excluding_items_leaves_the_order_and_scores_of_the_others_as_they_are(items, data, scoring):
    catalog = make_catalog(items)
    prompts = [make_prompt([1, 2]), make_prompt([3])]
    excluded = [data.draw(st.sets(st.integers(0, len(items) - 1))) for _ in prompts]
    k = data.draw(st.integers(1, len(items)))
    found = make_generator(catalog, scoring=scoring).recommend(prompts, k, excluded)
    for prompt, without, entries in zip(prompts, excluded, found, strict=True):
        assert_equals_exhaustive(entries, teacher_forced_scores(MODEL, catalog, prompt, scoring), k, without)


@settings(max_examples=40, deadline=None)
@given(sequences, st.data(), st.sampled_from(["trie", "lm"]))
def test_allowing_only_some_items_is_excluding_all_others(items, data, scoring):
    generator = make_generator(make_catalog(items), scoring=scoring)
    prompts = [make_prompt([1, 2]), make_prompt([3])]
    indices = st.sets(st.integers(0, len(items) - 1))
    allowed = [data.draw(st.none() | indices) for _ in prompts]
    excluded = [data.draw(indices) for _ in prompts]
    everything = set(range(len(items)))
    others = [
        without if only is None else without | (everything - only)
        for without, only in zip(excluded, allowed, strict=True)
    ]
    assert generator.recommend(prompts, 20, excluded, allowed) == generator.recommend(prompts, 20, others)


@settings(max_examples=80, deadline=None)
@given(sequences, st.data(), st.sampled_from(["trie", "lm"]))
def test_a_narrow_beam_returns_as_many_distinct_items_as_are_left_with_their_exact_scores(items, data, scoring):
    catalog = make_catalog(items)
    num_beams = data.draw(st.integers(1, 4))
    k = data.draw(st.integers(1, num_beams))
    excluded = data.draw(st.sets(st.integers(0, len(items) - 1)))
    prompts = [make_prompt([1, 2]), make_prompt([0, 3, 5, 5])]
    found = make_generator(catalog, num_beams, scoring).recommend(prompts, k, [excluded, ()])
    for prompt, without, entries in zip(prompts, [excluded, set()], found, strict=True):
        scores = teacher_forced_scores(MODEL, catalog, prompt, scoring)
        returned = [entry.item for entry in entries]
        assert len(returned) == min(k, len(items) - len(without))
        assert len(set(returned)) == len(returned)
        assert not without & set(returned)
        assert [entry.score for entry in entries] == pytest.approx([scores[item] for item in returned], abs=1e-5)
        assert [entry.score for entry in entries] == sorted((entry.score for entry in entries), reverse=True)


def beam_by_hand(catalog, scores_of_prefix, num_beams, k):
    """Beam search over lists of tokens, from one place where titles part to the next.

    `scores_of_prefix` gives the score of any prefix; beams are chosen by the token that they part with.
    """
    ended = {(*item.token_ids, SPECIAL.end): index for index, item in enumerate(catalog.items)}
    live, finished = [_go_on((), ended)], {}
    while live:
        chosen = sorted({seq[: len(p) + 1] for p in live for seq in ended if seq[: len(p)] == p})
        finished |= {ended[child]: scores_of_prefix[child] for child in chosen if child in ended}
        best = sorted((child for child in chosen if child not in ended), key=lambda child: -scores_of_prefix[child])
        whole = [_go_on(child, ended) for child in best[:num_beams]]
        finished |= {ended[child]: scores_of_prefix[child] for child in whole if child in ended}
        live = [child for child in whole if child not in ended]
    return sorted(finished, key=lambda item: -finished[item])[:k]


def _go_on(prefix, ended):
    """Follow a prefix as long as there is no choice."""
    while len(following := {seq[: len(prefix) + 1] for seq in ended if seq[: len(prefix)] == prefix} - {prefix}) == 1:
        (prefix,) = following
    return prefix


@torch.no_grad()
def prefix_scores(catalog, prompt):
    """Log-probability, as the language model gives it, of every prefix of every ended item."""
    automaton = PositionAutomaton(catalog.pool())
    scores = {}
    for item in catalog.items:
        part_b = [SPECIAL.start, *item.token_ids]
        ids = torch.tensor([prompt.token_ids + part_b])
        inter = torch.tensor([prompt.inter_position_ids + [prompt.mask_position] * len(part_b)])
        intra = torch.tensor([prompt.intra_position_ids + automaton.span_ids(item.token_ids)])
        visible = part_a_and_part_b_mask(torch.tensor([len(prompt.token_ids)]), ids.shape[1])
        hidden = MODEL.hidden_states(ids, inter, intra, FullAttention(visible))
        log_probs = MODEL.logits(hidden[0, len(prompt.token_ids) :]).log_softmax(-1)
        ended, score = (*item.token_ids, SPECIAL.end), 0.0
        for depth, token in enumerate(ended):
            score += float(log_probs[depth, token])
            scores[ended[: depth + 1]] = score
    return scores


@pytest.mark.parametrize("scoring", ["trie", "lm"])
def test_a_request_gets_the_same_answer_alone_and_among_longer_ones(scoring):
    catalog = make_catalog([(a, b, c) for a in range(3) for b in range(3) for c in range(2)])
    generator = make_generator(catalog, 4, scoring)
    prompts = [make_prompt([1]), make_prompt([5, 4, 3, 2, 1, 0, 1, 2]), make_prompt([2, 2, 2])]
    excluded = [{0, 1, 2, 3}, set(), set(range(17))]
    together = generator.recommend(prompts, 3, excluded)
    for prompt, without, among in zip(prompts, excluded, together, strict=True):
        alone = generator.recommend([prompt], 3, [without])[0]
        assert [entry.item for entry in among] == [entry.item for entry in alone]
        assert [entry.score for entry in among] == pytest.approx([entry.score for entry in alone], abs=1e-5)


@pytest.mark.parametrize("intra_mode", ["paper", "run", "glm"])
def test_every_intra_mode_scores_like_training_even_where_attributes_overlap_items(intra_mode):
    catalog = make_catalog([(1, 2), (1, 2, 3), (2, 3), (3, 1, 2, 4)], attributes=[(2,), (1, 2, 3, 4), (3, 1)])
    found = make_generator(catalog).recommend([make_prompt([1])], 4)[0]
    assert_equals_exhaustive(found, teacher_forced_scores(MODEL, catalog, make_prompt([1]), "trie", intra_mode), 4)


def test_a_bf16_model_still_gives_float32_scores_that_are_close():
    catalog = make_catalog([(a, b) for a in range(4) for b in range(4)])
    exact = teacher_forced_scores(MODEL, catalog, make_prompt([1, 2]), "trie")
    found = make_generator(catalog, model=make_model().bfloat16()).recommend([make_prompt([1, 2])], 16)[0]
    assert [entry.score for entry in found] == pytest.approx([exact[entry.item] for entry in found], abs=0.3)
    total = sum(torch.tensor(entry.score, dtype=torch.float64).exp().item() for entry in found)
    assert total == pytest.approx(1.0, abs=1e-5)


def test_dropout_is_off_while_generating_and_on_again_afterwards():
    torch.manual_seed(1)
    config = GLMConfig(num_layers=1, hidden_size=8, num_heads=1, vocab_size=32, max_sequence_length=20, dropout=0.5)
    model = GLM(config).train()
    generator = make_generator(make_catalog([(1,), (2,), (3,)]), model=model)
    assert generator.recommend([make_prompt([1])], 3) == generator.recommend([make_prompt([1])], 3)
    assert model.training


def test_a_catalogue_of_one_item_answers_with_certainty():
    found = make_generator(make_catalog([(1, 2, 3)])).recommend([make_prompt([4])], 2)[0]
    assert [(entry.item, entry.score) for entry in found] == [(0, 0.0)]


def test_no_prompts_give_no_answers_and_a_request_without_items_left_an_empty_one():
    generator = make_generator(make_catalog([(1,), (2,)]))
    assert generator.recommend([], 1) == []
    assert generator.recommend([make_prompt([1])], 1, [{0, 1}]) == [[]]


def test_asking_for_more_items_than_beams_is_refused():
    generator = make_generator(make_catalog([(1,), (2,)]), num_beams=5)
    with pytest.raises(ConfigError, match=r"k must be from 1 to decoding.num_beams \(5\), got 6"):
        generator.recommend([make_prompt([1])], 6)
    with pytest.raises(ConfigError, match="got 0"):
        generator.recommend([make_prompt([1])], 0)


def test_exclusions_that_fit_neither_prompts_nor_catalogue_are_refused():
    generator = make_generator(make_catalog([(1,), (2,)]))
    with pytest.raises(DataError, match="one entry per prompt, got 2 for 1"):
        generator.recommend([make_prompt([1])], 1, [(), ()])
    with pytest.raises(DataError, match="from 0 to 1, got 2"):
        generator.recommend([make_prompt([1])], 1, [{2}])
    with pytest.raises(DataError, match="allowed must have one entry per prompt, got 2 for 1"):
        generator.recommend([make_prompt([1])], 1, None, [None, {0}])
    with pytest.raises(DataError, match=r"allowed items must be .* from 0 to 1, got -1 in entry 0"):
        generator.recommend([make_prompt([1])], 1, None, [{-1}])


def test_what_is_too_long_for_the_position_tables_is_refused():
    with pytest.raises(ConfigError, match=r"at most 40 .*the longest item needs 42"):
        make_generator(make_catalog([[1] * 41]))
    with pytest.raises(ConfigError, match="the longest prompt needs 43"):
        make_generator(make_catalog([(1,)])).recommend([make_prompt([1] * 41)], 1)
