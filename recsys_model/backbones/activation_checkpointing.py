"""Activation checkpointing: keeps only the states between blocks, at the price of one more forward pass.

Without it all activations of a block are kept, about 34 values per token and unit of width in half
precision (Korthikanti et al. 2022, arXiv 2205.05198), against one.
"""

from functools import partial
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from recsys_model.backbones.base import Backbone


def recompute_activations(model: Backbone) -> None:
    """Let every block keep only its inputs in training and recompute its activations for the gradient.

    Names and weights stay, and so do gradients: dropout draws the same numbers both times.
    """
    for block in model.blocks:
        block.forward = partial(_recomputed, block.forward)


def _recomputed(forward: Any, *inputs: Any, **settings: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*inputs, **settings)
    return checkpoint(forward, *inputs, use_reentrant=False, **settings)
