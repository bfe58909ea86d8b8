"""Sample the items of a softmax over a large catalogue: the targets of a batch and uniform negatives.

Shape suffixes: N = targets, K = items that are scored, I = items of the catalogue.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class SampledItems:
    """Some items of the catalogue, each once."""

    items: Tensor
    """Catalogue indices, ascending, [K]."""
    places: Tensor
    """Which of them each target is, [N]."""
    log_shares: Tensor
    """Log-probability that each item is sampled, if the targets of the batch are drawn by `share_I`, [K]."""


def sample_items(target_N: Tensor, num_negatives: int, share_I: Tensor) -> SampledItems:
    """Return the targets and `num_negatives` other draws, uniform and without replacement.

    Args:
        target_N: Catalogue index of each target of the micro batch.
        num_negatives: Items drawn from the whole catalogue; targets may be among them.
        share_I: Share of each item among all targets of the training, which says how likely it is in a batch.
    """
    num_items = len(share_I)
    drawn = torch.randperm(num_items, device=target_N.device)[:num_negatives]
    items_K, place = torch.cat([target_N, drawn]).unique(return_inverse=True)
    # an item is missing only if no other target of the batch is it and the uniform draw left it out
    missing_K = (1.0 - share_I[items_K].double()) ** max(len(target_N) - 1, 0)
    missing_K = missing_K * (1.0 - min(num_negatives, num_items) / num_items)
    return SampledItems(items_K, place[: len(target_N)], torch.log1p(-missing_K).float())
