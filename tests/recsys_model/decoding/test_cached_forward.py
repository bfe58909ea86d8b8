"""Steps of cached decoding against one uncached pass over all tokens, state by state, in double precision."""

import pytest
import torch
from torch import Tensor

from recsys_model.backbones.base import Backbone, FullAttention
from recsys_model.decoding.cache import BeamCache, PartAEncoder
from tests.recsys_model.backbones.tiny_backbones import NAMES, tiny_backbone

LENS = (5, 2, 3)
MASK_POSITIONS = torch.tensor([3, 0, 1])
PARENTS = [
    [[0], [0], [0]],
    [[0, 0, 0], [0, 0, 0], [0, 0, 0]],
    [[2, 0, 0], [1, 1, 1], [0, 1, 2]],
    [[1, 2], [0, 2], [2, 0]],
    [[1, 1, 0, 0], [0, 1, 0, 1], [1, 0, 1, 1]],
]
"""Step -> request -> the beam that each beam goes on from: some are dropped, some are followed by several."""


def encode(model: Backbone, tokens_RA: Tensor, intra_RA: Tensor) -> PartAEncoder:
    place_A = torch.arange(max(LENS))
    encoder = PartAEncoder(place_A[None] < torch.tensor(LENS)[:, None], is_causal=model.part_a_is_causal)
    model.hidden_states(tokens_RA, place_A.expand(len(LENS), -1), intra_RA, encoder)
    return encoder


def uncached(model: Backbone, part_a: list[tuple[int, int]], part_b: list[tuple[int, int]], inter: int) -> Tensor:
    """Return the last state of part A and one beam's tokens, without padding, cache or other beams."""
    tokens, intra = zip(*part_a, *part_b, strict=True)
    inter_ids = [*range(len(part_a)), *[inter] * len(part_b)]
    attention = FullAttention(model.visible(torch.tensor([len(part_a)]), len(tokens)))
    return model.hidden_states(*(torch.tensor([row]) for row in (tokens, inter_ids, intra)), attention)[0, -1]


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_every_beam_of_every_step_has_the_state_of_an_uncached_pass(name: str) -> None:
    model = tiny_backbone(name).double()
    torch.manual_seed(0)
    tokens_RA, intra_RA = torch.randint(0, 20, (3, 5)), torch.randint(0, 4, (3, 5))
    cache = BeamCache(encode(model, tokens_RA, intra_RA))
    lineage: list[list[list[tuple[int, int]]]] = [[[]], [[]], [[]]]
    for step, parents in enumerate(PARENTS):
        token_RW = torch.randint(0, 20, (3, len(parents[0])))
        intra_RW = torch.randint(1, 6, token_RW.shape)
        cache.advance(torch.tensor(parents))
        hidden_RWD = model.hidden_states(token_RW, MASK_POSITIONS[:, None].expand_as(token_RW), intra_RW, cache)
        lineage = [
            [[*lineage[r][parent], (int(token_RW[r, w]), int(intra_RW[r, w]))] for w, parent in enumerate(parents[r])]
            for r in range(3)
        ]
        for r, length in enumerate(LENS):
            part_a = list(zip(tokens_RA[r, :length].tolist(), intra_RA[r, :length].tolist(), strict=True))
            for w, part_b in enumerate(lineage[r]):
                expected = uncached(model, part_a, part_b, int(MASK_POSITIONS[r]))
                torch.testing.assert_close(hidden_RWD[r, w], expected, atol=1e-11, rtol=1e-11, msg=f"{step} {r} {w}")


@torch.no_grad()
def test_two_caches_behind_one_part_a_do_not_touch_each_other() -> None:
    model = tiny_backbone("glm").double()
    tokens_RA = torch.arange(15).view(3, 5)
    encoder = encode(model, tokens_RA, tokens_RA % 3)
    first, second = BeamCache(encoder), BeamCache(encoder)
    stay = torch.zeros((3, 1), dtype=torch.int64)
    inter_R1, states = MASK_POSITIONS[:, None], []
    for token in (7, 8, 9):
        for cache, shift in ((first, 0), (second, 5)):
            cache.advance(stay)
            states.append(model.hidden_states(stay + token + shift, inter_R1, stay + 1, cache))
    part_a = [(token, token % 3) for token in range(5)]
    assert torch.allclose(states[-2][0, 0], uncached(model, part_a, [(7, 1), (8, 1), (9, 1)], 3), atol=1e-11)
    assert torch.allclose(states[-1][0, 0], uncached(model, part_a, [(12, 1), (13, 1), (14, 1)], 3), atol=1e-11)
