"""Settings of adapters and of the optimiser."""

from dataclasses import dataclass
from typing import Literal

from recsys_model.config.checks import require

DEFAULT_ALPHA = 16.0
"""LoRA alpha without a setting."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LoraConfig:
    """Low-rank adapters on the four named linears of every layer (paper, Implementation)."""

    enabled: bool = True
    """False trains all weights, which a small model trained from scratch needs."""
    rank: int = 8
    """Rank of the update, at least 1; the paper searches 2, 4, 8, 16, 32."""
    alpha: float | None = None
    """The update is scaled by alpha / rank; without `alpha_per_rank` 16 by default."""
    alpha_per_rank: float | None = None
    """Sets alpha to this times the rank, so that the scale of the update is the same at every rank; in place of `alpha`."""
    dropout: float = 0.0
    """Dropout on the input of the adapters, 0 to 1."""
    train_position_embeddings: bool = False
    """Also train both position tables: GLM has rarely seen intra ids where entities have them."""

    def __post_init__(self) -> None:
        require(self.rank >= 1, f"lora.rank must be at least 1, got {self.rank}")
        require(
            self.alpha is None or self.alpha_per_rank is None,
            f"lora.alpha and lora.alpha_per_rank set the same scale, got {self.alpha} and {self.alpha_per_rank}; "
            "leave one of them out",
        )
        for name in ("alpha", "alpha_per_rank"):
            value = getattr(self, name)
            require(value is None or value > 0.0, f"lora.{name} must be above 0, got {value}")
        require(0.0 <= self.dropout < 1.0, f"lora.dropout must be in [0, 1), got {self.dropout}")

    @property
    def effective_alpha(self) -> float:
        """The alpha of adapters of this rank.

        Example:
            >>> LoraConfig(rank=4).effective_alpha, LoraConfig(rank=4, alpha_per_rank=2.0).effective_alpha
            (16.0, 8.0)
        """
        if self.alpha_per_rank is not None:
            return self.alpha_per_rank * self.rank
        return DEFAULT_ALPHA if self.alpha is None else self.alpha


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizerConfig:
    """AdamW with warm-up and a decaying learning rate."""

    learning_rate: float = 1e-5
    """Peak learning rate; 1.0e-5 is the paper's for GLM-10B."""
    weight_decay: float = 0.01
    """Decoupled weight decay of matrices; biases, LayerNorms and embeddings have none."""
    betas: tuple[float, float] = (0.9, 0.98)
    """Decay of AdamW's two moments."""
    warmup_share: float = 0.05
    """Share of the steps in which the rate rises linearly from 0."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """Schedule of the rate after the warm-up."""
    final_share: float = 0.1
    """The last learning rate as a share of the peak (not with `constant`)."""
    max_grad_norm: float = 1.0
    """Gradients are clipped to this global norm."""

    def __post_init__(self) -> None:
        require(self.learning_rate > 0.0, f"optimizer.learning_rate must be above 0, got {self.learning_rate}")
        require(self.weight_decay >= 0.0, f"optimizer.weight_decay must not be negative, got {self.weight_decay}")
        require(
            len(self.betas) == 2 and all(0.0 <= beta < 1.0 for beta in self.betas),
            f"optimizer.betas must be two numbers in [0, 1), got {self.betas}",
        )
        require(0.0 <= self.warmup_share <= 1.0, f"optimizer.warmup_share must be in [0, 1], got {self.warmup_share}")
        require(0.0 <= self.final_share <= 1.0, f"optimizer.final_share must be in [0, 1], got {self.final_share}")
        require(self.max_grad_norm > 0.0, f"optimizer.max_grad_norm must be above 0, got {self.max_grad_norm}")
