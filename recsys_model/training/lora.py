"""LoRA through peft on the four named linears of every layer (paper, Implementation)."""

from peft import LoraConfig as PeftLoraConfig
from peft import PeftModel, get_peft_model

from recsys_model.backbones.glm import GLM
from recsys_model.config import LoraConfig
from recsys_model.errors import ConfigError

LORA_TARGETS = ("query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h")
"""Every linear of a GLM block."""
POSITION_TABLES = ("position_embeddings", "block_position_embeddings")


def apply_lora(model: GLM, config: LoraConfig) -> PeftModel:
    """Freeze `model` and return it with trainable adapters, which change nothing at first.

    Raises:
        ConfigError: the rank exceeds the model's width.
    """
    if config.rank > model.config.hidden_size:
        raise ConfigError(
            f"lora.rank must be at most the model's hidden size {model.config.hidden_size}, got {config.rank}"
        )
    peft_config = PeftLoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,  # pyrefly: ignore[bad-argument-type]
        lora_dropout=config.dropout,
        target_modules=list(LORA_TARGETS),
        modules_to_save=list(POSITION_TABLES) if config.train_position_embeddings else None,
    )
    adapted = get_peft_model(model, peft_config)  # pyrefly: ignore[bad-argument-type]
    assert isinstance(adapted, PeftModel), "a GLM has no peft task type, so peft wraps it plainly"
    return adapted
