"""LoRA through peft on the named linears of every layer (paper, Implementation)."""

from typing import TYPE_CHECKING

from torch import nn

from recsys_model.backbones.base import Backbone
from recsys_model.config import LoraConfig
from recsys_model.errors import ConfigError

if TYPE_CHECKING:
    from peft import PeftModel


def apply_lora(model: Backbone, config: LoraConfig) -> "PeftModel":
    """Freeze `model` and return it with trainable adapters, which change nothing at first.

    Tables that the published weights lack are trained in full.

    Raises:
        ConfigError: the rank exceeds the smallest dimension of a linear, or there is no position table to train.
    """
    # as slow to import as torch, and training without adapters does not need it
    from peft import LoraConfig as PeftLoraConfig
    from peft import PeftModel, get_peft_model

    check_lora(model, config)
    tables = [*model.new_tables, *(model.position_tables if config.train_position_embeddings else ())]
    peft_config = PeftLoraConfig(
        r=config.rank,
        lora_alpha=config.effective_alpha,  # pyrefly: ignore[bad-argument-type]
        lora_dropout=config.dropout,
        target_modules=list(model.lora_targets),
        modules_to_save=tables or None,
    )
    adapted = get_peft_model(model, peft_config)  # pyrefly: ignore[bad-argument-type]
    assert isinstance(adapted, PeftModel), "a backbone has no peft task type, so peft wraps it plainly"
    return adapted


def check_lora(model: Backbone, config: LoraConfig) -> None:
    """Raise unless adapters of these settings fit `model`, which may be on the meta device.

    Raises:
        ConfigError: the rank exceeds the smallest dimension of a linear, or there is no position table to train.
    """
    check_rank(model, config.rank)
    if config.train_position_embeddings and not model.position_tables:
        raise ConfigError(
            f"lora.train_position_embeddings needs learned position tables, a {model.family} model has none; "
            "set it to false"
        )


def check_rank(model: Backbone, rank: int, setting: str = "lora.rank") -> None:
    """Raise if adapters of this rank would be larger than a linear that they adapt.

    Raises:
        ConfigError: naming that linear, and the `setting` of the rank.
    """
    linears = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name.rpartition(".")[2] in model.lora_targets
    }
    name, smallest = min(linears.items(), key=lambda pair: min(pair[1].in_features, pair[1].out_features))
    limit = min(smallest.in_features, smallest.out_features)
    if rank > limit:
        raise ConfigError(
            f"{setting} must be at most {limit}, the smallest dimension of {name} "
            f"({smallest.in_features} x {smallest.out_features}), got {rank}"
        )
