"""Trie-guided decoding with a cache against full forward passes, for every family."""

import pytest
import torch

from recsys_model.backbones.base import Backbone, FullAttention
from recsys_model.config import DecodingConfig
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.entities.catalog import Catalog, CatalogItem
from recsys_model.errors import ConfigError
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.infilling.prompt import Prompt
from recsys_model.text.tokenizer import SpecialTokens
from tests.recsys_model.backbones.tiny_backbones import NAMES, tiny_backbone
from tests.recsys_model.decoding.plain_prompt import plain_prompt

SPECIAL = SpecialTokens(pad=20, eos=21, start=22, end=23, cls=24, mask=25, gmask=26, smask=27)
SEQUENCES = [(1, 2), (1, 2, 3), (1, 4, 0), (5, 4), (5, 4, 3, 2, 1), (0,), (2, 2), (2, 3, 1)]
CATALOG = Catalog([CatalogItem(f"i{n}", f"t{n}", f"t{n}", tokens) for n, tokens in enumerate(SEQUENCES)], {})


def prompt_of(tokens: list[int]) -> Prompt:
    token_ids = [SPECIAL.cls, *tokens, SPECIAL.gmask, SPECIAL.eos]
    intra_ids = [0, *[1 + n % 3 for n in range(len(tokens))], 0, 0]
    return plain_prompt(token_ids, intra_ids, len(tokens) + 1)


@torch.no_grad()
def score_by_full_forward(model: Backbone, prompt: Prompt, scoring: str) -> list[float]:
    """Score each item by one pass over part A and `[S] item` without padding, beams or cache."""
    automaton = PositionAutomaton(CATALOG.pool())
    ended = [(*tokens, SPECIAL.end) for tokens in SEQUENCES]
    scores = []
    for tokens in ended:
        part_b = [SPECIAL.start, *tokens[:-1]]
        ids = torch.tensor([prompt.token_ids + part_b])
        inter = torch.tensor([prompt.inter_position_ids + [prompt.mask_position] * len(part_b)])
        intra = torch.tensor([prompt.intra_position_ids + automaton.span_ids(tokens[:-1])])
        attention = FullAttention(model.visible(torch.tensor([len(prompt.token_ids)]), ids.shape[1]))
        hidden = model.hidden_states(ids, inter, intra, attention)[0, len(prompt.token_ids) :]
        logits = model.logits(hidden).double()
        score = 0.0
        for depth, token in enumerate(tokens):
            siblings = sorted({other[depth] for other in ended if other[:depth] == tokens[:depth]})
            allowed = siblings if scoring == "trie" else list(range(logits.shape[1]))
            score += float(logits[depth, token] - logits[depth, allowed].logsumexp(0))
        scores.append(score)
    return scores


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scoring", ["trie", "lm"])
def test_cached_beams_score_every_item_as_full_passes_do(name, scoring):
    model = tiny_backbone(name)
    # of different lengths, so that some are padded
    prompts = [prompt_of([1]), prompt_of([5, 4, 3, 2, 1, 0, 1]), prompt_of([2, 2, 0])]
    generator = TrieGuidedGenerator(model, CATALOG, SPECIAL, DecodingConfig(num_beams=20, scoring=scoring))
    for prompt, found in zip(prompts, generator.recommend(prompts, k=8), strict=True):
        scores = score_by_full_forward(model, prompt, scoring)
        assert [entry.item for entry in found] == sorted(range(8), key=lambda item: -scores[item])
        assert [entry.score for entry in found] == pytest.approx(sorted(scores, reverse=True), abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_prompts_beyond_the_positions_of_the_model_are_refused(name):
    generator = TrieGuidedGenerator(tiny_backbone(name), CATALOG, SPECIAL, DecodingConfig(num_beams=4))
    with pytest.raises(ConfigError, match=r"at most 40 \(max_sequence_length\), the longest prompt needs 43"):
        generator.recommend([prompt_of([1] * 41)], 1)
