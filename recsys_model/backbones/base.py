"""The interface of backbones, and of the attention that callers pass to them.

A backbone computes queries, keys and values; an `Attention` decides which keys a query sees and
whether they are kept, and has the positions of its queries. Training passes a mask, decoding a cache. Code outside this
package does not depend on the family of a model.

Shape suffixes: B = examples, T = tokens, S = keys, H = heads, G = heads of keys and values (H or fewer),
E = size of a head, D = hidden size, V = vocabulary, X = any leading shape.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

INITIAL_STD = 0.02
INITIAL_STD_WIDTH = 1024
"""Hidden size at which linears of a new model begin with `INITIAL_STD`; narrower ones need a larger one, or their input has
little effect."""


class Geometry(Protocol):
    """The part of a model's configuration that the rest of the project uses; a frozen dataclass."""

    @property
    def vocab_size(self) -> int:
        """Rows of the word embedding."""
        ...

    @property
    def hidden_size(self) -> int:
        """Width of the residual stream."""
        ...

    @property
    def max_sequence_length(self) -> int:
        """Largest inter and intra position id."""
        ...


class Attention(Protocol):
    """Mixes values for the queries of one layer."""

    def __call__(self, layer: int, query_BHTE: Tensor, key_BGTE: Tensor, value_BGTE: Tensor) -> Tensor:
        """Return one mixed value for each query, of the shape of `query_BHTE`."""
        ...

    def positions(self) -> Tensor:
        """Return the position of each query in the sequence part A, part B, [B, T]."""
        ...


class FullAttention:
    """Attention over the given tokens with a mask; it caches nothing."""

    def __init__(self, visible_BTT: Tensor) -> None:
        """Take a boolean mask, [B, T, T]: may the query (row) see the key (column)?"""
        self._visible_B1TT = visible_BTT[:, None]

    def __call__(self, layer: int, query_BHTE: Tensor, key_BGTE: Tensor, value_BGTE: Tensor) -> Tensor:
        """Attend; the layer makes no difference here."""
        del layer
        return attend(query_BHTE, key_BGTE, value_BGTE, self._visible_B1TT)

    def positions(self) -> Tensor:
        """Return 0, 1, 2, ... for each example."""
        num_examples, _, num_tokens, _ = self._visible_B1TT.shape
        return torch.arange(num_tokens, device=self._visible_B1TT.device).expand(num_examples, -1)


class Backbone(nn.Module, ABC):
    """A language model that fills blanks."""

    family: ClassVar[str]
    """Name of the family in `model.family`."""
    lora_targets: ClassVar[tuple[str, ...]]
    """Names of the linears of every layer that get adapters."""
    position_tables: ClassVar[tuple[str, ...]] = ()
    """Learned position tables, trained in addition to adapters on request."""
    new_tables: ClassVar[tuple[str, ...]] = ()
    """Tables that the published weights lack, so that they are always trained in addition to adapters."""

    @property
    @abstractmethod
    def config(self) -> Geometry:
        """The geometry, a frozen dataclass."""

    @property
    @abstractmethod
    def blocks(self) -> nn.ModuleList:
        """The transformer blocks, in order."""

    @abstractmethod
    def hidden_states(
        self,
        token_ids_BT: Tensor,
        inter_position_ids_BT: Tensor,
        intra_position_ids_BT: Tensor,
        attention: Attention,
        added_BTD: Tensor | None = None,
    ) -> Tensor:
        """Return the states that are projected on the vocabulary, [B, T, D].

        `added_BTD` is added to the word embeddings: the residuals of items from the entity head.
        """

    @abstractmethod
    def word_vectors(self, token_ids_X: Tensor) -> Tensor:
        """Return the word embeddings of some tokens, as the model reads them, [X, D]."""

    @abstractmethod
    def logits(self, hidden_XD: Tensor) -> Tensor:
        """Project states of any leading shape on the vocabulary, [X, V]."""

    @abstractmethod
    def output_rows(self, token_ids_X: Tensor) -> Tensor:
        """Return the rows of the output matrix for some tokens, [X, D]."""

    @property
    @abstractmethod
    def output_matrix(self) -> Tensor:
        """The output matrix itself, [V, D]; sharded while DeepSpeed's ZeRO 3 trains."""

    def own_state(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of a published state under this model's names, without those that the model computes."""
        return state

    @property
    def part_a_is_causal(self) -> bool:
        """Whether a token of part A sees only those before it."""
        return False

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def visible(self, part_a_lens_B: Tensor, num_tokens: int) -> Tensor:
        """Return which keys each query may see in training, [B, T, T]."""
        lens_B = torch.zeros_like(part_a_lens_B) if self.part_a_is_causal else part_a_lens_B
        return part_a_and_part_b_mask(lens_B, num_tokens)

    def forward(
        self,
        token_ids_BT: Tensor,
        inter_position_ids_BT: Tensor,
        intra_position_ids_BT: Tensor,
        attention: Attention,
        added_BTD: Tensor | None = None,
    ) -> Tensor:
        """Return `hidden_states`, [B, T, D]."""
        return self.hidden_states(token_ids_BT, inter_position_ids_BT, intra_position_ids_BT, attention, added_BTD)


def plus(embedded_BTD: Tensor, added_BTD: Tensor | None) -> Tensor:
    """Return word embeddings plus residuals, if there are any."""
    return embedded_BTD if added_BTD is None else embedded_BTD + added_BTD.to(embedded_BTD.dtype)


class OutputHead(nn.Linear):
    """An output matrix that is not tied to the word embedding.

    Its rows are read through `forward` too: ZeRO 3 gathers the shards of a weight only around `forward`.
    """

    def __init__(self, hidden_size: int, vocab_size: int) -> None:
        super().__init__(hidden_size, vocab_size, bias=False)

    def forward(self, input: Tensor, *, rows: bool = False) -> Tensor:  # noqa: A002, nn.Linear's own name
        """Project states on the vocabulary; with `rows`, return the matrix's rows for token ids instead."""
        return functional.embedding(input, self.weight) if rows else functional.linear(input, self.weight)


def attend(query_BHTE: Tensor, key_BGSE: Tensor, value_BGSE: Tensor, visible: Tensor) -> Tensor:
    """Return softmax(query . key / sqrt(E)) . value where `visible`, which broadcasts to [B, H, T, S].

    With fewer key heads than query heads, neighbouring query heads share one (grouped-query attention).
    """
    num_shared = query_BHTE.shape[1] // key_BGSE.shape[1]
    if num_shared > 1 and query_BHTE.device.type != "cpu":
        # CUDA has no fast kernel for a mask together with shared heads
        key_BGSE, value_BGSE = (states.repeat_interleave(num_shared, dim=1) for states in (key_BGSE, value_BGSE))
        num_shared = 1
    return functional.scaled_dot_product_attention(
        query_BHTE, key_BGSE, value_BGSE, attn_mask=visible, enable_gqa=num_shared > 1
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


def count_parameters(model: nn.Module, *, trainable_only: bool = False) -> int:
    """Return the number of parameters; a tied one counts once."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad or not trainable_only)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Set the evaluation mode of a model, and restore the previous mode afterwards."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
