"""Groups of parameters by weight decay, and the schedule of the learning rate."""

import math

from torch import nn

from recsys_model.config import OptimizerConfig
from recsys_model.entity_head.head import EntityHead


def parameter_groups(model: nn.Module, config: OptimizerConfig) -> list[dict[str, object]]:
    """Return AdamW's groups of trainable parameters: matrices of linears decay, everything else does not.

    The tables of an entity head are embeddings, and its matrices start as the identity or as zero.
    """
    tables = (module for module in model.modules() if isinstance(module, nn.Embedding | EntityHead))
    embeddings = {id(parameter) for module in tables for parameter in module.parameters(recurse=False)}
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    decayed = [p for p in trainable if p.ndim >= 2 and id(p) not in embeddings]
    plain = [p for p in trainable if p.ndim < 2 or id(p) in embeddings]
    groups: list[dict[str, object]] = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def learning_rate_share(progress: float, config: OptimizerConfig) -> float:
    """Return the learning rate as a share of its peak, at `progress` 0..1 of the training.

    Example:
        >>> config = OptimizerConfig(warmup_share=0.1, schedule="linear", final_share=0.0)
        >>> [round(learning_rate_share(p, config), 3) for p in (0.0, 0.05, 0.1, 0.55, 1.0)]
        [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    progress = min(max(progress, 0.0), 1.0)
    if progress < config.warmup_share:
        return progress / config.warmup_share
    if config.schedule == "constant" or config.warmup_share == 1.0:
        return 1.0
    passed = (progress - config.warmup_share) / (1.0 - config.warmup_share)
    remaining = 1.0 - passed if config.schedule == "linear" else 0.5 * (1.0 + math.cos(math.pi * passed))
    return config.final_share + (1.0 - config.final_share) * remaining
