"""Encode several prompts in one pass, before anything is generated.

Only keys and values are needed, so the pass ends inside the last block. On a CPU the prompts are packed into one row,
so that no padding is computed; elsewhere they are padded.

Shape suffixes: R = B = requests, A = tokens of part A of the longest request, T = tokens of a row, H = heads, G = heads
of keys and values, E = size of a head.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from recsys_model.backbones.base import Attention, Backbone, FullAttention
from recsys_model.backbones.packed import SegmentAttention, find_segments
from recsys_model.decoding.cache import PartAEncoder
from recsys_model.entity_head.vectors import ItemVectors
from recsys_model.errors import ConfigError
from recsys_model.infilling.item_places import NO_EARLIER, NO_ITEM
from recsys_model.infilling.prompt import Prompt
from recsys_model.text.tokenizer import SpecialTokens

Keep = Callable[[int, Tensor, Tensor], None]
"""Takes a layer, its keys and its values, [B, G, T, E] each."""


def encode_prompts(
    model: Backbone, prompts: Sequence[Prompt], special: SpecialTokens, vectors: ItemVectors | None = None
) -> PartAEncoder:
    """Return the keys and values of all prompts, padded at the end; `vectors` are those of an entity head.

    Raises:
        ConfigError: a prompt is too long for the model.
    """
    check_position_id(model, max(prompt.last_position for prompt in prompts), "the longest prompt")
    device, lens = model.device, [len(prompt.token_ids) for prompt in prompts]
    part_a_lens = [prompt.part_a_len for prompt in prompts]
    visible_RA = torch.arange(max(lens), device=device) < torch.tensor(lens, device=device)[:, None]
    encoder = PartAEncoder(visible_RA, is_causal=model.part_a_is_causal)
    columns = (
        ([prompt.token_ids for prompt in prompts], special.pad),
        ([prompt.inter_position_ids for prompt in prompts], 0),
        ([prompt.intra_position_ids for prompt in prompts], 0),
        ([prompt.input_items for prompt in prompts], NO_ITEM),
        ([prompt.earlier_items for prompt in prompts], NO_EARLIER),
    )
    if device.type != "cpu":
        visible_RAA = model.visible(torch.tensor(part_a_lens, device=device), max(lens)) & visible_RA[:, None]
        ids = [padded(rows, fill, device) for rows, fill in columns]
        read(model, ids, encoder.keep, FullAttention(visible_RAA), vectors)
        return encoder
    segments = find_segments((tuple(lens),), (tuple(part_a_lens),), sum(lens))
    alone = SegmentAttention(segments, part_a_is_causal=model.part_a_is_causal)

    def keep(layer: int, key_1GTE: Tensor, value_1GTE: Tensor) -> None:
        encoder.keep(layer, _apart(key_1GTE, lens), _apart(value_1GTE, lens))

    ids = [torch.tensor([list(chain.from_iterable(rows))], dtype=torch.int64) for rows, _ in columns]
    read(model, ids, keep, alone, vectors)
    return encoder


def read(
    model: Backbone, ids_BT: Sequence[Tensor], keep: Keep, attention: Attention, vectors: ItemVectors | None = None
) -> None:
    """Pass the keys and values of every layer to `keep`; the computation ends with those of the last layer.

    Args:
        model: The language model.
        ids_BT: Tokens, inter and intra position ids, the item that each token carries, and the items before it.
        keep: Called for every layer, before its attention.
        attention: Decides which tokens a token sees.
        vectors: Of an entity head, if the model has one.
    """
    token_BT, inter_BT, intra_BT, item_BT, earlier_BTE = ids_BT
    added_BTD = None if vectors is None else vectors.added(item_BT, earlier_BTE)
    keeping = _KeepingAttention(keep, attention, len(model.blocks))
    try:
        model.hidden_states(token_BT, inter_BT, intra_BT, keeping, added_BTD)
    except _AllKept:
        return
    raise AssertionError(f"a {model.family} model must call its attention once for each of its blocks")


class _AllKept(Exception):  # noqa: N818 - no error
    """Ends a pass inside the model, after the last keys and values."""


class _KeepingAttention:
    """Passes keys and values on before it attends."""

    def __init__(self, keep: Keep, attention: Attention, num_layers: int) -> None:
        self._keep = keep
        self._attention = attention
        self._last = num_layers - 1

    def __call__(self, layer: int, query_BHTE: Tensor, key_BGTE: Tensor, value_BGTE: Tensor) -> Tensor:
        self._keep(layer, key_BGTE, value_BGTE)
        if layer == self._last:
            raise _AllKept
        return self._attention(layer, query_BHTE, key_BGTE, value_BGTE)

    def positions(self) -> Tensor:
        return self._attention.positions()


def _apart(states_1GTE: Tensor, lens: Sequence[int]) -> Tensor:
    """Return the states of each request in a row of its own, zeros behind the shorter ones, [R, G, A, E]."""
    _, num_heads, _, size = states_1GTE.shape
    apart_RGAE = states_1GTE.new_zeros((len(lens), num_heads, max(lens), size))
    for row, states_GAE in enumerate(states_1GTE[0].split(list(lens), dim=1)):
        apart_RGAE[row, :, : lens[row]] = states_GAE
    return apart_RGAE


class Starts:
    """The `[S]` behind every prompt, which is fed with the first step of a search."""

    def __init__(self, prompts: Sequence[Prompt], device: torch.device, vectors: ItemVectors | None = None) -> None:
        self.inter_R = torch.tensor([prompt.mask_position for prompt in prompts], device=device)
        """Inter position id of all generated tokens."""
        item_R = torch.tensor([prompt.last_item for prompt in prompts], device=device)
        earlier_RE = torch.tensor([prompt.items_before_last for prompt in prompts], device=device)
        self.added_RD = None if vectors is None else vectors.added(item_R, earlier_RE)
        """Residual that is added to its embedding, None without one."""

    def added_at(self, request_R: Tensor, num_tokens: int) -> Tensor | None:
        """Return the residuals of a step whose first token is the `[S]` of these requests, [R, T, D]."""
        if self.added_RD is None:
            return None
        added_RTD = self.added_RD.new_zeros((len(request_R), num_tokens, self.added_RD.shape[1]))
        added_RTD[:, 0] = self.added_RD[request_R]
        return added_RTD


def check_position_id(model: Backbone, position_id: int, what: str) -> None:
    """Raise `ConfigError` if the position tables of the model end before an id."""
    limit = model.config.max_sequence_length
    if position_id > limit:
        raise ConfigError(f"position ids must be at most {limit} (max_sequence_length), {what} needs {position_id}")


def padded(rows: Sequence[Sequence[Any]], fill: int | tuple[int, ...], device: torch.device) -> Tensor:
    """Return rows of different lengths, of numbers or of tuples like `fill`, as one tensor, filled up on the right.

    >>> padded([[1, 2], [3]], 0, torch.device("cpu")).tolist()
    [[1, 2], [3, 0]]
    """
    length = max(len(row) for row in rows)
    return torch.tensor([[*row, *[fill] * (length - len(row))] for row in rows], device=device)
