"""Packed rows against the same examples alone, one by one: a packed batch has their losses and their gradients."""

import pytest
import torch

from recsys_model.backbones.activation_checkpointing import recompute_activations
from recsys_model.backbones.base import Backbone, part_a_and_part_b_mask
from recsys_model.backbones.packed import BlockAttention, SegmentAttention, find_segments
from recsys_model.config import GLMConfig, LoraConfig
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.infilling.batch import pack_examples, pad_examples
from recsys_model.infilling.example import IGNORED_LABEL, Example
from recsys_model.training import loss as loss_module
from recsys_model.training.lora import apply_lora
from recsys_model.training.loss import InfillingLoss
from tests.recsys_model.backbones.tiny_backbones import NAMES, tiny_backbone

PAD, END = 20, 23
TRIE = build_token_trie([(1, 2, 3), (1, 2), (1, 4), (6, 7)], END)
ROOT, WHOLE = 0, -1


def example(part_a: list[int], answer: list[int], nodes: list[int]) -> Example:
    """Part A, whose last token is the mask, and one span."""
    mask = len(part_a) - 1
    return Example(
        token_ids=[*part_a, 22, *answer],
        inter_position_ids=[*range(len(part_a)), *[mask] * (len(answer) + 1)],
        intra_position_ids=[*[0] * len(part_a), *range(1, len(answer) + 2)],
        labels=[*[IGNORED_LABEL] * len(part_a), *answer, END],
        trie_nodes=[*[WHOLE] * len(part_a), *nodes],
        part_a_len=len(part_a),
        input_items=[-1] * (len(part_a) + len(answer) + 1),
        earlier_items=[(-1, -1)] * (len(part_a) + len(answer) + 1),
        item_targets=[-1] * (len(part_a) + len(answer) + 1),
    )


EXAMPLES = [
    example([24, 9, 25], [6, 7], [ROOT, WHOLE, WHOLE]),
    example([24, 1, 2, 9, 8, 11, 12, 25], [1, 4], [WHOLE, WHOLE, WHOLE]),
    example([25], [10], [WHOLE, WHOLE]),
    example([24, 13, 14, 15, 25], [1, 2, 3], [ROOT, WHOLE, WHOLE, WHOLE]),
]


def loss_and_gradients(model: torch.nn.Module, batches: list) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    model.zero_grad()
    loss = torch.stack([InfillingLoss(model, TRIE)(batch).token for batch in batches]).sum()
    loss.backward()
    return loss.detach(), {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("row_tokens", [12, 100])
def test_a_packed_batch_has_the_loss_and_gradients_of_its_examples_alone(name: str, row_tokens: int) -> None:
    model = tiny_backbone(name)
    expected, expected_gradients = loss_and_gradients(model, [pad_examples([one], PAD) for one in EXAMPLES])

    packed = pack_examples(EXAMPLES, PAD, row_tokens)
    loss, gradients = loss_and_gradients(model, [packed])

    assert packed.token_ids.shape == ((3, 11) if row_tokens == 12 else (1, 29))
    torch.testing.assert_close(loss, expected, atol=1e-5, rtol=1e-5)
    assert gradients.keys() == expected_gradients.keys()
    for parameter, gradient in gradients.items():
        torch.testing.assert_close(gradient, expected_gradients[parameter], atol=1e-5, rtol=1e-5, msg=parameter)


@pytest.mark.parametrize("name", NAMES)
def test_flex_attention_gives_the_loss_of_the_examples_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model: Backbone = tiny_backbone(name)
    monkeypatch.setattr(loss_module, "packed_attention", BlockAttention)
    with torch.no_grad():
        expected = sum(InfillingLoss(model, TRIE)(pad_examples([one], PAD)).token for one in EXAMPLES)
        loss = InfillingLoss(model, TRIE)(pack_examples(EXAMPLES, PAD, row_tokens=12)).token
    torch.testing.assert_close(loss, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", [SegmentAttention, BlockAttention])
@pytest.mark.parametrize("is_causal", [False, True])
def test_a_token_sees_its_own_example_and_nothing_else(kind: type, is_causal: bool) -> None:
    segments = find_segments(((3, 2), (4,)), ((2, 1), (1,)), num_tokens=6)
    one_BTT = torch.zeros(2, 6, 6, dtype=torch.bool)
    for row, start, length, part_a_len in ((0, 0, 3, 2), (0, 3, 2, 1), (1, 0, 4, 1)):
        part_a_len_B = torch.tensor([0 if is_causal else part_a_len])
        tokens = slice(start, start + length)
        one_BTT[row, tokens, tokens] = part_a_and_part_b_mask(part_a_len_B, length)[0]
    seen_share_BTT = one_BTT / one_BTT.sum(2, keepdim=True).clamp(min=1)

    # equal scores make every token mix what it sees evenly, and values that are unit vectors name the tokens
    zeros_BHTE, value_BHTE = torch.zeros(2, 1, 6, 6), torch.eye(6).expand(2, 1, 6, 6)
    mixed_BHTE = kind(segments, part_a_is_causal=is_causal)(0, zeros_BHTE, zeros_BHTE, value_BHTE)

    for row, num_tokens in ((0, 5), (1, 4)):
        torch.testing.assert_close(mixed_BHTE[row, 0, :num_tokens], seen_share_BTT[row, :num_tokens])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rank", [None, 2])
def test_recomputed_activations_give_the_same_gradients(name: str, rank: int | None) -> None:
    def model(recompute: bool) -> torch.nn.Module:
        backbone = tiny_backbone(name)
        if recompute:
            recompute_activations(backbone)
        torch.manual_seed(1)
        return backbone if rank is None else apply_lora(backbone, LoraConfig(rank=rank))

    batch = pack_examples(EXAMPLES, PAD, row_tokens=12)
    loss, gradients = loss_and_gradients(model(recompute=True), [batch])
    expected, expected_gradients = loss_and_gradients(model(recompute=False), [batch])

    torch.testing.assert_close(loss, expected, atol=0.0, rtol=0.0)
    torch.testing.assert_close(gradients, expected_gradients, atol=0.0, rtol=0.0)


def test_recomputing_draws_the_same_dropout_and_runs_every_block_twice() -> None:
    model = tiny_backbone("glm")
    dropping = type(model)(GLMConfig(**{**_sizes(model), "dropout": 0.5}))
    dropping.load_state_dict(model.state_dict())
    dropping.train()
    calls = []
    for block in dropping.blocks:
        block.mlp.register_forward_hook(lambda *_: calls.append(1))
    batch = pack_examples(EXAMPLES, PAD, row_tokens=12)

    torch.manual_seed(3)
    _, expected = loss_and_gradients(dropping, [batch])
    assert len(calls) == 2
    recompute_activations(dropping)
    torch.manual_seed(3)
    _, gradients = loss_and_gradients(dropping, [batch])

    assert len(calls) == 2 + 4
    torch.testing.assert_close(gradients, expected, atol=0.0, rtol=0.0)


def _sizes(model: Backbone) -> dict[str, int]:
    names = ("num_layers", "hidden_size", "num_heads", "vocab_size", "max_sequence_length")
    return {name: getattr(model.config, name) for name in names}
