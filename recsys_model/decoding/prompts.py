"""Part A of several prompts through the model, once, before anything is generated.

Shape suffixes: R = requests, A = tokens of part A.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from recsys_model.backbones.base import Backbone
from recsys_model.decoding.cache import PartAEncoder
from recsys_model.errors import ConfigError
from recsys_model.infilling.example import PartA
from recsys_model.text.tokenizer import SpecialTokens


def encode_prompts(model: Backbone, prompts: Sequence[PartA], special: SpecialTokens) -> PartAEncoder:
    """Return the keys and values of all prompts, padded at the end.

    Raises:
        ConfigError: a prompt is too long for the model.
    """
    check_position_id(model, max(prompt.inter_position_ids[-1] for prompt in prompts), "the longest prompt")
    device = model.device
    lens_R = torch.tensor([len(prompt.token_ids) for prompt in prompts], device=device)
    position_A = torch.arange(int(lens_R.max()), device=device)
    encoder = PartAEncoder(position_A[None, :] < lens_R[:, None], is_causal=model.part_a_is_causal)
    model.hidden_states(
        padded([prompt.token_ids for prompt in prompts], special.pad, device),
        padded([prompt.inter_position_ids for prompt in prompts], 0, device),
        padded([prompt.intra_position_ids for prompt in prompts], 0, device),
        encoder,
    )
    return encoder


def check_position_id(model: Backbone, position_id: int, what: str) -> None:
    """Raise `ConfigError` if the position tables of the model end before an id."""
    limit = model.config.max_sequence_length
    if position_id > limit:
        raise ConfigError(f"position ids must be at most {limit} (max_sequence_length), {what} needs {position_id}")


def padded(rows: Sequence[Sequence[int]], fill: int, device: torch.device) -> Tensor:
    """Return rows of different lengths as one tensor, filled up on the right.

    >>> padded([[1, 2], [3]], 0, torch.device("cpu")).tolist()
    [[1, 2], [3, 0]]
    """
    length = max(len(row) for row in rows)
    return torch.tensor([[*row, *[fill] * (length - len(row))] for row in rows], device=device)
