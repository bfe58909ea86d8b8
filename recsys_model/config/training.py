"""Settings of adapters and of the optimiser."""

from dataclasses import dataclass
from typing import Literal

from recsys_model.config.checks import require


@dataclass(frozen=True, kw_only=True, slots=True)
class LoraConfig:
    """Low-rank adapters on the four named linears of every layer (paper, Implementation)."""

    enabled: bool = True
    """False trains all weights, which a small model trained from scratch needs."""
    rank: int = 8
    """Rank of the update, at least 1; the paper searches 2, 4, 8, 16, 32."""
    alpha: float = 16.0
    """The update is scaled by alpha / rank."""
    dropout: float = 0.0
    """Dropout on the input of the adapters, 0 to 1."""
    train_position_embeddings: bool = False
    """Also train both position tables: GLM has rarely seen intra ids where entities have them."""

    def __post_init__(self) -> None:
        require(self.rank >= 1, f"lora.rank must be at least 1, got {self.rank}")
        require(self.alpha > 0.0, f"lora.alpha must be above 0, got {self.alpha}")
        require(0.0 <= self.dropout < 1.0, f"lora.dropout must be in [0, 1), got {self.dropout}")


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
