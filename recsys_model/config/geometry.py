"""Geometry of a GLM, and the published sizes by name."""

from dataclasses import dataclass
from typing import Literal

from recsys_model.config.checks import require


@dataclass(frozen=True, kw_only=True, slots=True)
class GLMConfig:
    """Geometry of a GLM (Du et al. 2021, arXiv 2103.10360)."""

    num_layers: int
    """Number of transformer blocks, at least 1."""
    hidden_size: int
    """Width of the residual stream; a multiple of `num_heads`."""
    num_heads: int
    """Number of attention heads, at least 1."""
    vocab_size: int
    """Rows of the tied word embedding."""
    max_sequence_length: int = 1024
    """Largest inter and intra position id; both tables have one row more."""
    layernorm_epsilon: float = 1e-5
    """Added to the variance in every LayerNorm."""
    gelu: Literal["erf", "tanh"] = "erf"
    """`erf`: the published Hugging Face code; `tanh`: the original training code."""
    dropout: float = 0.0
    """Dropout probability on the embeddings and on what each block adds, 0 to 1; attention weights have none."""

    def __post_init__(self) -> None:
        for name in ("num_layers", "hidden_size", "num_heads", "vocab_size", "max_sequence_length"):
            value = getattr(self, name)
            require(value >= 1, f"model.{name} must be at least 1, got {value}")
        require(
            self.hidden_size % self.num_heads == 0,
            f"model.hidden_size must be a multiple of num_heads, got {self.hidden_size} and {self.num_heads}",
        )
        require(0.0 <= self.dropout < 1.0, f"model.dropout must be in [0, 1), got {self.dropout}")


PRESETS: dict[str, GLMConfig] = {
    "glm-10b": GLMConfig(num_layers=48, hidden_size=4096, num_heads=64, vocab_size=50304),
    "glm-2b": GLMConfig(num_layers=36, hidden_size=2048, num_heads=32, vocab_size=50304),
    "glm-large": GLMConfig(num_layers=24, hidden_size=1024, num_heads=16, vocab_size=30592, max_sequence_length=512),
    "glm-mini": GLMConfig(num_layers=4, hidden_size=192, num_heads=6, vocab_size=8192),
}
"""Published geometries, and `glm-mini` (trained from scratch; its vocabulary follows its own tokenizer)."""
