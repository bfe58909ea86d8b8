"""Dropout with cheap random bits: what it keeps, by how much it scales, and that a seed fixes it."""

import math

import pytest
import torch

from recsys_model.backbones.dropout import Dropout

SIZE = 100_003
"""No multiple of the eight decisions of a draw."""


def dropped(p: float, size: int = SIZE, seed: int = 0) -> torch.Tensor:
    torch.manual_seed(seed)
    return Dropout(p)(torch.ones(size, dtype=torch.float64))


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9])
def test_in_evaluation_it_is_the_identity(p: float) -> None:
    states = torch.randn(3, 5)
    assert Dropout(p).eval()(states) is states


def test_nothing_is_dropped_and_nothing_drawn_at_0() -> None:
    states = torch.randn(3, 5)
    before = torch.get_rng_state()
    assert Dropout(0.0)(states) is states
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("p", [0.1, 0.25, 0.3, 0.5, 0.6, 0.9, 255 / 256])
def test_the_share_that_is_dropped_is_p_in_steps_of_1_by_256_and_the_mean_stays(p: float) -> None:
    share = round(p * 256) / 256
    assert abs(share - p) <= 1 / 512
    result = dropped(p)
    error = math.sqrt(share * (1 - share) / SIZE)
    assert (result == 0).double().mean().item() == pytest.approx(share, abs=5 * error)
    assert result[result != 0].unique().tolist() == [1 / (1 - share)]
    assert result.mean().item() == pytest.approx(1.0, abs=5 * error / (1 - share))


def test_neighbours_are_dropped_independently() -> None:
    is_dropped = (dropped(0.5) == 0).double() - 0.5
    for distance in range(1, 18):
        together = (is_dropped[:-distance] * is_dropped[distance:]).mean().item() * 4
        assert abs(together) < 5 / math.sqrt(SIZE), distance


def test_every_byte_of_a_draw_decides_alike() -> None:
    is_kept = (dropped(0.3, 8 * 20_000) != 0).double().view(-1, 8).mean(0)
    assert float((is_kept - (1 - 77 / 256)).abs().max()) < 5 * math.sqrt(0.21 / 20_000)


def test_a_seed_fixes_the_mask_and_another_seed_gives_another() -> None:
    assert torch.equal(dropped(0.5, seed=3), dropped(0.5, seed=3))
    assert not torch.equal(dropped(0.5, seed=3), dropped(0.5, seed=4))
    torch.manual_seed(3)
    first, second = (Dropout(0.5)(torch.ones(100)) for _ in range(2))
    assert not torch.equal(first, second), "a second call draws anew"


def test_entries_and_their_gradients_are_zero_where_dropped_and_scaled_elsewhere() -> None:
    torch.manual_seed(1)
    states = torch.randn(4, 7, 3, requires_grad=True)
    result = Dropout(0.25)(states)
    (result * torch.arange(84.0).view(4, 7, 3)).sum().backward()
    is_kept = result != 0
    assert 0 < int(is_kept.sum()) < 84
    assert torch.equal(result, torch.where(is_kept, states * (4 / 3), 0.0))
    assert states.grad is not None
    torch.testing.assert_close(states.grad, torch.where(is_kept, torch.arange(84.0).view(4, 7, 3) * (4 / 3), 0.0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 3), (8,), (3, 3, 1)])
def test_type_and_shape_stay(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    result = Dropout(0.5)(torch.ones(shape, dtype=dtype))
    assert (result.dtype, tuple(result.shape)) == (dtype, shape)
    assert set(result.flatten().tolist()) <= {0.0, 2.0}


def test_a_view_that_is_not_contiguous_gets_the_same_decisions() -> None:
    states = torch.arange(1.0, 13.0).view(3, 4)
    torch.manual_seed(2)
    expected = Dropout(0.5)(states.T.contiguous())
    torch.manual_seed(2)
    assert torch.equal(Dropout(0.5)(states.T), expected)
