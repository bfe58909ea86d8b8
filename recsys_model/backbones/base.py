"""What every backbone offers, and how attention is told what it may see.

A backbone computes queries, keys and values; an `Attention` decides which keys a query sees and
whether they are kept. Training passes a mask, decoding a cache.

Shape suffixes: B = examples, T = tokens, S = keys, H = heads, E = size of a head.
"""

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional


class Attention(Protocol):
    """Mixes values for the queries of one layer."""

    def __call__(self, layer: int, query_BHTE: Tensor, key_BHTE: Tensor, value_BHTE: Tensor) -> Tensor:
        """Return one mixed value for each query, of the shape of `query_BHTE`."""
        ...


class FullAttention:
    """Attention over the tokens at hand, seen through a mask; keeps nothing."""

    def __init__(self, visible_BTT: Tensor, dropout: float = 0.0) -> None:
        """Take a boolean mask, [B, T, T]: may the query (row) see the key (column)?"""
        self._visible_B1TT = visible_BTT[:, None]
        self._dropout = dropout

    def __call__(self, layer: int, query_BHTE: Tensor, key_BHTE: Tensor, value_BHTE: Tensor) -> Tensor:
        """Attend; the layer makes no difference here."""
        del layer
        return functional.scaled_dot_product_attention(
            query_BHTE, key_BHTE, value_BHTE, attn_mask=self._visible_B1TT, dropout_p=self._dropout
        )


def part_a_and_part_b_mask(part_a_lens_B: Tensor, num_tokens: int) -> Tensor:
    """Return which keys each query may see, [B, T, T], true where visible.

    Part A is visible to all; part B to itself and to what follows it.

    Example:
        >>> part_a_and_part_b_mask(torch.tensor([2]), 3).int().tolist()
        [[[1, 1, 0], [1, 1, 0], [1, 1, 1]]]
    """
    position_T = torch.arange(num_tokens, device=part_a_lens_B.device)
    causal_TT = position_T[:, None] >= position_T[None, :]
    in_part_a_BT = position_T[None, :] < part_a_lens_B[:, None]
    return causal_TT[None, :, :] | in_part_a_BT[:, None, :]
