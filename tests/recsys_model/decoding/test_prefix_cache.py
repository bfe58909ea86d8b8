"""Keys and values of earlier prompts change no answer, whatever is kept of them."""

import pytest
import torch

from recsys_model.config import DecodingConfig
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.decoding.prefix_cache import PartACache
from recsys_model.decoding.prompts import encode_prompts
from recsys_model.entities.catalog import Catalog, CatalogItem
from recsys_model.errors import ConfigError
from recsys_model.text.tokenizer import SpecialTokens
from tests.recsys_model.backbones.tiny_backbones import NAMES, tiny_backbone
from tests.recsys_model.decoding.plain_prompt import plain_prompt

SPECIAL = SpecialTokens(pad=20, eos=21, start=22, end=23, cls=24, mask=25, gmask=26, smask=27)
SEQUENCES = [(1, 2), (1, 2, 3), (1, 4, 0), (5, 4), (5, 4, 3, 2, 1), (0,), (2, 2), (2, 3, 1)]
CATALOG = Catalog([CatalogItem(f"i{n}", f"t{n}", f"t{n}", tokens) for n, tokens in enumerate(SEQUENCES)], {})
HISTORY = [1, 2, 3, 0, 5, 4, 3, 2, 1, 0, 1, 4, 0, 2, 2, 5, 4, 1, 1, 2]


def prompt_of(tokens, first_intra_id=1):
    token_ids = [SPECIAL.cls, *tokens, SPECIAL.gmask, SPECIAL.eos]
    intra_ids = [0, *[first_intra_id + n % 3 for n in range(len(tokens))], 0, 0]
    return plain_prompt(token_ids, intra_ids, len(tokens) + 1)


def assert_same_states(found, expected, prompts):
    for layer in range(2):
        for mine, theirs in ((found.keys_LRGAE, expected.keys_LRGAE), (found.values_LRGAE, expected.values_LRGAE)):
            for row, prompt in enumerate(prompts):
                size = len(prompt.token_ids)
                torch.testing.assert_close(mine[layer][row, :, :size], theirs[layer][row, :, :size])


@pytest.mark.parametrize("name", NAMES)
@torch.inference_mode()
def test_whatever_was_encoded_before_the_states_are_those_of_encoding_anew(name):
    model = tiny_backbone(name)
    prefix_cache = PartACache(model, SPECIAL, 10_000_000)
    calls = [
        [prompt_of(HISTORY[:17])],
        [prompt_of([3, 3]), prompt_of(HISTORY[:17]), prompt_of(HISTORY)],
        [prompt_of(HISTORY), prompt_of([3, 3])],
        [prompt_of(HISTORY, first_intra_id=2), prompt_of([*HISTORY, 4, 4])],
    ]
    for prompts in calls:
        found = prefix_cache.encode(prompts)
        assert_same_states(found, encode_prompts(model, prompts, SPECIAL), prompts)
        assert found.visible_RA.sum(dim=1).tolist() == [len(prompt.token_ids) for prompt in prompts]
    identical = len(HISTORY[:17]) + 3 + len(HISTORY) + 3 + 2 + 3
    # [CLS] and what two histories share: 17 of the first, all 20 of the second
    shared = (1 + 17) + (1 + 20)
    assert prefix_cache.num_reused == identical + (shared if name == "qwen2 causal" else 0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("exact", [False, True])
def test_recommendations_are_the_same_for_a_returning_user(name, exact):
    model = tiny_backbone(name)
    plain, keeping = (
        TrieGuidedGenerator(model, CATALOG, SPECIAL, DecodingConfig(exact=exact, reuse_mb=megabytes))
        for megabytes in (0, 1)
    )
    for prompts in ([prompt_of(HISTORY)], [prompt_of([1]), prompt_of(HISTORY), prompt_of([*HISTORY, 3])]):
        expected, found = plain.recommend(prompts, 5), keeping.recommend(prompts, 5)
        for one, other in zip(expected, found, strict=True):
            assert [entry.item for entry in one] == [entry.item for entry in other]
            assert [entry.score for entry in one] == pytest.approx([entry.score for entry in other], abs=1e-4)


@torch.inference_mode()
def test_the_least_recently_used_prompts_are_forgotten_when_there_is_no_room():
    model = tiny_backbone("glm")
    prompts = [prompt_of([n, n, n, n, n]) for n in range(4)]
    one = 2 * 2 * 8 * 16 * 4  # keys and values, layers, tokens, width, bytes
    prefix_cache = PartACache(model, SPECIAL, 2 * one)
    for prompt in (prompts[0], prompts[1], prompts[0], prompts[2]):
        prefix_cache.encode([prompt])
    assert (prefix_cache.num_bytes, prefix_cache.num_reused) == (2 * one, 8)
    prefix_cache.encode([prompts[0]])
    assert prefix_cache.num_reused == 16
    prefix_cache.encode([prompts[1]])
    assert prefix_cache.num_reused == 16
    tiny = PartACache(model, SPECIAL, one - 1)
    tiny.encode([prompts[0]])
    assert tiny.num_bytes == 0


@torch.inference_mode()
def test_a_prompt_that_is_too_long_is_refused_after_a_shorter_one_was_kept():
    prefix_cache = PartACache(tiny_backbone("qwen2 causal"), SPECIAL, 1_000_000)
    prefix_cache.encode([prompt_of([1] * 30)])
    with pytest.raises(ConfigError, match="the longest prompt needs 43"):
        prefix_cache.encode([prompt_of([1] * 41)])


@torch.inference_mode()
def test_of_two_prompts_that_begin_alike_one_that_is_forgotten_leaves_the_other_to_be_found():
    model = tiny_backbone("qwen2 causal")
    first, second, other = prompt_of(HISTORY), prompt_of([*HISTORY, 3]), prompt_of([3] * 20)
    room = PartACache(model, SPECIAL, 10_000_000)
    for prompt in (first, second):
        room.encode([prompt])
    prefix_cache = PartACache(model, SPECIAL, room.num_bytes)
    # the second is forgotten for the third, since the first was asked for again
    for prompt in (first, second, first, other):
        prefix_cache.encode([prompt])
    before = prefix_cache.num_reused
    prefix_cache.encode([prompt_of([*HISTORY, 5])])
    assert prefix_cache.num_reused - before == 1 + len(HISTORY)
