"""A head that was not trained leaves every language model as it is, to the bit."""

import pytest
import torch
from torch import Tensor

from recsys_model.backbones.base import Backbone, FullAttention
from recsys_model.config import LoraConfig
from recsys_model.entity_config import EntityConfig
from recsys_model.entity_head.head import EntityHead
from recsys_model.training.lora import apply_lora
from tests.recsys_model.backbones.tiny_backbones import NAMES, tiny_backbone

ITEMS = [(1, 2, 3), (4,), (2, 2, 5)]
WIDTH = 16
TOKEN_IDS = torch.tensor([[24, 1, 2, 3, 9, 4, 25, 22, 2, 2, 5], [24, 4, 9, 25, 22, 4, 20, 20, 20, 20, 20]])
INTER = torch.tensor([[0, 1, 2, 3, 4, 5, 6, 6, 6, 6, 6], [0, 1, 2, 3, 3, 3, 0, 0, 0, 0, 0]])
INTRA = torch.tensor([[0, 1, 2, 3, 0, 1, 0, 1, 2, 3, 4], [0, 1, 0, 0, 1, 2, 0, 0, 0, 0, 0]])
CARRIERS = torch.tensor([[-1, 0, 0, 0, 0, 1, 1, -1, -1, -1, -1], [-1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1]])
"""The item whose vector each token carries."""


def states(model: torch.nn.Module, plain: Backbone, added: Tensor | None) -> Tensor:
    attention = FullAttention(plain.visible(torch.tensor([7, 4]), TOKEN_IDS.shape[1]))
    with torch.no_grad():
        return model(TOKEN_IDS, INTER, INTRA, attention, added)


def added_by(head: EntityHead, model: torch.nn.Module) -> Tensor:
    """What a head adds to the embeddings, [B, T, D], in the type of its tables."""
    terms = head(model, None, CARRIERS[CARRIERS >= 0])
    added = terms.inputs.new_zeros((*CARRIERS.shape, WIDTH))
    added[CARRIERS >= 0] = terms.inputs
    return added.detach()


def new_head(model: torch.nn.Module, dtype: torch.dtype) -> EntityHead:
    head = EntityHead(WIDTH, ITEMS, EntityConfig())
    head.measure_words(model)  # type: ignore[arg-type]
    return head.to(dtype)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("model_dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("head_dtype", [torch.float32, torch.bfloat16])
def test_hidden_states_are_equal_to_the_bit(name: str, model_dtype: torch.dtype, head_dtype: torch.dtype) -> None:
    model = tiny_backbone(name).to(model_dtype)
    with_head = states(model, model, added_by(new_head(model, head_dtype), model))
    assert with_head.dtype == model_dtype
    assert torch.equal(with_head, states(model, model, None))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_model_with_adapters_is_equal_to_the_bit(name: str, dtype: torch.dtype) -> None:
    plain = tiny_backbone(name).to(dtype)
    expected = states(plain, plain, None)
    adapted = apply_lora(plain, LoraConfig(rank=2)).eval()
    with_head = states(adapted, plain, added_by(new_head(adapted, dtype), adapted))
    assert torch.equal(with_head, expected)
    assert torch.equal(states(adapted, plain, None), expected)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_head_adds_is_as_if_the_words_were_others(name: str) -> None:
    """A head of a new model, whose matrix is the identity: the same as other embeddings of tokens of their own."""
    model = tiny_backbone(name).double()
    head = EntityHead(WIDTH, ITEMS, EntityConfig(), is_new=True).double()
    added = added_by(head, model)
    found = states(model, model, added)
    assert not torch.allclose(found, states(model, model, None), atol=1e-3)

    embedding = next(m for m in model.modules() if isinstance(m, torch.nn.Embedding) and m.num_embeddings == 32)
    hook = embedding.register_forward_hook(lambda module, inputs, output: output + added)
    torch.testing.assert_close(states(model, model, None), found, atol=1e-12, rtol=1e-12)
    hook.remove()


@pytest.mark.parametrize("name", NAMES)
def test_word_vectors_are_those_that_the_model_reads(name: str) -> None:
    model = tiny_backbone(name)
    read = []
    embedding = next(m for m in model.modules() if isinstance(m, torch.nn.Embedding) and m.num_embeddings == 32)
    hook = embedding.register_forward_hook(lambda module, inputs, output: read.append(output))
    states(model, model, None)
    hook.remove()
    assert torch.equal(model.word_vectors(TOKEN_IDS), read[0])
