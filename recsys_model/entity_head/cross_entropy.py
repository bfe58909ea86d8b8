"""Cross-entropy of whole items: over all items, or over sampled ones with their probabilities corrected.

The gradient is computed along with the loss, block by block, so that the scores of a block exist once: of N targets
and K items at most `BLOCK_SCORES` scores are in memory, not N x K of them three times.

Shape suffixes: N = targets, K = items that are scored, D = hidden size, b = targets of a block, X = pairs of a target and
an item of its history, x = those of a block.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

BLOCK_SCORES = 1 << 21
"""Scores in memory at a time, 8 MiB in float32, which stay in a cache; one target at least."""


@dataclass(frozen=True, slots=True)
class RepeatedItems:
    """The scores that a bias is added to: those of the items that a target's history shows."""

    targets: Tensor
    """Which target, [X], ascending."""
    places: Tensor
    """Which of the scored items, [X]."""
    is_scored: Tensor
    """1 where the item is among them; elsewhere 0, and its place means nothing, [X]."""
    starts: tuple[int, ...]
    """Where the pairs of each target begin, and their number at the end, [N + 1]."""

    def of_block(self, start: int, stop: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return for the targets from `start` to `stop` which of the block, which place, and whether it counts, [x]."""
        chosen = slice(self.starts[start], self.starts[min(stop, len(self.starts) - 1)])
        return self.targets[chosen] - start, self.places[chosen], self.is_scored[chosen]


def no_repeated_items(num_targets: int, device: torch.device) -> RepeatedItems:
    """Return what says that no target's history shows anything."""
    nothing = torch.zeros(0, dtype=torch.int64, device=device)
    return RepeatedItems(nothing, nothing, nothing.float(), (0,) * (num_targets + 1))


class _ItemCrossEntropy(torch.autograd.Function):
    """Sum over targets of `logsumexp(scores) - score of the target`."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden_ND: Tensor,
        vectors_KD: Tensor,
        biases_K: Tensor,
        repeat_bias_1: Tensor,
        place_N: Tensor,
        log_shares_K: Tensor | None,
        repeated: RepeatedItems,
    ) -> Tensor:
        loss = torch.zeros((), dtype=torch.promote_types(hidden_ND.dtype, torch.float32), device=hidden_ND.device)
        grad_hidden_ND = torch.empty_like(hidden_ND)
        grad_vectors_KD = torch.zeros(vectors_KD.shape, dtype=loss.dtype, device=vectors_KD.device)
        grad_biases_K = torch.zeros(biases_K.shape, dtype=loss.dtype, device=biases_K.device)
        grad_repeat_1 = torch.zeros(1, dtype=loss.dtype, device=biases_K.device)
        size = max(1, BLOCK_SCORES // max(1, len(vectors_KD)))
        for start in range(0, len(hidden_ND), size):
            hidden_bD, place_b = hidden_ND[start : start + size], place_N[start : start + size]
            score_bK = (hidden_bD @ vectors_KD.T).to(loss.dtype).add_(biases_K)
            if log_shares_K is not None:
                _correct_sampling(score_bK, place_b, log_shares_K)
            row_x, place_x, is_scored_x = repeated.of_block(start, start + size)
            is_scored_x = is_scored_x.to(loss.dtype)
            score_bK.index_put_((row_x, place_x), repeat_bias_1 * is_scored_x, accumulate=True)
            block_loss, grad_bK = _loss_and_gradient(score_bK, place_b)
            loss += block_loss
            grad_biases_K += grad_bK.sum(dim=0)
            grad_repeat_1 += (grad_bK[row_x, place_x] * is_scored_x).sum()
            narrow_bK = grad_bK.to(hidden_ND.dtype)
            grad_hidden_ND[start : start + size] = narrow_bK @ vectors_KD
            grad_vectors_KD += narrow_bK.T @ hidden_bD
        ctx.save_for_backward(
            grad_hidden_ND,
            grad_vectors_KD.to(vectors_KD.dtype),
            grad_biases_K.to(biases_K.dtype),
            grad_repeat_1.to(repeat_bias_1.dtype),
        )
        return loss

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        return (*(saved * grad.to(saved.dtype) for saved in ctx.saved_tensors), None, None, None)


def _correct_sampling(score_bK: Tensor, place_b: Tensor, log_shares_K: Tensor) -> None:
    """Subtract the log-probabilities of being sampled, in place; a row's own target is always sampled."""
    row_b = torch.arange(len(place_b), device=place_b.device)
    score_bK.sub_(log_shares_K)
    score_bK[row_b, place_b] += log_shares_K[place_b]


def _loss_and_gradient(score_bK: Tensor, place_b: Tensor) -> tuple[Tensor, Tensor]:
    """Return the summed loss of a block and its gradient by the scores, which takes their place in memory."""
    row_b = torch.arange(len(place_b), device=place_b.device)
    largest_b = score_bK.amax(dim=1)
    own_b = score_bK[row_b, place_b] - largest_b
    share_bK = score_bK.sub_(largest_b[:, None]).exp_()
    total_b = share_bK.sum(dim=1)
    share_bK.div_(total_b[:, None])
    share_bK[row_b, place_b] -= 1.0
    return (total_b.log() - own_b).sum(), share_bK


def item_cross_entropy(
    hidden_ND: Tensor,
    vectors_KD: Tensor,
    biases_K: Tensor | None,
    place_N: Tensor,
    *,
    temperature: float = 1.0,
    log_shares_K: Tensor | None = None,
    repeat_bias: Tensor | None = None,
    repeated: RepeatedItems | None = None,
) -> Tensor:
    """Return the loss summed over the targets, float32 or wider.

    Args:
        hidden_ND: State that predicts each target.
        vectors_KD: Vectors of the scored items.
        biases_K: Biases of the scored items, if they have any.
        place_N: Which of the scored items each target is.
        temperature: Scores are divided by it.
        log_shares_K: Log-probability with which each item came among the scored ones, where they were sampled: with
            it subtracted, the sum over the sampled items is an unbiased estimate of the sum over all of them.
        repeat_bias: What is added to the score of an item that the target's history shows, [1].
        repeated: Where that is; None adds nothing.
    """
    if biases_K is None:
        biases_K = vectors_KD.new_zeros(len(vectors_KD))
    if repeat_bias is None or repeated is None:
        repeat_bias, repeated = vectors_KD.new_zeros(1), no_repeated_items(len(place_N), place_N.device)
    return _ItemCrossEntropy.apply(
        hidden_ND / temperature, vectors_KD, biases_K, repeat_bias, place_N, log_shares_K, repeated
    )
