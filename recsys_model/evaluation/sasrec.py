"""SASRec (Kang and McAuley 2018): a small causal transformer over item numbers, the sequential baseline.

It uses no text and no Ray. Input and output share the vectors of the items. Training is in `sasrec_training`, with the
softmax over all items in place of one sampled negative; this loss, the dropout and the number of passes make the
baseline strong.

Rows are padded behind their last event. Attention is causal, so no event sees the padding, and states at padding are
not used.

Shape suffixes: B = users of a batch, T = events of the longest history, D = width, H = heads, N = items.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from recsys_model.config import require
from recsys_model.evaluation.baselines import keys_of_scores

_INITIAL_STD = 0.02


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

    def forward(self, items_BT: torch.Tensor) -> torch.Tensor:
        """Return the state after each event (B, T, D) of histories no longer than `max_history`."""
        position_T = torch.arange(items_BT.shape[1], device=items_BT.device)
        state_BTD = self.dropout(self.norm(self.items(items_BT) + self.positions(position_T)))
        for block in self.blocks:
            state_BTD = block(state_BTD)
        return state_BTD


class _Block(nn.Module):
    """Self-attention and a feed-forward layer, each added to its input and normalised after that."""

    def __init__(self, config: SASRecConfig) -> None:
        super().__init__()
        size = config.hidden_size
        self.num_heads, self.dropout_share = config.num_heads, config.dropout
        self.query_key_value, self.mixed = nn.Linear(size, 3 * size), nn.Linear(size, size)
        self.inner, self.outer = nn.Linear(size, 4 * size), nn.Linear(4 * size, size)
        self.attention_norm, self.feed_norm = nn.LayerNorm(size), nn.LayerNorm(size)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, state_BTD: torch.Tensor) -> torch.Tensor:
        state_BTD = self.attention_norm(state_BTD + self.dropout(self.mixed(self._attend(state_BTD))))
        fed_BTD = self.outer(functional.gelu(self.inner(state_BTD)))
        return self.feed_norm(state_BTD + self.dropout(fed_BTD))

    def _attend(self, state_BTD: torch.Tensor) -> torch.Tensor:
        batch, length, size = state_BTD.shape
        parts_BTHD = self.query_key_value(state_BTD).view(batch, length, 3 * self.num_heads, size // self.num_heads)
        query_BHTD, key_BHTD, value_BHTD = parts_BTHD.transpose(1, 2).chunk(3, dim=1)
        share = self.dropout_share if self.training else 0.0
        mixed_BHTD = functional.scaled_dot_product_attention(
            query_BHTD, key_BHTD, value_BHTD, dropout_p=share, is_causal=True
        )
        return mixed_BHTD.transpose(1, 2).reshape(batch, length, size)


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
        state_D = self._model(torch.from_numpy(recent)[None])[0, -1]
        return keys_of_scores((item_ND @ state_D).numpy())


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=_INITIAL_STD)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
