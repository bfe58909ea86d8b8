"""A tiny model, prompts, and teacher forcing: what generation has to agree with."""

import torch

from recsys_model.backbones.base import FullAttention, part_a_and_part_b_mask
from recsys_model.backbones.glm import GLM
from recsys_model.config import GLMConfig
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.infilling.prompt import Prompt
from recsys_model.text.tokenizer import SpecialTokens
from tests.recsys_model.decoding.plain_prompt import plain_prompt

SPECIAL = SpecialTokens(pad=20, eos=21, start=22, end=23, cls=24, mask=25, gmask=26, smask=27)
CONTROL_IDS = [20, 21, 22, 24, 25, 26, 27]


def make_model(seed: int) -> GLM:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = GLM(GLMConfig(num_layers=2, hidden_size=16, num_heads=2, vocab_size=28, max_sequence_length=40))
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.4)
    return model.eval()


def make_prompt(tokens: list[int]) -> Prompt:
    token_ids = [SPECIAL.cls, *tokens, SPECIAL.gmask, SPECIAL.eos]
    intra_ids = [0, *[1 + i % 3 for i in range(len(tokens))], 0, 0]
    return plain_prompt(token_ids, intra_ids, len(tokens) + 1)


@torch.no_grad()
def next_logits(model: GLM, automaton: PositionAutomaton, prompt: Prompt, tokens: list[int]) -> torch.Tensor:
    """Logits after `[S] tokens`, by a full forward pass over part A and part B, [1 + number of tokens, vocabulary]."""
    part_b = [SPECIAL.start, *tokens]
    intra_ids = prompt.intra_position_ids + automaton.span_ids(tokens)
    inter_ids = prompt.inter_position_ids + [prompt.mask_position] * len(part_b)
    ids = torch.tensor([prompt.token_ids + part_b])
    visible = part_a_and_part_b_mask(torch.tensor([len(prompt.token_ids)]), ids.shape[1])
    hidden = model.hidden_states(ids, torch.tensor([inter_ids]), torch.tensor([intra_ids]), FullAttention(visible))
    return model.logits(hidden[0, len(prompt.token_ids) :]).double()
