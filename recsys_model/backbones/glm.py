"""GLM: a transformer with two position ids per token (Du et al. 2021, arXiv 2103.10360).

Parameter names equal those of the published checkpoints. The output projection is the word
embedding. What a token sees is decided by the `Attention` that the caller passes.

Shape suffixes: B = examples, T = tokens, D = hidden size, F = inner size of the MLP, H = heads, E = size of a head,
X = any leading shape.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from recsys_model.backbones.base import INITIAL_STD, INITIAL_STD_WIDTH, Attention, Backbone, plus
from recsys_model.backbones.dropout import Dropout
from recsys_model.config import GLMConfig

PUBLISHED_PREFIX = "glm."
"""Prefix of the tensor names of a GLMForConditionalGeneration."""


class GLM(Backbone):
    """Word embedding, two position tables and a stack of pre-LayerNorm blocks."""

    family = "glm"
    lora_targets = ("query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h")
    position_tables = ("position_embeddings", "block_position_embeddings")

    def __init__(self, config: GLMConfig) -> None:
        super().__init__()
        self._config = config
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.transformer = GLMTransformer(config)
        self.apply(self._initialise)

    @property
    def config(self) -> GLMConfig:
        """The geometry."""
        return self._config

    @property
    def blocks(self) -> nn.ModuleList:
        """The transformer blocks."""
        return self.transformer.layers

    def hidden_states(
        self,
        token_ids_BT: Tensor,
        inter_position_ids_BT: Tensor,
        intra_position_ids_BT: Tensor,
        attention: Attention,
        added_BTD: Tensor | None = None,
    ) -> Tensor:
        """Return the states after the final LayerNorm, [B, T, D]."""
        embedded_BTD = plus(self.word_embeddings(token_ids_BT), added_BTD)
        return self.transformer(embedded_BTD, inter_position_ids_BT, intra_position_ids_BT, attention)

    def word_vectors(self, token_ids_X: Tensor) -> Tensor:
        """Return the word embeddings of some tokens, [X, D]."""
        return self.word_embeddings(token_ids_X)

    def logits(self, hidden_XD: Tensor) -> Tensor:
        """Project states of any leading shape on the vocabulary."""
        return functional.linear(hidden_XD, self.word_embeddings.weight)

    def output_rows(self, token_ids_X: Tensor) -> Tensor:
        """Return the rows of the tied word embedding for some tokens, [X, D]."""
        return functional.embedding(token_ids_X, self.word_embeddings.weight)

    @property
    def output_matrix(self) -> Tensor:
        """The word embedding."""
        return self.word_embeddings.weight

    def own_state(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors under their bare names, with which the published files have them too."""
        return {name.removeprefix(PUBLISHED_PREFIX): tensor for name, tensor in state.items()}

    def _initialise(self, module: nn.Module) -> None:
        """Draw small normal weights; those that write to the residual stream smaller with depth.

        Position tables begin as sinusoids of the same size: with random rows a small model must learn the relation "the
        item before" at every position separately.
        """
        linear_std = INITIAL_STD * math.sqrt(INITIAL_STD_WIDTH / self.config.hidden_size)
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=INITIAL_STD)
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=linear_std)
            nn.init.zeros_(module.bias)
        if isinstance(module, GLMBlock):
            scaled_std = linear_std / math.sqrt(2 * self.config.num_layers)
            nn.init.normal_(module.attention.dense.weight, std=scaled_std)
            nn.init.normal_(module.mlp.dense_4h_to_h.weight, std=scaled_std)
        if isinstance(module, GLMTransformer):
            for table in (module.position_embeddings, module.block_position_embeddings):
                with torch.no_grad():
                    table.weight.copy_(sinusoids(table.num_embeddings, table.embedding_dim))


class GLMTransformer(nn.Module):
    """Everything between the word embedding and the output projection."""

    def __init__(self, config: GLMConfig) -> None:
        super().__init__()
        num_positions = config.max_sequence_length + 1
        self.position_embeddings = nn.Embedding(num_positions, config.hidden_size)
        self.block_position_embeddings = nn.Embedding(num_positions, config.hidden_size)
        self.layers = nn.ModuleList(GLMBlock(config) for _ in range(config.num_layers))
        self.final_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layernorm_epsilon)
        self.dropout = Dropout(config.dropout)

    def forward(
        self,
        embedded_BTD: Tensor,
        inter_position_ids_BT: Tensor,
        intra_position_ids_BT: Tensor,
        attention: Attention,
    ) -> Tensor:
        """Add both positions, run the blocks, normalise."""
        inter_BTD = self.position_embeddings(inter_position_ids_BT)
        intra_BTD = self.block_position_embeddings(intra_position_ids_BT)
        hidden_BTD = self.dropout(embedded_BTD + inter_BTD + intra_BTD)
        for layer, block in enumerate(self.layers):
            hidden_BTD = block(hidden_BTD, layer, attention)
        return self.final_layernorm(hidden_BTD)


class GLMBlock(nn.Module):
    """Attention and MLP, each behind a LayerNorm and added to the stream."""

    def __init__(self, config: GLMConfig) -> None:
        super().__init__()
        self.input_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layernorm_epsilon)
        self.attention = GLMAttention(config)
        self.post_attention_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layernorm_epsilon)
        self.mlp = GLMMLP(config)
        self.dropout = Dropout(config.dropout)

    def forward(self, hidden_BTD: Tensor, layer: int, attention: Attention) -> Tensor:
        """Return the stream after this block."""
        mixed_BTD = self.attention(self.input_layernorm(hidden_BTD), layer, attention)
        hidden_BTD = hidden_BTD + self.dropout(mixed_BTD)
        return hidden_BTD + self.dropout(self.mlp(self.post_attention_layernorm(hidden_BTD)))


class GLMAttention(nn.Module):
    """Queries, keys and values in three contiguous blocks of one projection."""

    def __init__(self, config: GLMConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.query_key_value = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, normed_BTD: Tensor, layer: int, attention: Attention) -> Tensor:
        """Return the mixed values, projected."""
        query_BTD, key_BTD, value_BTD = self.query_key_value(normed_BTD).chunk(3, dim=-1)
        mixed_BHTE = attention(layer, self._heads(query_BTD), self._heads(key_BTD), self._heads(value_BTD))
        return self.dense(mixed_BHTE.transpose(1, 2).flatten(2))

    def _heads(self, states_BTD: Tensor) -> Tensor:
        return states_BTD.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


class GLMMLP(nn.Module):
    """Two linears around a GELU."""

    def __init__(self, config: GLMConfig) -> None:
        super().__init__()
        self.dense_h_to_4h = nn.Linear(config.hidden_size, 4 * config.hidden_size)
        self.dense_4h_to_h = nn.Linear(4 * config.hidden_size, config.hidden_size)
        self.approximate = "none" if config.gelu == "erf" else "tanh"

    def forward(self, normed_BTD: Tensor) -> Tensor:
        """Return the transformed states."""
        inner_BTF = functional.gelu(self.dense_h_to_4h(normed_BTD), approximate=self.approximate)
        return self.dense_4h_to_h(inner_BTF)


def sinusoids(num_positions: int, width: int) -> Tensor:
    """Return sines and cosines of falling frequency (Vaswani et al. 2017), [positions, width], of size `INITIAL_STD`."""
    position_T = torch.arange(num_positions, dtype=torch.float32)
    half = (width + 1) // 2
    frequency_F = torch.exp(torch.arange(half, dtype=torch.float32) * (-math.log(10_000.0) / half))
    angle_TF = position_T[:, None] * frequency_F
    waves_TD = torch.stack([angle_TF.sin(), angle_TF.cos()], dim=-1).flatten(1)[:, :width]
    return waves_TD * (INITIAL_STD * math.sqrt(2.0))
