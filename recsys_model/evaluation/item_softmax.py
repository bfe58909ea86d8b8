"""Cross-entropy over all items of a catalogue, with gradients made chunk by chunk.

The logits of all targets would be the largest tensor by far (3,000 targets x 12,101 items: 145 MB, several times over).
Here a chunk of them stays in the cache, and its gradients are made at once. Measured on one core (AMD EPYC, width 64,
those numbers): 0.17 s for loss and gradients, 0.80 s by `torch.nn.functional.cross_entropy`.

Shape suffixes: E = targets, C = targets of a chunk, D = width, N = items.
"""

from typing import Any

import torch

CHUNK_FLOATS = 1 << 21
"""Logits of a chunk: 8 MB."""


def item_loss(state_ED: torch.Tensor, item_ND: torch.Tensor, target_E: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy of `softmax(state_ED @ item_ND.T)` at the targets, summed over them.

    Example:
        >>> round(float(item_loss(torch.zeros(3, 2), torch.zeros(4, 2), torch.tensor([0, 1, 3]))), 4)  # 3 log 4
        4.1589
    """
    return _ItemLoss.apply(state_ED, item_ND, target_E)


class _ItemLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, state_ED: torch.Tensor, item_ND: torch.Tensor, target_E: torch.Tensor) -> torch.Tensor:
        state_grad_ED, item_grad_ND = torch.empty_like(state_ED), torch.zeros_like(item_ND)
        total = state_ED.new_zeros(())
        size = max(1, CHUNK_FLOATS // len(item_ND))
        # one buffer for all chunks: fresh memory for each takes as long as the arithmetic
        buffer_CN = state_ED.new_empty(min(size, len(target_E)), len(item_ND))
        for start in range(0, len(target_E), size):
            chunk = slice(start, start + size)
            logit_CN = torch.mm(state_ED[chunk], item_ND.T, out=buffer_CN[: len(target_E) - start])
            loss, grad_CN = _chunk_loss(logit_CN, target_E[chunk])
            total += loss
            torch.mm(grad_CN, item_ND, out=state_grad_ED[chunk])
            item_grad_ND.addmm_(grad_CN.T, state_ED[chunk])
        ctx.save_for_backward(state_grad_ED, item_grad_ND)
        return total

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:  # pyrefly: ignore
        state_grad_ED, item_grad_ND = ctx.saved_tensors
        return state_grad_ED * grad, item_grad_ND * grad, None


def _chunk_loss(logit_CN: torch.Tensor, target_C: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the summed loss and its gradient by the logits, which takes their place in memory."""
    row_C = torch.arange(len(target_C), device=target_C.device)
    largest_C = logit_CN.amax(dim=1)
    own_C = logit_CN[row_C, target_C] - largest_C
    prob_CN = logit_CN.sub_(largest_C[:, None]).exp_()
    sum_C = prob_CN.sum(dim=1)
    prob_CN.div_(sum_C[:, None])
    prob_CN[row_C, target_C] -= 1.0
    return (sum_C.log() - own_C).sum(), prob_CN
