"""Prompts of different lengths, read together, against an ordinary pass over each one alone."""

import pytest
import torch

from recsys_model.decoding.cache import PartAEncoder
from recsys_model.decoding.prompts import encode_prompts
from tests.recsys_model.backbones.tiny_backbones import NAMES, tiny_backbone
from tests.recsys_model.decoding.plain_prompt import plain_prompt
from tests.recsys_model.decoding.tiny_decoding import SPECIAL

PROMPTS = [
    plain_prompt(tokens, [place % 3 for place in range(len(tokens))], len(tokens) - 1)
    for tokens in ([1, 2, 3, 4, 5, 6, 7], [4], [9, 8, 7], [1, 2, 3])
]


@pytest.mark.parametrize("name", NAMES)
@torch.inference_mode()
def test_keys_and_values_are_those_of_each_prompt_alone(name: str) -> None:
    model = tiny_backbone(name).double()

    found = encode_prompts(model, PROMPTS, SPECIAL)

    for row, prompt in enumerate(PROMPTS):
        size = len(prompt.token_ids)
        alone = PartAEncoder(torch.ones((1, size), dtype=torch.bool), is_causal=model.part_a_is_causal)
        columns = (prompt.token_ids, prompt.inter_position_ids, prompt.intra_position_ids)
        model.hidden_states(*(torch.tensor([column]) for column in columns), alone)
        assert found.visible_RA[row].sum() == size
        assert len(found.keys_LRGAE) == len(model.blocks)
        for layer in range(len(model.blocks)):
            for states, expected in (
                (found.keys_LRGAE[layer], alone.keys_LRGAE[layer]),
                (found.values_LRGAE[layer], alone.values_LRGAE[layer]),
            ):
                torch.testing.assert_close(states[row, :, :size], expected[0], atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
@torch.inference_mode()
def test_nothing_is_computed_behind_the_last_keys(name: str) -> None:
    model = tiny_backbone(name)
    finished = []
    for number, block in enumerate(model.blocks):
        block.register_forward_hook(lambda *_, number=number: finished.append(number))

    encode_prompts(model, PROMPTS, SPECIAL)

    assert finished == list(range(len(model.blocks) - 1))
