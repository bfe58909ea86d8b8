import pytest
import torch
from torch.nn import functional

from recsys_model.evaluation import item_softmax
from recsys_model.evaluation.item_softmax import item_loss


def drawn(num_targets: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    states = torch.randn(num_targets, 3, generator=generator, requires_grad=True)
    items = torch.randn(6, 3, generator=generator, requires_grad=True)
    return states, items, torch.randint(6, (num_targets,), generator=generator)


# six logits a target: chunks of one target, of two, of five, and of all
@pytest.mark.parametrize("chunk_floats", [1, 12, 30, 1000])
def test_loss_and_gradients_are_those_of_torch_whatever_the_chunks(chunk_floats, monkeypatch):
    monkeypatch.setattr(item_softmax, "CHUNK_FLOATS", chunk_floats)
    states, items, targets = drawn(11)

    loss = item_loss(states, items, targets)

    expected = functional.cross_entropy(states @ items.T, targets, reduction="sum")
    gradients = torch.autograd.grad(0.5 * loss, (states, items))
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(gradients, torch.autograd.grad(0.5 * expected, (states, items)))


def test_large_logits_do_not_overflow():
    states = torch.tensor([[1000.0]], requires_grad=True)

    loss = item_loss(states, torch.tensor([[1.0], [0.9]]), torch.tensor([1]))

    assert loss.item() == pytest.approx(100.0)
    loss.backward()
    assert states.grad.item() == pytest.approx(0.1)
