"""One training step in double precision against the formulas, written down once more with loops over tokens and heads.

Nothing of our masks, losses, layouts or layers is used on the reference's side, only the tensors of the state dict.
"""

import math

import pytest
import torch
from torch import Tensor

from recsys_model.backbones.base import FullAttention
from recsys_model.backbones.glm import GLM
from recsys_model.config import GLMConfig, LoraConfig, ObjectiveConfig
from recsys_model.entities.pool import EntityPool
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.infilling.batch import pad_examples
from recsys_model.infilling.example import ExampleBuilder
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.text.textualize import TokenizedText
from recsys_model.text.tokenizer import SpecialTokens
from recsys_model.training.lora import apply_lora
from recsys_model.training.loss import InfillingLoss

SPECIAL = SpecialTokens(pad=20, eos=21, start=22, end=23, cls=24, mask=25, gmask=26, smask=27)
ITEMS = [(1, 2, 3), (4, 5), (6,)]
TRIE = build_token_trie(ITEMS, SPECIAL.end)
NUM_HEADS = 2
LINEARS = ("query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h")

# 9 [1 2 3] 10 [4 5] 9 [6] with the first item and the last two units hidden: two blanks
PART_A = [(24, 0, 0), (9, 1, 0), (25, 2, 0), (10, 3, 0), (4, 4, 1), (5, 5, 2), (25, 6, 0), (21, 7, 0)]
SPAN_1 = [(22, 2, 1), (1, 2, 2), (2, 2, 3), (3, 2, 4)]
SPAN_2 = [(22, 6, 1), (9, 6, 2), (6, 6, 1)]
TARGETS = {8: 1, 9: 2, 10: 3, 11: 23, 12: 9, 13: 6, 14: 23}
"""Place in the sequence -> the token to predict there."""


def tiny_glm(gelu: str = "erf") -> GLM:
    torch.manual_seed(0)
    model = GLM(
        GLMConfig(num_layers=2, hidden_size=8, num_heads=NUM_HEADS, vocab_size=28, max_sequence_length=20, gelu=gelu)
    )  # type: ignore[arg-type]
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.double()


def text_of_figure() -> TokenizedText:
    text = TokenizedText()
    text.add_text([9])
    text.add_entity(ITEMS[0], 0)
    text.add_text([10])
    text.add_entity(ITEMS[1], 1)
    text.add_text([9])
    text.add_entity(ITEMS[2], 2)
    return text


def our_batch():
    builder = ExampleBuilder(ObjectiveConfig(), SPECIAL, PositionAutomaton(EntityPool(ITEMS)), TRIE)
    short = TokenizedText()
    short.add_entity(ITEMS[1], 1)
    examples = [builder.lay_out(text_of_figure(), [(1, 4), (7, 9)], SPECIAL.mask), builder.ask_for_item(short, 0)]
    return pad_examples(examples, SPECIAL.pad)


def layer_norm(state: dict[str, Tensor], name: str, row: Tensor) -> Tensor:
    centred = row - row.mean()
    return centred / (centred.square().mean() + 1e-5).sqrt() * state[f"{name}.weight"] + state[f"{name}.bias"]


def linear(state: dict[str, Tensor], name: str, row: Tensor) -> Tensor:
    return state[f"{name}.weight"] @ row + state[f"{name}.bias"]


def gelu_of(row: Tensor, kind: str) -> Tensor:
    if kind == "tanh":
        return 0.5 * row * (1 + torch.tanh(math.sqrt(2 / math.pi) * (row + 0.044715 * row**3)))
    return 0.5 * row * (1 + torch.erf(row / math.sqrt(2)))


def logits_by_loops(
    state: dict[str, Tensor], tokens: list[tuple[int, int, int]], part_a_len: int, gelu: str = "erf"
) -> list[Tensor]:
    """Token by token: a key is seen if it is in part A or not later than the query."""
    transformer = "transformer."
    rows = [
        state["word_embeddings.weight"][token]
        + state[f"{transformer}position_embeddings.weight"][inter]
        + state[f"{transformer}block_position_embeddings.weight"][intra]
        for token, inter, intra in tokens
    ]
    for layer in range(2):
        name = f"{transformer}layers.{layer}"
        normed = [layer_norm(state, f"{name}.input_layernorm", row) for row in rows]
        projected = [linear(state, f"{name}.attention.query_key_value", row) for row in normed]
        width = len(rows[0])
        size = width // NUM_HEADS
        for place in range(len(rows)):
            seen = [other for other in range(len(rows)) if other < part_a_len or other <= place]
            mixed = []
            for head in range(NUM_HEADS):
                parts = [slice(block * width + head * size, block * width + (head + 1) * size) for block in range(3)]
                query = projected[place][parts[0]]
                weights = torch.stack(
                    [(query * projected[key][parts[1]]).sum() / math.sqrt(size) for key in seen]
                ).exp()
                values = torch.stack([projected[key][parts[2]] for key in seen])
                mixed.append((weights[:, None] * values).sum(0) / weights.sum())
            rows[place] = rows[place] + linear(state, f"{name}.attention.dense", torch.cat(mixed))
        normed = [layer_norm(state, f"{name}.post_attention_layernorm", row) for row in rows]
        inner = [gelu_of(linear(state, f"{name}.mlp.dense_h_to_4h", row), gelu) for row in normed]
        rows = [row + linear(state, f"{name}.mlp.dense_4h_to_h", part) for row, part in zip(rows, inner, strict=True)]
    final = [layer_norm(state, f"{transformer}final_layernorm", row) for row in rows]
    return [state["word_embeddings.weight"] @ row for row in final]


def log_prob(logits: Tensor, token: int) -> Tensor:
    return logits[token] - logits.exp().sum().log()


def loss_by_loops(state: dict[str, Tensor], gelu: str = "erf") -> Tensor:
    two_blanks = logits_by_loops(state, PART_A + SPAN_1 + SPAN_2, len(PART_A), gelu)
    question = [(24, 0, 0), (26, 1, 0), (21, 2, 0), (22, 1, 1), (4, 1, 2), (5, 1, 3)]
    answer = logits_by_loops(state, question, 3, gelu)
    losses = [-log_prob(two_blanks[place], token) for place, token in TARGETS.items()]
    losses += [-log_prob(answer[place], token) for place, token in {3: 4, 4: 5, 5: 23}.items()]
    return torch.stack(losses).sum()


@pytest.mark.parametrize("gelu", ["erf", "tanh"])
def test_loss_and_every_gradient_equal_the_formulas(gelu: str) -> None:
    model = tiny_glm(gelu)
    loss = InfillingLoss(model, TRIE)(our_batch()).token
    loss.backward()
    state = {name: tensor.detach().clone().requires_grad_() for name, tensor in model.state_dict().items()}
    expected = loss_by_loops(state, gelu)
    expected.backward()
    assert loss.dtype == torch.float64
    torch.testing.assert_close(loss, expected, atol=1e-10, rtol=1e-12)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, state[name].grad, atol=1e-10, rtol=1e-9, msg=name)
    assert len(state) == len(list(model.parameters())) == 29


def test_the_loss_of_two_blanks_is_equation_1_span_after_span() -> None:
    # the second span is given the first one, the first nothing but part A
    state = tiny_glm().state_dict()
    first = logits_by_loops(state, PART_A + SPAN_1, len(PART_A))
    second = logits_by_loops(state, PART_A + SPAN_1 + SPAN_2, len(PART_A))
    alone = logits_by_loops(state, PART_A + SPAN_2, len(PART_A))
    by_span = [
        sum(log_prob(first[place], TARGETS[place]) for place in range(8, 12)),
        sum(log_prob(second[place], TARGETS[place]) for place in range(12, 15)),
    ]
    without_first = sum(log_prob(alone[place - 4], TARGETS[place]) for place in range(12, 15))
    builder = ExampleBuilder(ObjectiveConfig(), SPECIAL, PositionAutomaton(EntityPool(ITEMS)), TRIE)
    batch = pad_examples([builder.lay_out(text_of_figure(), [(1, 4), (7, 9)], SPECIAL.mask)], SPECIAL.pad)
    loss = InfillingLoss(tiny_glm(), TRIE)(batch).token
    torch.testing.assert_close(-loss.detach(), torch.as_tensor(sum(by_span)), atol=1e-10, rtol=0)
    assert abs(float(without_first - by_span[1])) > 1e-3, "what the first span holds matters to the second"


def with_random_adapters(rank: int, alpha: float):
    adapted = apply_lora(tiny_glm(), LoraConfig(rank=rank, alpha=alpha)).double()
    generator = torch.Generator().manual_seed(1)
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data.normal_(std=0.3, generator=generator)
    return adapted.eval()


def states_of(model: torch.nn.Module) -> Tensor:
    batch = our_batch()
    length = batch.token_ids.shape[1]
    attention = FullAttention(GLM.visible(tiny_glm(), batch.part_a_lens, length))
    with torch.no_grad():
        return model(batch.token_ids, batch.inter_position_ids, batch.intra_position_ids, attention)


@pytest.mark.parametrize(("rank", "alpha"), [(2, 16.0), (4, 2.0)])
def test_adapters_add_alpha_by_rank_times_b_a_to_the_four_linears(rank: int, alpha: float) -> None:
    adapted = with_random_adapters(rank, alpha)
    factors = {name: tensor for name, tensor in adapted.state_dict().items() if ".lora_" in name}
    state = dict(tiny_glm().state_dict())
    changed = set()
    for name in [name for name in state if name.endswith(".weight") and name.split(".")[-2] in LINEARS]:
        path = f"base_model.model.{name.removesuffix('.weight')}"
        a, b = (factors.pop(f"{path}.lora_{letter}.default.weight") for letter in "AB")
        assert (len(a), b.shape[1]) == (rank, rank)
        state[name] = state[name] + alpha / rank * (b @ a)
        changed.add(name)
    assert not factors, "no adapter anywhere else"
    assert len(changed) == 2 * len(LINEARS)
    by_hand = tiny_glm()
    by_hand.load_state_dict(state)
    torch.testing.assert_close(states_of(adapted), states_of(by_hand), atol=1e-12, rtol=1e-12)
    assert not torch.allclose(states_of(by_hand), states_of(tiny_glm()), atol=1e-3)
    merged = adapted.merge_and_unload()  # pyrefly: ignore[not-callable]
    assert merged.state_dict().keys() == state.keys()
    for name, tensor in merged.state_dict().items():
        torch.testing.assert_close(tensor, state[name], atol=1e-14, rtol=1e-12, msg=name)


def test_a_step_moves_the_adapters_and_no_published_weight() -> None:
    adapted = with_random_adapters(rank=2, alpha=16.0).train()
    before = {name: tensor.clone() for name, tensor in adapted.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in adapted.parameters() if p.requires_grad], lr=0.1)
    InfillingLoss(adapted, TRIE)(our_batch()).token.backward()
    optimizer.step()
    moved = {name for name, tensor in adapted.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == {name for name in before if ".lora_" in name}
    published = [tensor for name, tensor in adapted.named_parameters() if ".lora_" not in name]
    assert all(tensor.grad is None for tensor in published)
