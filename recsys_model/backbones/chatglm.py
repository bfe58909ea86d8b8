"""ChatGLM-6B: rotary positions in two dimensions and a residual stream that starts from the LayerNorm.

Parameter names equal those of the published checkpoint. The first half of every head is rotated by
the inter position id, the second by the intra position id. The layout of an answer is the one of the
published model, `text [gMASK] <sop> answer <eop>`: its tokenizer has neither `[CLS]` nor `[EOS]`.

Shape suffixes: B = examples, T = tokens, D = hidden size, H = heads, E = size of a head, R = half a head,
F = frequencies, V = vocabulary, X = any leading shape.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from recsys_model.backbones.base import INITIAL_STD, INITIAL_STD_WIDTH, Attention, Backbone, OutputHead, plus
from recsys_model.backbones.geometry import ChatGLMConfig
from recsys_model.errors import CheckpointError

ROTARY_BASE = 10_000.0
RESIDUAL_SCALE = math.sqrt(2 * 28)
"""The published code takes 28 layers for this at every size."""
FREQUENCIES_NAME = "rotary_emb.inv_freq"
"""Published files hold the frequencies of each layer, which follow from the geometry."""


class ChatGLM(Backbone):
    """Word embedding, a stack of blocks and an output matrix of its own."""

    family = "chatglm"
    lora_targets = ("query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h")

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__()
        self._config = config
        self.transformer = ChatGLMTransformer(config)
        self.lm_head = OutputHead(config.hidden_size, config.vocab_size)
        self.apply(self._initialise)

    @property
    def config(self) -> ChatGLMConfig:
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
        return self.transformer(token_ids_BT, inter_position_ids_BT, intra_position_ids_BT, attention, added_BTD)

    def word_vectors(self, token_ids_X: Tensor) -> Tensor:
        """Return the word embeddings of some tokens, [X, D]."""
        return self.transformer.word_embeddings(token_ids_X)

    def logits(self, hidden_XD: Tensor) -> Tensor:
        """Project states of any leading shape on the vocabulary."""
        return self.lm_head(hidden_XD)

    def output_rows(self, token_ids_X: Tensor) -> Tensor:
        """Return the rows of the output matrix for some tokens, [X, D]."""
        return self.lm_head(token_ids_X, rows=True)

    @property
    def output_matrix(self) -> Tensor:
        """The output matrix."""
        return self.lm_head.weight

    def own_state(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors without the rotary frequencies, which must be those of this geometry.

        Raises:
            CheckpointError: the weights were trained with other frequencies.
        """
        expected_F = rotary_frequencies(self.config)
        for name, tensor in state.items():
            if name.endswith(FREQUENCIES_NAME) and not _is_close(tensor, expected_F):
                raise CheckpointError(
                    f"{name} must hold the frequencies {expected_F.tolist()}, got {tensor.tolist()}; "
                    "the geometry in config.json is not that of the weights"
                )
        return {name: tensor for name, tensor in state.items() if not name.endswith(FREQUENCIES_NAME)}

    def _initialise(self, module: nn.Module) -> None:
        """Draw small normal weights for a new model."""
        if isinstance(module, nn.Embedding | OutputHead):
            nn.init.normal_(module.weight, std=INITIAL_STD)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=INITIAL_STD * math.sqrt(INITIAL_STD_WIDTH / self.config.hidden_size))
            nn.init.zeros_(module.bias)


class ChatGLMTransformer(nn.Module):
    """Everything before the output projection."""

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__()
        self._config = config
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(ChatGLMBlock(config) for _ in range(config.num_layers))
        self.final_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layernorm_epsilon)

    def forward(
        self,
        token_ids_BT: Tensor,
        inter_position_ids_BT: Tensor,
        intra_position_ids_BT: Tensor,
        attention: Attention,
        added_BTD: Tensor | None = None,
    ) -> Tensor:
        """Embed, run the blocks, normalise."""
        hidden_BTD = plus(self.word_embeddings(token_ids_BT), added_BTD)
        frequency_F = rotary_frequencies(self._config).to(hidden_BTD.device)
        rotations = [
            Rotation(position_ids_BT, frequency_F, hidden_BTD.dtype)
            for position_ids_BT in (inter_position_ids_BT, intra_position_ids_BT)
        ]
        for layer, block in enumerate(self.layers):
            hidden_BTD = block(hidden_BTD, layer, rotations, attention)
        return self.final_layernorm(hidden_BTD)


class ChatGLMBlock(nn.Module):
    """Attention and MLP, each added to the scaled output of the LayerNorm before it."""

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__()
        self.input_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layernorm_epsilon)
        self.attention = ChatGLMAttention(config)
        self.post_attention_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layernorm_epsilon)
        self.mlp = ChatGLMMLP(config)

    def forward(self, hidden_BTD: Tensor, layer: int, rotations: "list[Rotation]", attention: Attention) -> Tensor:
        """Return the stream after this block."""
        normed_BTD = self.input_layernorm(hidden_BTD)
        hidden_BTD = normed_BTD * RESIDUAL_SCALE + self.attention(normed_BTD, layer, rotations, attention)
        normed_BTD = self.post_attention_layernorm(hidden_BTD)
        return normed_BTD * RESIDUAL_SCALE + self.mlp(normed_BTD)


class ChatGLMAttention(nn.Module):
    """Queries, keys and values of each head side by side in one projection."""

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.query_key_value = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, normed_BTD: Tensor, layer: int, rotations: "list[Rotation]", attention: Attention) -> Tensor:
        """Return the mixed values, projected."""
        heads = self.query_key_value(normed_BTD).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
        query_BHTE, key_BHTE, value_BHTE = heads.chunk(3, dim=-1)
        mixed_BHTE = attention(layer, _rotate(query_BHTE, rotations), _rotate(key_BHTE, rotations), value_BHTE)
        return self.dense(mixed_BHTE.transpose(1, 2).flatten(2))


class ChatGLMMLP(nn.Module):
    """Two linears around a tanh GELU."""

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__()
        self.dense_h_to_4h = nn.Linear(config.hidden_size, config.inner_hidden_size)
        self.dense_4h_to_h = nn.Linear(config.inner_hidden_size, config.hidden_size)

    def forward(self, normed_BTD: Tensor) -> Tensor:
        """Return the transformed states."""
        return self.dense_4h_to_h(functional.gelu(self.dense_h_to_4h(normed_BTD), approximate="tanh"))


class Rotation:
    """Rotates half a head by one position id: number i is paired with number i + R/2."""

    def __init__(self, position_ids_BT: Tensor, frequency_F: Tensor, dtype: torch.dtype) -> None:
        """Compute sines and cosines in float32, or in the wider type of the model."""
        wide = torch.promote_types(dtype, torch.float32)
        angle_B1TF = position_ids_BT[:, None, :, None].to(wide) * frequency_F.to(wide)
        angle_B1TR = torch.cat([angle_B1TF, angle_B1TF], dim=-1)
        self._cos_B1TR = angle_B1TR.cos().to(dtype)
        self._sin_B1TR = angle_B1TR.sin().to(dtype)

    def __call__(self, states_BHTR: Tensor) -> Tensor:
        """Return the rotated states."""
        first, second = states_BHTR.chunk(2, dim=-1)
        return states_BHTR * self._cos_B1TR + torch.cat([-second, first], dim=-1) * self._sin_B1TR


def rotary_frequencies(config: ChatGLMConfig) -> Tensor:
    """Return the radians per position, [F], rounded to half precision as in the published model."""
    half_size = config.hidden_size // config.num_heads // 2
    exponent_F = torch.arange(0, half_size, 2, dtype=torch.float32, device="cpu") / half_size
    return (1.0 / ROTARY_BASE**exponent_F).half().float()


def _rotate(states_BHTE: Tensor, rotations: list[Rotation]) -> Tensor:
    halves = states_BHTE.chunk(2, dim=-1)
    return torch.cat([rotate(half) for rotate, half in zip(rotations, halves, strict=True)], dim=-1)


def _is_close(found_F: Tensor, expected_F: Tensor) -> bool:
    """Compare frequencies; a file may hold them rounded to half precision or not, or only their shape."""
    same_shape = found_F.shape == expected_F.shape
    return same_shape and (found_F.is_meta or torch.allclose(found_F.float(), expected_F, rtol=2e-3, atol=1e-7))
