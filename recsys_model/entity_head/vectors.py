"""ItemVectors: the table of a trained entity head for inference: vectors, biases and input residuals.

The table is computed once for a catalogue. Items that are added later get theirs from their words alone.

Shape suffixes: N = catalogue indices, E = items before the last one, D = hidden size, X = any leading shape.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from recsys_model.backbones.base import Backbone
from recsys_model.entity_head.head import EntityHead
from recsys_model.errors import ConfigError


class ItemWithTokens(Protocol):
    """An item of a catalogue."""

    @property
    def token_ids(self) -> Sequence[int]:
        """Tokens of its unique text."""
        ...

    @property
    def field_token_ids(self) -> Sequence[int]:
        """Tokens of the texts that make its vector; none where the unique text does."""
        ...


@dataclass(frozen=True, slots=True)
class ItemVectors:
    """Vectors of all items, in float32."""

    vectors: Tensor
    """Of the scores, [N, D], divided by the temperature."""
    biases: Tensor
    """Of the scores, [N]."""
    inputs: Tensor | None
    """Residuals of the input embeddings of an item's tokens, [N, D]; None without input residuals."""
    repeat_bias: Tensor
    """Bias on the score of an item of a request's history, [1]."""
    earlier_inputs: Tensor | None = None
    """Residuals of an item that is the first, second, ... before the last one, [E, N, D]; None without them."""

    def added(self, item_X: Tensor, earlier_XE: Tensor) -> Tensor | None:
        """Return the residuals of tokens that carry these items, [X, D]; negative items add nothing."""
        if self.inputs is None:
            return None
        added_XD = _rows(self.inputs, item_X)
        if self.earlier_inputs is None:
            return added_XD
        for place, table_ND in enumerate(self.earlier_inputs):
            added_XD = added_XD + _rows(table_ND, earlier_XE[..., place])
        return added_XD


@torch.no_grad()
def compute_vectors(head: EntityHead, model: Backbone, items: Sequence[ItemWithTokens]) -> ItemVectors:
    """Return the table of a catalogue whose first items are those that the head was trained with.

    Raises:
        ConfigError: there are fewer items than the head has rows, or a further one while the head has no words.
    """
    num_trained = head.num_items
    if len(items) < num_trained:
        raise ConfigError(f"the entity head has {num_trained} items and the catalogue {len(items)}; they do not fit")
    # clones, so that further training of the head does not change this table
    trained = _table(head, head.item_vectors(model).float(), head.biases.detach().float().clone())
    return extend_vectors(trained, head, model, items)


@torch.no_grad()
def extend_vectors(
    vectors: ItemVectors, head: EntityHead, model: Backbone, items: Sequence[ItemWithTokens]
) -> ItemVectors:
    """Return the table of a longer catalogue that begins with the items of this one; new items have words alone.

    Raises:
        ConfigError: an item is new and has no tokens, or the head has no words.
    """
    new = items[len(vectors.biases) :]
    if not new:
        return vectors
    first = len(vectors.biases)
    for place, item in enumerate(new, start=first):
        if not tokens_of(item):
            raise ConfigError(f"item {place} of the catalogue has no tokens, so it has no vector; give it a title")
    new_KD = head.new_vectors(model, [tokens_of(item) for item in new]).float()
    added = _table(head, new_KD, new_KD.new_zeros(len(new)))
    return ItemVectors(
        torch.cat([vectors.vectors, added.vectors]),
        torch.cat([vectors.biases, added.biases]),
        _joined(vectors.inputs, added.inputs, dim=0),
        vectors.repeat_bias,
        _joined(vectors.earlier_inputs, added.earlier_inputs, dim=1),
    )


def _table(head: EntityHead, vectors_KD: Tensor, biases_K: Tensor) -> ItemVectors:
    inputs_KD = None if head.input_projection is None else vectors_KD @ head.input_projection.float()
    repeat_bias = biases_K.new_zeros(1) if head.repeat_bias is None else head.repeat_bias.detach().float()
    earlier_EKD = None if head.earlier_projections is None else vectors_KD @ head.earlier_projections.float()
    return ItemVectors(vectors_KD / head.temperature, biases_K, inputs_KD, repeat_bias, earlier_EKD)


def _rows(table_ND: Tensor, item_X: Tensor) -> Tensor:
    """Return the rows of these items, [X, D]; zeros for negative ones."""
    return table_ND[item_X.clamp(min=0)] * (item_X >= 0).unsqueeze(-1)


def _joined(table: Tensor | None, added: Tensor | None, dim: int) -> Tensor | None:
    return None if table is None or added is None else torch.cat([table, added], dim=dim)


def tokens_of(item: ItemWithTokens) -> Sequence[int]:
    """Return the tokens that make an item's vector: of its fields, or of its unique text where it has none."""
    return item.field_token_ids or item.token_ids
