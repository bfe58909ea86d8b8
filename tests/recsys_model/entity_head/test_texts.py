"""Means of word embeddings over item texts, and their gradients, against sums written out."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from recsys_model.entity_config import WordWeights
from recsys_model.entity_head.texts import ItemTexts, TokenWeights
from recsys_model.errors import CheckpointError
from tests.recsys_model.backbones.tiny_backbones import tiny_backbone

ITEMS = [(1, 2, 2), (1,), (1, 5, 7), (7, 1)]


def test_a_token_weighs_by_how_few_of_the_items_have_it_and_an_unknown_one_as_if_one_had_it() -> None:
    weights = TokenWeights(ITEMS, "idf").of(np.array([1, 2, 5, 7, 9]))
    assert weights.tolist() == pytest.approx([math.log(5 / n) for n in (4, 1, 1, 2, 1)])
    assert TokenWeights(ITEMS, "uniform").of(np.array([1, 9])).tolist() == [1.0, 1.0]
    assert TokenWeights([], "idf").of(np.array([3])).tolist() == [0.0]


def mean_by_hand(words: Tensor, tokens: tuple[int, ...], kind: WordWeights) -> Tensor:
    having = [sum(token in item for item in ITEMS) for token in tokens]
    weights = [math.log(5 / max(1, n)) if kind == "idf" else 1.0 for n in having]
    return sum(weight * words[token] for weight, token in zip(weights, tokens, strict=True)) / sum(weights)  # type: ignore[return-value]


@pytest.mark.parametrize("kind", ["idf", "uniform"])
@pytest.mark.parametrize("chosen", [None, [2, 0, 2], [3]])
def test_means_and_their_gradients_are_those_of_sums_written_out(kind: WordWeights, chosen: list[int] | None) -> None:
    model = tiny_backbone("glm").double()
    texts = ItemTexts(ITEMS, TokenWeights(ITEMS, kind))
    words = model.get_parameter("word_embeddings.weight")
    means = texts.means(model, None if chosen is None else torch.tensor(chosen))
    expected = torch.stack([mean_by_hand(words, ITEMS[item], kind) for item in chosen or range(4)])
    torch.testing.assert_close(means, expected, atol=1e-7, rtol=1e-6)
    weight = torch.arange(1.0, expected.numel() + 1, dtype=torch.float64).view(expected.shape)
    found, wanted = (torch.autograd.grad((each * weight).sum(), words)[0] for each in (means, expected))
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-6)
    assert {int(token) for token in found.abs().sum(1).nonzero()} == {t for i in chosen or range(4) for t in ITEMS[i]}


def test_later_items_are_weighed_by_the_items_that_the_weights_were_made_of() -> None:
    model = tiny_backbone("glm")
    later = ItemTexts([(1, 9)], TokenWeights(ITEMS, "idf")).means(model, None)
    words = model.word_vectors(torch.tensor([1, 9]))
    rare, common = math.log(5), math.log(5 / 4)
    torch.testing.assert_close(later[0], (common * words[0] + rare * words[1]) / (common + rare))


def test_gradients_of_a_token_of_many_items_are_summed_in_single_precision() -> None:
    model = tiny_backbone("glm").bfloat16()
    texts = ItemTexts([(3,)] * 4096, TokenWeights([], "uniform"))
    words = model.get_parameter("word_embeddings.weight")
    (grad,) = torch.autograd.grad(texts.means(model, None).sum(), words)
    assert grad[3].tolist() == [4096.0] * words.shape[1]


def test_an_item_without_tokens_is_refused() -> None:
    with pytest.raises(CheckpointError, match="item 1 has no tokens"):
        ItemTexts([(1,), ()], TokenWeights([], "idf"))
