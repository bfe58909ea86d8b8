"""Build the model that a run trains: new or loaded, with or without adapters."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from recsys_model.backbones.activation_checkpointing import recompute_activations
from recsys_model.backbones.base import Backbone, Geometry
from recsys_model.backbones.checkpoint import load_geometry, load_model, write_adapter, write_model
from recsys_model.backbones.families import build_backbone, family_of
from recsys_model.config import require
from recsys_model.entity_head.head import EntityHead
from recsys_model.entity_head.storage import write_head
from recsys_model.errors import CheckpointError
from recsys_model.training.lora import apply_lora
from recsys_platform.artifacts import MANIFEST_NAME, open_artifact
from recsys_platform.checkpoints import ADAPTER_FOLDER, ENTITIES_FOLDER, WEIGHTS_FOLDER, folder_digest
from recsys_platform.config.run import RunConfig
from recsys_platform.train.seeds import MAX_SEED

if TYPE_CHECKING:
    from peft import PeftModel


def check_model(config: RunConfig, vocab_size: int) -> Geometry:
    """Return the geometry of the run's model after checking that text and tokens fit it.

    Raises:
        ConfigError: settings contradict each other or the weights.
        CheckpointError: the weights are missing or damaged.
    """
    if config.model.weights is None:
        require(
            not config.lora.enabled,
            "lora.enabled needs model.weights: adapters on random weights learn nothing useful. "
            "Set lora.enabled to false to train all weights of a new model",
        )
        geometry = config.model.geometry(vocab_size)
    else:
        geometry = load_base_geometry(config)
    require(
        config.text.max_tokens <= geometry.max_sequence_length,
        f"text.max_tokens must be at most the model's max_sequence_length {geometry.max_sequence_length}, "
        f"got {config.text.max_tokens}; give the data stage a smaller one",
    )
    require(
        vocab_size <= geometry.vocab_size,
        f"the dataset's tokenizer has {vocab_size} tokens and the model only {geometry.vocab_size}; "
        "set tokenizer.path to the model's own tokenizer and run the data stage again",
    )
    return geometry


def load_base_geometry(config: RunConfig) -> Geometry:
    """Return the geometry of the model behind `model.weights`, which must be given.

    Raises:
        ConfigError: the model is of another family than `model.family`.
        CheckpointError: the weights are missing or damaged.
    """
    geometry = load_geometry(base_weights_folder(Path(str(config.model.weights))), config.model.mask)
    require(
        family_of(geometry) == config.model.family,
        f"model.family is {config.model.family}, but model.weights {config.model.weights} holds a "
        f"{family_of(geometry)} model; set model.family to {family_of(geometry)}",
    )
    return geometry


def with_precision(config: RunConfig) -> RunConfig:
    """Return the run with `train.precision: auto` resolved on the machine that starts it."""
    train = config.train
    if train.precision != "auto":
        return config
    is_fast = train.use_gpu or torch.cpu._is_avx512_bf16_supported()  # PyTorch has no public function for it
    precision = "bf16" if is_fast and train.zero_stage >= 1 else "fp32"
    return dataclasses.replace(config, train=dataclasses.replace(train, precision=precision))


def base_weights_folder(weights: Path) -> Path:
    """Return the model behind `model.weights`: the folder in a checkpoint artifact, a published one, or a GGUF file.

    Raises:
        CheckpointError: it is a checkpoint that holds only an adapter.
    """
    if not (weights / MANIFEST_NAME).is_file():
        return weights
    if not (weights / WEIGHTS_FOLDER).is_dir():
        raise CheckpointError(
            f"{weights} holds an adapter, not a whole model; set model.weights to the model it was trained on, or make "
            "a bundle with --set bundle.adapter=merged and set model.weights to the weights/ folder in it"
        )
    return weights / WEIGHTS_FOLDER


def verified_digest(weights: Path) -> str:
    """Return one SHA-256 over the files of the model behind `model.weights`.

    Raises:
        CheckpointError: it is a damaged checkpoint artifact, or holds only an adapter.
    """
    if (weights / MANIFEST_NAME).is_file():
        open_artifact(weights, "checkpoint")
    return folder_digest(base_weights_folder(weights))


def build_model(config: RunConfig, vocab_size: int) -> "Backbone | PeftModel":
    """Return the model to train, in float32, or bfloat16 where the run says so.

    New weights depend on the run's seed only.
    """
    dtype = torch.bfloat16 if config.train.precision == "bf16" else torch.float32
    geometry = check_model(config, vocab_size)
    if config.model.weights is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed % MAX_SEED)
            return _prepared(build_backbone(geometry).to(dtype), config)
    path = base_weights_folder(Path(config.model.weights))
    model = _prepared(load_model(path, dtype=dtype, mask=config.model.mask), config)
    if not config.lora.enabled:
        return model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed % MAX_SEED)
        return apply_lora(model, config.lora)


def _prepared(model: Backbone, config: RunConfig) -> Backbone:
    if config.train.activation_checkpointing:
        recompute_activations(model)
    return model


def write_trained(folder: Path, model: nn.Module, head: EntityHead | None = None) -> None:
    """Write all weights, or only the adapter if one was trained, and the entity head."""
    if head is not None:
        write_head(folder / ENTITIES_FOLDER, head, torch.float32)
    if isinstance(model, Backbone):
        write_model(folder / WEIGHTS_FOLDER, model)
    else:
        write_adapter(folder / ADAPTER_FOLDER, cast("PeftModel", model))
