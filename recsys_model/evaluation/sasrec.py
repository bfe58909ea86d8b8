"""SASRec (Kang and McAuley 2018): a small causal transformer over item numbers, the sequential baseline.

It uses no text and no Ray. Input and output share the vectors of the items. Training is in `sasrec_training`, with the
softmax over all items in place of one sampled negative; this loss, the dropout and the number of passes make the
baseline strong.

Positions count from the end: the last event of every row has the same one, in training and in a request, so they tell
how recent an event is. Layers and their initial weights are those of the model behind the public logs.

Rows are padded behind their last event. Attention is causal, so no event sees the padding, and states at padding are
not used.

Shape suffixes: B = users of a batch, T = events of the longest history, D = width, H = heads, N = items.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from recsys_model.config import require
from recsys_model.evaluation.baselines import keys_of_scores

VERSION = 2
"""Changes with the model: a training of another version that was kept is not used, though its settings are the same."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SASRecConfig:
    """Sizes of the model and settings of its training, as in public logs of well trained ones."""

    hidden_size: int = 64
    """Width of the item vectors."""
    num_blocks: int = 2
    """Transformer blocks; with 0 the model uses the last item alone."""
    num_heads: int = 1
    """Attention heads; they divide `hidden_size`."""
    dropout: float = 0.6
    """Of the inputs, the attention weights and each branch of a block."""
    max_history: int = 50
    """Length of the history: the last events of a user."""
    learning_rate: float = 5e-4
    """Of Adam, constant, without weight decay."""
    batch_users: int = 512
    """Users of one step."""
    max_passes: int = 200
    """Passes over the training events at most."""
    patience: int = 20
    """Training ends after so many consecutive passes without a better validation NDCG@10."""

    def __post_init__(self) -> None:
        for name in ("hidden_size", "num_heads", "max_history", "batch_users", "max_passes", "patience"):
            value = getattr(self, name)
            require(value >= 1, f"sasrec.{name} must be at least 1, got {value}")
        require(self.num_blocks >= 0, f"sasrec.num_blocks must not be negative, got {self.num_blocks}")
        require(
            self.hidden_size % self.num_heads == 0,
            f"sasrec.num_heads must divide hidden_size {self.hidden_size}, got {self.num_heads}",
        )
        require(0.0 <= self.dropout < 1.0, f"sasrec.dropout must be in [0, 1), got {self.dropout}")
        require(self.learning_rate > 0.0, f"sasrec.learning_rate must be above 0, got {self.learning_rate}")


class SASRec(nn.Module):
    """States of histories; the score of an item is the product of the last state and the item's vector."""

    def __init__(self, num_items: int, config: SASRecConfig) -> None:
        super().__init__()
        self.config = config
        self.items = nn.Embedding(num_items, config.hidden_size)
        self.positions = nn.Embedding(config.max_history, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.num_blocks))
        self.apply(_initialize)

    def forward(self, items_BT: torch.Tensor, length_B: torch.Tensor) -> torch.Tensor:
        """Return the state after each event (B, T, D).

        Args:
            items_BT: Histories no longer than `max_history`, padded behind.
            length_B: Events of each history, at least 1.
        """
        place_BT = torch.arange(items_BT.shape[1]) - length_B[:, None]
        position_BT = (self.config.max_history + place_BT).clamp(max=self.config.max_history - 1)
        item_BTD = self.items(items_BT) * math.sqrt(self.config.hidden_size)
        state_BTD = self.dropout(item_BTD + self.positions(position_BT))
        for block in self.blocks:
            state_BTD = block(state_BTD)
        return self.norm(state_BTD)


class _Block(nn.Module):
    """Self-attention with normalised queries, then a feed-forward layer on normalised states, each added to its input."""

    def __init__(self, config: SASRecConfig) -> None:
        super().__init__()
        size = config.hidden_size
        self.num_heads, self.dropout_share = config.num_heads, config.dropout
        self.query, self.key_value, self.mixed = nn.Linear(size, size), nn.Linear(size, 2 * size), nn.Linear(size, size)
        self.inner, self.outer = nn.Linear(size, size), nn.Linear(size, size)
        self.query_norm, self.feed_norm = nn.LayerNorm(size), nn.LayerNorm(size)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, state_BTD: torch.Tensor) -> torch.Tensor:
        state_BTD = self.feed_norm(state_BTD + self.mixed(self._attend(state_BTD)))
        inner_BTD = functional.relu(self.dropout(self.inner(state_BTD)))
        return state_BTD + self.dropout(self.outer(inner_BTD))

    def _attend(self, state_BTD: torch.Tensor) -> torch.Tensor:
        query_BHTD = self._split(self.query(self.query_norm(state_BTD)))
        key_BHTD, value_BHTD = map(self._split, self.key_value(state_BTD).chunk(2, dim=-1))
        share = self.dropout_share if self.training else 0.0
        mixed_BHTD = functional.scaled_dot_product_attention(
            query_BHTD, key_BHTD, value_BHTD, dropout_p=share, is_causal=True
        )
        return mixed_BHTD.transpose(1, 2).flatten(2)

    def _split(self, state_BTD: torch.Tensor) -> torch.Tensor:
        """Return the heads (B, H, T, D / H)."""
        return state_BTD.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


class SASRecRanker:
    """A trained model as a ranker of the whole catalogue; it uses the history, not the user."""

    def __init__(self, model: SASRec) -> None:
        self._model = model.eval()

    @torch.no_grad()
    def sort_keys(self, history: Sequence[int] | np.ndarray, user: int | None = None) -> np.ndarray:  # noqa: ARG002 (a Ranker has it)
        """Return the sort keys (N); all are equal where the history is empty."""
        item_ND = self._model.items.weight
        if len(history) == 0:
            return np.zeros(len(item_ND), dtype=np.int64)
        recent = np.asarray(history, dtype=np.int64)[-self._model.config.max_history :]
        state_D = self._model(torch.from_numpy(recent)[None], torch.tensor([len(recent)]))[0, -1]
        return keys_of_scores((item_ND @ state_D).numpy())


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.xavier_normal_(module.weight)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
