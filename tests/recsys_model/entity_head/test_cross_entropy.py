"""The item loss, whose gradient is computed along with it, against PyTorch's own cross-entropy in double precision."""

import itertools

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from recsys_model.entity_head import cross_entropy
from recsys_model.entity_head.cross_entropy import item_cross_entropy

NUM_TARGETS, NUM_ITEMS, WIDTH = 7, 5, 3


def tensors(dtype: torch.dtype = torch.float64, scale: float = 1.0) -> tuple[list[Tensor], Tensor]:
    """Random states, vectors and biases that want gradients, and targets, one of them twice."""
    generator = torch.Generator().manual_seed(0)
    shapes = ((NUM_TARGETS, WIDTH), (NUM_ITEMS, WIDTH), (NUM_ITEMS,))
    leaves = [(scale * torch.randn(shape, generator=generator, dtype=torch.float64)).to(dtype) for shape in shapes]
    return [leaf.requires_grad_() for leaf in leaves], torch.tensor([4, 0, 0, 2, 1, 3, 4])


def naive(hidden: Tensor, vectors: Tensor, biases: Tensor, places: Tensor, temperature: float) -> Tensor:
    return functional.cross_entropy(hidden @ vectors.T / temperature + biases, places, reduction="sum")


@pytest.mark.parametrize("block_scores", [1, 10, 11, 1 << 21])
@pytest.mark.parametrize("temperature", [1.0, 0.3, 4.0])
def test_loss_and_gradients_are_those_of_pytorch_in_every_number_of_blocks(
    block_scores: int, temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cross_entropy, "BLOCK_SCORES", block_scores)
    leaves, places = tensors()
    expected = naive(*leaves, places, temperature)
    expected_grads = torch.autograd.grad(3.0 * expected, leaves)
    loss = item_cross_entropy(*leaves, places, temperature=temperature)
    assert loss.dtype == torch.float64
    torch.testing.assert_close(loss, expected, atol=1e-12, rtol=1e-12)
    # what comes after the loss scales the gradient
    torch.testing.assert_close(torch.autograd.grad(3.0 * loss, leaves), expected_grads, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("with_shares", [False, True])
def test_gradients_are_those_of_small_steps(with_shares: bool) -> None:
    leaves, places = tensors()
    log_shares = torch.tensor([0.1, 0.9, 0.4, 1.0, 0.6], dtype=torch.float64).log() if with_shares else None

    def loss(*inputs: Tensor) -> Tensor:
        return item_cross_entropy(*inputs, places, temperature=0.7, log_shares_K=log_shares)

    assert torch.autograd.gradcheck(loss, leaves)


@pytest.mark.parametrize("block_scores", [1, 11, 1 << 21])
def test_with_shares_other_items_are_scored_up_by_them_and_the_own_target_is_not(
    block_scores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cross_entropy, "BLOCK_SCORES", block_scores)
    leaves, places = tensors()
    hidden, vectors, biases = leaves
    share = [0.1, 0.9, 0.4, 1.0, 0.6]
    expected = torch.zeros((), dtype=torch.float64)
    for row, own in enumerate(places.tolist()):
        scores = [hidden[row] @ vectors[item] / 2.0 + biases[item] for item in range(NUM_ITEMS)]
        total = scores[own].exp()
        for item in range(NUM_ITEMS):
            if item != own:
                total = total + scores[item].exp() / share[item]
        expected = expected + total.log() - scores[own]
    expected_grads = torch.autograd.grad(expected, leaves)
    log_shares = torch.tensor(share, dtype=torch.float64).log()
    loss = item_cross_entropy(*leaves, places, temperature=2.0, log_shares_K=log_shares)
    torch.testing.assert_close(loss, expected, atol=1e-12, rtol=1e-12)
    torch.testing.assert_close(torch.autograd.grad(loss, leaves), expected_grads, atol=1e-12, rtol=1e-12)


def test_shares_of_1_change_nothing() -> None:
    leaves, places = tensors()
    corrected = item_cross_entropy(*leaves, places, log_shares_K=torch.zeros(NUM_ITEMS, dtype=torch.float64))
    assert torch.equal(corrected, item_cross_entropy(*leaves, places))


@pytest.mark.parametrize("block_scores", [5, 1 << 21])
def test_in_half_precision_loss_and_gradients_are_close_and_the_loss_is_summed_in_single(
    block_scores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cross_entropy, "BLOCK_SCORES", block_scores)
    leaves, places = tensors(torch.bfloat16)
    wide = [leaf.detach().double().requires_grad_() for leaf in leaves]
    expected = naive(*wide, places, 1.5)
    loss = item_cross_entropy(*leaves, places, temperature=1.5)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss.double(), expected, atol=0.1, rtol=0.01)
    found = torch.autograd.grad(loss, leaves)
    assert [gradient.dtype for gradient in found] == [torch.bfloat16] * 3
    for gradient, exact in zip(found, torch.autograd.grad(expected, wide), strict=True):
        torch.testing.assert_close(gradient.double(), exact, atol=0.05, rtol=0.03)


@pytest.mark.parametrize("scale", [30.0, 1000.0])
def test_scores_beyond_the_range_of_an_exponential_give_finite_losses(scale: float) -> None:
    leaves, places = tensors(torch.float32, scale)
    wide = [leaf.detach().double().requires_grad_() for leaf in leaves]
    expected = naive(*wide, places, 1.0)
    loss = item_cross_entropy(*leaves, places)
    torch.testing.assert_close(loss.double(), expected, atol=0.1, rtol=1e-5)
    for gradient, exact in zip(torch.autograd.grad(loss, leaves), torch.autograd.grad(expected, wide), strict=True):
        torch.testing.assert_close(gradient.double(), exact, atol=1e-3 * scale, rtol=1e-3)


def test_no_target_is_no_loss_and_no_gradient() -> None:
    (hidden, vectors, biases), places = tensors()
    loss = item_cross_entropy(hidden[:0], vectors, biases, places[:0])
    assert loss.item() == 0.0
    assert all(float(grad.abs().sum()) == 0.0 for grad in torch.autograd.grad(loss, [hidden, vectors, biases]))


def test_no_biases_are_biases_of_0() -> None:
    (hidden, vectors, biases), places = tensors()
    expected = naive(hidden, vectors, torch.zeros_like(biases), places, 0.5)
    expected_grads = torch.autograd.grad(expected, [hidden, vectors])
    loss = item_cross_entropy(hidden, vectors, None, places, temperature=0.5)
    torch.testing.assert_close(loss, expected, atol=1e-12, rtol=1e-12)
    torch.testing.assert_close(torch.autograd.grad(loss, [hidden, vectors]), expected_grads, atol=1e-12, rtol=1e-12)


def test_one_item_alone_costs_nothing() -> None:
    (hidden, vectors, biases), _ = tensors()
    loss = item_cross_entropy(hidden, vectors[:1], biases[:1], torch.zeros(NUM_TARGETS, dtype=torch.int64))
    assert loss.item() == 0.0


def test_items_may_stand_in_any_order() -> None:
    (hidden, vectors, biases), places = tensors()
    expected = item_cross_entropy(hidden, vectors, biases, places)
    for order in itertools.islice(itertools.permutations(range(NUM_ITEMS)), 0, 120, 17):
        moved = torch.tensor([order.index(place) for place in places.tolist()])
        loss = item_cross_entropy(hidden, vectors[list(order)], biases[list(order)], moved)
        torch.testing.assert_close(loss, expected, atol=1e-12, rtol=1e-12)
