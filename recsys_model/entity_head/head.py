"""EntityHead: the trained tables from which item vectors, biases and input residuals are computed.

An item vector is `e_i = P u_i + s r_i`: `u_i` is the mean of the language model's own word embeddings over the tokens
of the item's texts (`texts.py`), in units of their usual size, and `r_i` a free residual, zero at first, `s` its scale.
A state `h` scores an item by `h . e_i / temperature + b_i`, and adds one more trained number if its history has the
item already. The same vector, through a matrix that starts at zero, is added to the input embeddings of the item's
tokens; a token that also carries the items before that one adds each through a further matrix. So a head that was not
trained changes nothing in the language model, and an item without a row in the tables has a vector, too.

Shape suffixes: N = items of the tables, K = requested items, X = input items, E = earlier items of each, D = hidden size.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from recsys_model.backbones.base import Backbone
from recsys_model.entity_config import NUM_EARLIER, EntityConfig
from recsys_model.entity_head.texts import ItemTexts, TokenWeights
from recsys_model.errors import ConfigError

REPEAT_UNIT = 100.0
"""The repeat bias is its weight times this: with a learning rate of 1e-3, Adam moves it by 0.1 a step."""


class ItemTerms(NamedTuple):
    """The tensors of one step: vectors and biases of the scored items, and residuals of the inputs.

    A tuple, because DeepSpeed's ZeRO 3 looks for tensors in what a module returns.
    """

    vectors: Tensor
    """Vectors of the scored items, [K, D]."""
    biases: Tensor
    """Their biases, [K]."""
    inputs: Tensor | None
    """Residuals of the input items, [X, D]; None where the head has no input residuals."""
    repeat_bias: Tensor | None
    """Bias on the score of an item of the history, [1]; None if the head has no repeat bias."""


class EntityHead(nn.Module):
    """The trained part: residuals, biases and two matrices.

    All tables are read inside `forward`, around which DeepSpeed's ZeRO 3 brings the shares of a table together.
    """

    word_scale: Tensor

    def __init__(
        self, hidden_size: int, item_token_ids: Sequence[Sequence[int]], config: EntityConfig, *, is_new: bool = False
    ) -> None:
        """Take the tokens of each item's texts; `is_new` is for a model with new weights.

        A new model has no pretrained behaviour to preserve, so the input matrix starts as the identity.
        """
        super().__init__()
        num_items = len(item_token_ids)
        self.config = config
        """Its settings."""
        self.num_items = num_items
        """Items that have a row in the tables."""
        self.temperature = config.temperature or math.sqrt(hidden_size) / 12.0
        """The scores are divided by it."""
        self._token_weights = TokenWeights(item_token_ids if config.words else [], config.word_weights)
        self.texts = ItemTexts(item_token_ids, self._token_weights) if config.words else None
        self.register_buffer("word_scale", torch.ones(()))
        self.residuals = nn.Parameter(torch.zeros(num_items, hidden_size)) if config.residuals else None
        self.biases = nn.Parameter(torch.zeros(num_items))
        self.repeat_weight = nn.Parameter(torch.zeros(1)) if config.repeat_bias else None
        self.projection = nn.Parameter(torch.eye(hidden_size)) if config.words else None
        start = torch.eye(hidden_size) if is_new else torch.zeros(hidden_size, hidden_size)
        self.input_projection = nn.Parameter(start) if config.inputs else None
        earlier = torch.zeros(NUM_EARLIER, hidden_size, hidden_size)
        self.earlier_projections = nn.Parameter(earlier) if config.earlier_inputs else None

    def measure_words(self, model: Backbone) -> None:
        """Set the unit to the root mean square of the model's word embeddings; call it once, before any training."""
        if self.texts is None:
            return
        with torch.no_grad():
            size = model.word_vectors(self.texts.token_ids.to(model.device)).float().square().mean().sqrt()
            self.word_scale.copy_(1.0 / size.clamp(min=1e-6))

    def forward(
        self, model: Backbone, scored_K: Tensor | None, inputs_X: Tensor, earlier_XE: Tensor | None = None
    ) -> ItemTerms:
        """Return vectors and biases of the scored items, and residuals of the input items.

        Args:
            model: Whose word embeddings are a part of the vectors.
            scored_K: Catalogue indices; all items where it is None.
            inputs_X: The item that each of X tokens carries.
            earlier_XE: The items before it, -1 where there is none; used with `entity.earlier_inputs`.
        """
        if self.earlier_projections is None or earlier_XE is None:
            earlier_XE = inputs_X.new_zeros((len(inputs_X), 0))
        carried_X1E = torch.cat([inputs_X[:, None], earlier_XE], dim=1)
        if scored_K is None:
            vectors_ND, biases_N = self._vectors(model, None), self.biases
            place_X1E = carried_X1E.clamp(min=0)
            inputs_XD = self._input_residuals(vectors_ND, place_X1E, carried_X1E >= 0)
            return ItemTerms(vectors_ND, biases_N, inputs_XD, self.repeat_bias)
        items, place = torch.cat([scored_K, carried_X1E.clamp(min=0).flatten()]).unique(return_inverse=True)
        vectors = self._vectors(model, items)
        place_K, place_X1E = place[: len(scored_K)], place[len(scored_K) :].view_as(carried_X1E)
        inputs_XD = self._input_residuals(vectors, place_X1E, carried_X1E >= 0)
        return ItemTerms(vectors[place_K], self.biases[scored_K], inputs_XD, self.repeat_bias)

    @property
    def repeat_bias(self) -> Tensor | None:
        """Bias on the score of an item of the history, [1]; None if the head has no repeat bias."""
        return None if self.repeat_weight is None else self.repeat_weight * REPEAT_UNIT

    def item_vectors(self, model: Backbone) -> Tensor:
        """Return the vectors of all items of the tables, [N, D]."""
        return self._vectors(model, None)

    def new_vectors(self, model: Backbone, item_token_ids: Sequence[Sequence[int]]) -> Tensor:
        """Return the vectors of items that have no row in the tables, from their words alone, [K, D].

        Raises:
            ConfigError: the head has no words.
        """
        if self.projection is None:
            raise ConfigError("an item can be added only where entity.words is true; retrain with it, or leave it out")
        texts = ItemTexts(item_token_ids, self._token_weights).to(self.projection.device)
        return self._projected(texts.means(model, None))

    def _projected(self, means_KD: Tensor) -> Tensor:
        assert self.projection is not None, "a head with words has a projection"
        return (means_KD * self.word_scale.to(means_KD.dtype)).to(self.projection.dtype) @ self.projection

    def _vectors(self, model: Backbone, items_K: Tensor | None) -> Tensor:
        residuals = None
        if self.residuals is not None:
            weights = self.residuals if items_K is None else self.residuals[items_K]
            residuals = weights * self.config.residual_scale
        if self.texts is None or self.projection is None:
            assert residuals is not None, "an item has words, a residual or both"
            return residuals
        words = self._projected(self.texts.means(model, items_K))
        return words if residuals is None else words + residuals

    def _input_residuals(self, vectors_KD: Tensor, place_X1E: Tensor, is_item_X1E: Tensor) -> Tensor | None:
        """Return the sum over the items that each token carries, [X, D], each through its own matrix."""
        if self.input_projection is None:
            return None
        residuals_XD = vectors_KD[place_X1E[:, 0]] @ self.input_projection
        if self.earlier_projections is None or place_X1E.shape[1] == 1:
            return residuals_XD
        earlier_XED = vectors_KD[place_X1E[:, 1:]] * is_item_X1E[:, 1:, None]
        return residuals_XD + earlier_XED.flatten(1) @ self.earlier_projections.flatten(0, 1)
