"""Geometries of the families other than GLM: frozen dataclasses that check their own ranges. No torch here.

GLM's geometry is `recsys_model.config.GLMConfig`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from recsys_model.config import require

MaskKind = Literal["prefix", "causal"]
"""`prefix`: part A sees itself in both directions; `causal`: only what comes before."""

CAUSAL_FAMILY = "causal"
"""What `model.family` calls all of them."""
CAUSAL_MODEL_TYPES = ("llama", "qwen2", "qwen3")
"""Architectures of transformers that `CausalDecoder` was tested with; SmolLM2 is a llama."""
MAX_INTRA_POSITION = 2048
"""Largest position id of a causal decoder: rows less one of the table that is added to it."""
NUM_ROTARY_PARTS = 4
"""The size of a ChatGLM head is a multiple of this: two position ids, and a rotation needs two numbers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatGLMConfig:
    """Geometry of a ChatGLM-6B; the published sizes are the defaults."""

    num_layers: int = 28
    """Number of transformer blocks, at least 1."""
    hidden_size: int = 4096
    """Width of the residual stream; a multiple of four times `num_heads`."""
    num_heads: int = 32
    """Number of attention heads, at least 1."""
    vocab_size: int = 130528
    """Rows of the word embedding and of the output matrix, which is another one."""
    inner_hidden_size: int = 16384
    """Inner width of the MLP."""
    max_sequence_length: int = 2048
    """Largest inter and intra position id."""
    layernorm_epsilon: float = 1e-5
    """Added to the variance in every LayerNorm."""

    def __post_init__(self) -> None:
        names = ("num_layers", "hidden_size", "num_heads", "vocab_size", "inner_hidden_size", "max_sequence_length")
        for name in names:
            value = getattr(self, name)
            require(value >= 1, f"model.{name} must be at least 1, got {value}")
        require(
            self.hidden_size % (NUM_ROTARY_PARTS * self.num_heads) == 0,
            f"model.hidden_size must be a multiple of {NUM_ROTARY_PARTS} * num_heads in a ChatGLM, "
            f"got {self.hidden_size} and {self.num_heads}",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class CausalConfig:
    """Geometry of a causal decoder of transformers."""

    settings: Mapping[str, Any]
    """Content of its `config.json`; the keys of the properties below are required."""
    mask: MaskKind = "prefix"
    """What a token of part A sees."""
    has_intra_table: bool = True
    """Whether a table of intra position ids is added to the word embeddings; without one the model is the published one."""

    def __post_init__(self) -> None:
        model_type = self.settings.get("model_type")
        require(
            model_type in CAUSAL_MODEL_TYPES,
            f"a causal decoder must be one of {', '.join(CAUSAL_MODEL_TYPES)}, got {model_type!r}",
        )
        for name in ("vocab_size", "hidden_size", "max_position_embeddings"):
            value = self.settings.get(name)
            require(isinstance(value, int) and value >= 1, f"{name} must be at least 1, got {value!r}")
        windowed = set(self.settings.get("layer_types") or ()) - {"full_attention"}
        require(
            not windowed and not self.settings.get("use_sliding_window"),
            f"every layer of a causal decoder must see all tokens, got {', '.join(sorted(windowed)) or 'windows'}",
        )

    @property
    def vocab_size(self) -> int:
        """Rows of the word embedding."""
        return self.settings["vocab_size"]

    @property
    def hidden_size(self) -> int:
        """Width of the residual stream."""
        return self.settings["hidden_size"]

    @property
    def max_sequence_length(self) -> int:
        """Largest position id: that of the rotary positions, with an intra table at most `MAX_INTRA_POSITION`."""
        rotary = self.settings["max_position_embeddings"]
        return min(rotary, MAX_INTRA_POSITION) if self.has_intra_table else rotary


def new_llama(
    *, num_layers: int, hidden_size: int, num_heads: int, vocab_size: int, max_length: int, mask: MaskKind = "prefix"
) -> CausalConfig:
    """Return the geometry of a new Llama of the given size, its output matrix tied to the word embedding."""
    require(
        hidden_size % (2 * num_heads) == 0,
        f"model.hidden_size must be a multiple of 2 * num_heads in a causal decoder, got {hidden_size} and {num_heads}",
    )
    return CausalConfig(
        settings={
            "model_type": "llama",
            "num_hidden_layers": num_layers,
            "hidden_size": hidden_size,
            "intermediate_size": 4 * hidden_size,
            "num_attention_heads": num_heads,
            "num_key_value_heads": num_heads,
            "vocab_size": vocab_size,
            "max_position_embeddings": max_length,
            "tie_word_embeddings": True,
        },
        mask=mask,
    )
