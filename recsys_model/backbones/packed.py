"""Attention of packed examples: each example attends to itself alone.

`SegmentAttention` loops over the examples and computes no score outside them, which is fastest on a CPU.
`BlockAttention` uses FlexAttention, for GPUs: it skips blocks of 128 x 128 scores outside all examples.

Shape suffixes: B = rows, T = tokens of a row, H = heads, G = heads of keys and values (H or fewer), E = size of a
head, L = tokens of one example.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from recsys_model.backbones.base import Attention

NO_EXAMPLE = -1
"""Value in `example_ids` for padding."""


@dataclass(frozen=True, slots=True)
class Segments:
    """Positions of the examples in the rows, for the host and for the device."""

    lens: tuple[tuple[int, ...], ...]
    """Tokens of each example, row by row; padding lies behind the last of a row."""
    part_a_lens: tuple[tuple[int, ...], ...]
    """Tokens of each example's part A, row by row."""
    example_ids: Tensor
    """The example of each token, counted in its row, [B, T]; `NO_EXAMPLE` for padding."""
    places: Tensor
    """Place of each token in its example, [B, T]."""
    part_a_ends: Tensor
    """Index in the row of the first token behind part A of each token's example, [B, T]."""

    def to(self, device: torch.device) -> "Segments":
        """Return the same with its tensors on another device."""
        moved = (tensor.to(device, non_blocking=True) for tensor in (self.example_ids, self.places, self.part_a_ends))
        return Segments(self.lens, self.part_a_lens, *moved)


def find_segments(
    lens: tuple[tuple[int, ...], ...], part_a_lens: tuple[tuple[int, ...], ...], num_tokens: int
) -> Segments:
    """Return the positions of examples of these lengths in rows of `num_tokens` tokens.

    Example:
        >>> segments = find_segments(((2, 1),), ((1, 1),), num_tokens=4)
        >>> segments.example_ids.tolist(), segments.places.tolist(), segments.part_a_ends.tolist()
        ([[0, 0, 1, -1]], [[0, 1, 0, 0]], [[1, 1, 3, 0]])
    """
    example_BT, place_BT, end_BT = (np.full((len(lens), num_tokens), fill) for fill in (NO_EXAMPLE, 0, 0))
    for row, (row_lens, row_part_a_lens) in enumerate(zip(lens, part_a_lens, strict=True)):
        start = 0
        for index, (length, part_a_len) in enumerate(zip(row_lens, row_part_a_lens, strict=True)):
            tokens = slice(start, start + length)
            example_BT[row, tokens] = index
            place_BT[row, tokens] = np.arange(length)
            end_BT[row, tokens] = start + part_a_len
            start += length
    return Segments(lens, part_a_lens, *map(torch.from_numpy, (example_BT, place_BT, end_BT)))


def packed_attention(segments: Segments, *, part_a_is_causal: bool) -> Attention:
    """Return the attention for the device of the segments."""
    kind = BlockAttention if segments.example_ids.device.type == "cuda" else SegmentAttention
    return kind(segments, part_a_is_causal=part_a_is_causal)


class SegmentAttention:
    """One attention call for each example."""

    def __init__(self, segments: Segments, *, part_a_is_causal: bool) -> None:
        """Take where the examples lie, and whether their part A sees its past only."""
        self._segments = segments
        self._is_causal = part_a_is_causal
        self._masks: list[Tensor | None] = []

    def __call__(self, layer: int, query_BHTE: Tensor, key_BGTE: Tensor, value_BGTE: Tensor) -> Tensor:
        """Attend; the layer makes no difference here.

        A CPU converts half precision to float32: its kernel takes four times as long for the gradient of half
        precision.
        """
        del layer
        dtype = query_BHTE.dtype
        if query_BHTE.device.type == "cpu" and dtype in (torch.bfloat16, torch.float16):
            query_BHTE, key_BGTE, value_BGTE = (states.float() for states in (query_BHTE, key_BGTE, value_BGTE))
        if not self._masks:
            self._masks = self._build_masks(query_BHTE)
        is_shared = query_BHTE.shape[1] != key_BGTE.shape[1]
        parts = zip(*(self._cut(states) for states in (query_BHTE, key_BGTE, value_BGTE)), self._masks, strict=True)
        mixed_1LHE = [
            functional.scaled_dot_product_attention(
                query, key, value, attn_mask=mask, is_causal=self._is_causal, enable_gqa=is_shared
            ).transpose(1, 2)
            for query, key, value, mask in parts
        ]
        return self._joined(mixed_1LHE, query_BHTE.shape[2]).transpose(1, 2).to(dtype)

    def positions(self) -> Tensor:
        """Return the place of each token in its example."""
        return self._segments.places

    def _build_masks(self, query_BHTE: Tensor) -> list[Tensor | None]:
        """Return additive masks of each example; a boolean mask would be converted in every layer."""
        pairs = [
            pair
            for lens, part_a_lens in zip(self._segments.lens, self._segments.part_a_lens, strict=True)
            for pair in zip(lens, part_a_lens, strict=True)
        ]
        if self._is_causal:
            return [None] * len(pairs)
        longest = max((length for length, part_a_len in pairs if part_a_len < length), default=0)
        future_LL = query_BHTE.new_full((longest, longest), -torch.inf).triu(1)
        masks: list[Tensor | None] = []
        for length, part_a_len in pairs:
            if part_a_len == length:
                masks.append(None)
                continue
            mask_LL = future_LL[:length, :length].clone()
            mask_LL[:, :part_a_len] = 0.0
            masks.append(mask_LL)
        return masks

    def _cut(self, states_BGTE: Tensor) -> list[Tensor]:
        """Return the states of each example, [1, G, L, E]; `split` has one gradient for all of them, slices do not."""
        num_tokens = states_BGTE.shape[2]
        return [
            part
            for row_1GTE, lens in zip(states_BGTE.split(1), self._segments.lens, strict=True)
            for part in row_1GTE.split([*lens, num_tokens - sum(lens)], dim=2)[: len(lens)]
        ]

    def _joined(self, mixed_1LHE: list[Tensor], num_tokens: int) -> Tensor:
        """Join the examples to rows again, with zeros at padding."""
        parts, rows = iter(mixed_1LHE), []
        for lens in self._segments.lens:
            row = [next(parts) for _ in lens]
            padding = row[0].new_zeros((1, num_tokens - sum(lens), *row[0].shape[2:]))
            rows.append(torch.cat([*row, padding], dim=1))
        return torch.cat(rows)


class BlockAttention:
    """One FlexAttention call for all rows; compiled on CUDA, plain elsewhere, where it is for checking."""

    def __init__(self, segments: Segments, *, part_a_is_causal: bool) -> None:
        """Take where the examples lie, and whether their part A sees its past only."""
        # imports sympy, which every process on a CPU would wait for
        from torch.nn.attention.flex_attention import create_block_mask

        self._place_BT = segments.places
        example_BT, end_BT = segments.example_ids, segments.part_a_ends
        if part_a_is_causal:
            end_BT = torch.zeros_like(end_BT)

        def is_visible(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
            del head
            is_same = example_BT[row, query] == example_BT[row, key]
            return is_same & ((key < end_BT[row, query]) | (key <= query))

        num_rows, num_tokens = example_BT.shape
        self._mask = create_block_mask(
            is_visible, num_rows, None, num_tokens, num_tokens, device=str(example_BT.device)
        )

    def __call__(self, layer: int, query_BHTE: Tensor, key_BGTE: Tensor, value_BGTE: Tensor) -> Tensor:
        """Attend; the layer makes no difference here."""
        del layer
        attend = _flex_attention(query_BHTE.device.type)
        is_shared = query_BHTE.shape[1] != key_BGTE.shape[1]
        return attend(query_BHTE, key_BGTE, value_BGTE, block_mask=self._mask, enable_gqa=is_shared)

    def positions(self) -> Tensor:
        """Return the place of each token in its example."""
        return self._place_BT


@functools.cache
def _flex_attention(device_type: str) -> Callable[..., Any]:
    """Return the compiled kernel on CUDA; elsewhere it is not worth a compiler."""
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention, dynamic=True) if device_type == "cuda" else flex_attention
