"""The words of an item's vector: the mean of the word embeddings over the tokens of its texts.

Tokens are weighted by inverse document frequency: a token of few texts identifies an item better than a unit or a
comma. RESULTS.md has the measured gain.

Shape suffixes: N = items, K = requested items, D = hidden size, M = tokens of the texts of all items, U = different
tokens among them, X = tokens of the texts of the requested items.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from math import log
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from recsys_model.backbones.base import Backbone
from recsys_model.entity_config import WordWeights
from recsys_model.errors import CheckpointError


class TokenWeights:
    """Weights of the tokens in a mean, computed from the items that the head is trained with."""

    def __init__(self, item_token_ids: Sequence[Sequence[int]], kind: WordWeights) -> None:
        """Take the token ids of each item's texts."""
        self._kind = kind
        self._num_items = len(item_token_ids)
        counted = item_token_ids if kind == "idf" else ()
        self._frequencies = Counter(chain.from_iterable(map(set, counted)))

    def of(self, token_ids_U: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Return log((items + 1) / items with the token), or 1 for `uniform`, [U]; an unknown token is as rare as can be."""
        if self._kind == "uniform":
            return np.ones(len(token_ids_U))
        return np.array(
            [log((self._num_items + 1) / max(self._frequencies[token], 1)) for token in token_ids_U.tolist()]
        )


class ItemTexts(nn.Module):
    """The tokens of the items' texts, and the mean word embedding over them.

    The tokens are not stored as weights: each head reads them from the catalogue.
    """

    token_ids: Tensor
    places: Tensor
    shares: Tensor
    offsets: Tensor

    def __init__(self, item_token_ids: Sequence[Sequence[int]], weights: TokenWeights) -> None:
        """Take the token ids of each item's texts, at least one an item."""
        super().__init__()
        lens_N = np.array([len(tokens) for tokens in item_token_ids], dtype=np.int64)
        if len(lens_N) and lens_N.min() < 1:
            raise CheckpointError(f"item {int(lens_N.argmin())} has no tokens, so it has no vector; give it a title")
        tokens_M = np.fromiter(chain.from_iterable(item_token_ids), dtype=np.int64, count=int(lens_N.sum()))
        tokens_U, places_M = np.unique(tokens_M, return_inverse=True)
        items_M = np.repeat(np.arange(len(lens_N)), lens_N)
        weight_M = weights.of(tokens_U)[places_M]
        share_M = weight_M / np.bincount(items_M, weights=weight_M, minlength=len(lens_N))[items_M]
        tables = {
            "token_ids": tokens_U,
            "places": places_M,
            "shares": share_M.astype(np.float32),
            "offsets": np.append(0, np.cumsum(lens_N)),
        }
        for name, table in tables.items():
            self.register_buffer(name, torch.from_numpy(table), persistent=False)
        self._by_token: tuple[Tensor, Tensor, Tensor] | None = None

    def by_token(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return the inverted index of the texts: items [M] and shares [M] by token, and offsets of the tokens [U + 1].

        The first gradient computes it, since a served model needs none.
        """
        if self._by_token is None or self._by_token[0].device != self.places.device:
            lens_N = self.offsets.diff()
            item_M = torch.repeat_interleave(torch.arange(len(lens_N), device=self.places.device), lens_N)
            order_M = self.places.argsort(stable=True)
            counts_U = self.places.bincount(minlength=len(self.token_ids))
            self._by_token = (item_M[order_M], self.shares[order_M], functional.pad(counts_U.cumsum(0), (1, 0)))
        return self._by_token

    def means(self, model: Backbone, items_K: Tensor | None) -> Tensor:
        """Return the mean word embedding of the given items, or of all, [K, D]."""
        vectors_UD = model.word_vectors(self.token_ids)
        if items_K is None:
            return _Means.apply(vectors_UD, self)
        lens_K = self.offsets.diff()[items_K]
        offsets = functional.pad(lens_K.cumsum(0), (1, 0))
        item_X = torch.repeat_interleave(torch.arange(len(items_K), device=items_K.device), lens_K)
        place_X = self.offsets[items_K][item_X] + torch.arange(len(item_X), device=item_X.device) - offsets[item_X]
        return _weighted_sums(vectors_UD, self.places[place_X], offsets, self.shares[place_X])


class _Means(torch.autograd.Function):
    """Means over the tokens of all items, whose gradient is a sum over the items of each token.

    The gradient of `embedding_bag` itself adds one token after the other, which takes longer on a CPU (RESULTS.md).
    """

    @staticmethod
    def forward(ctx: Any, vectors_UD: Tensor, texts: ItemTexts) -> Tensor:
        ctx.texts = texts
        return _weighted_sums(vectors_UD, texts.places, texts.offsets, texts.shares)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        texts, (grad_ND,) = ctx.texts, grads
        # a frequent token is in thousands of items, too many for a sum in half precision
        wide_ND = grad_ND.to(torch.promote_types(grad_ND.dtype, torch.float32))
        item_M, share_M, offsets = texts.by_token()
        grad_UD = _weighted_sums(wide_ND, item_M, offsets, share_M)
        return grad_UD.to(grad_ND.dtype), None


def _weighted_sums(rows_XD: Tensor, places: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
    return functional.embedding_bag(
        places,
        rows_XD,
        offsets,
        mode="sum",
        per_sample_weights=weights.to(rows_XD.dtype),
        include_last_offset=True,
    )
