"""Build the entity head that a run trains: a new one, or the one of its `model.weights`.

A resumed head keeps the rows of its items, whatever their indices in the two catalogues; other items start from their
words alone.
"""

import dataclasses
import logging
from pathlib import Path
from typing import cast

import torch
from torch import nn

from recsys_model.backbones.base import Backbone
from recsys_model.config import require
from recsys_model.entities.catalog import Catalog
from recsys_model.entity_head.head import EntityHead
from recsys_model.entity_head.storage import load_head_config, load_item_ids, load_tables
from recsys_model.entity_head.vectors import tokens_of
from recsys_model.errors import CheckpointError
from recsys_platform.artifacts import MANIFEST_NAME
from recsys_platform.checkpoints import ENTITIES_FOLDER
from recsys_platform.config.run import RunConfig

logger = logging.getLogger(__name__)

FREE_SETTINGS = ("enabled", "negatives")
"""Settings of a head that do not affect its tables and scores."""


def check_head(config: RunConfig) -> None:
    """Raise if a setting needs an entity head that the run lacks, or if the head does not fit the run.

    Raises:
        ConfigError: naming the setting.
        CheckpointError: the head that the run would resume is damaged.
    """
    _check_trained_head(config)
    needs_input_vectors = config.objective.history != "tokens"
    require(
        not needs_input_vectors or (config.entity.enabled and config.entity.inputs),
        f"objective.history {config.objective.history} needs the vectors of an entity head as inputs, and the run has "
        "none; set entity.enabled and entity.inputs to true, or objective.history to tokens",
    )
    if config.entity.enabled:
        require(
            not config.entity.earlier_inputs or config.objective.next_item_target == "all",
            "entity.earlier_inputs is about histories in part B; set objective.next_item_target to all, or "
            f"entity.earlier_inputs to false, got {config.objective.next_item_target}",
        )
        require(
            config.objective.entity_loss_weight > 0.0,
            "entity.enabled needs objective.entity_loss_weight above 0, or the head learns nothing",
        )
        return
    require(config.train.keep == "last", "train.keep best ranks with the entity head; set entity.enabled to true")
    require(
        config.objective.token_loss_weight > 0.0,
        "objective.token_loss_weight is 0 and there is no entity head to train; set entity.enabled to true",
    )


def build_head(config: RunConfig, model: nn.Module, catalog: Catalog) -> EntityHead | None:
    """Return the entity head of a model, None where the run has none.

    Raises:
        CheckpointError: the run resumes a head that is damaged or does not fit the model.
    """
    if not config.entity.enabled:
        return None
    geometry = cast(Backbone, model).config
    dtype = torch.bfloat16 if config.train.precision == "bf16" else torch.float32
    tokens = [tokens_of(item) for item in catalog.items]
    head = EntityHead(geometry.hidden_size, tokens, config.entity, is_new=config.model.weights is None)
    trained = trained_head_folder(config)
    if trained is None:
        head.measure_words(cast(Backbone, model))
    else:
        _take_over(head, trained, [item.item_id for item in catalog.items])
    return head.to(dtype)


def trained_head_folder(config: RunConfig) -> Path | None:
    """Return the folder of the head that the run's `model.weights` were trained with, None without one."""
    if config.model.weights is None:
        return None
    weights = Path(config.model.weights)
    folder = weights / ENTITIES_FOLDER
    return folder if (weights / MANIFEST_NAME).is_file() and folder.is_dir() else None


def _check_trained_head(config: RunConfig) -> None:
    """Raise unless the settings of the run are those of the head of its weights."""
    folder = trained_head_folder(config)
    if folder is None:
        return
    without = "or point model.weights at the weights/ folder in it to leave that head out"
    require(
        config.entity.enabled,
        f"model.weights {config.model.weights} was trained with an entity head; set entity.enabled to true, {without}",
    )
    ours, theirs = (dataclasses.asdict(each) for each in (config.entity, load_head_config(folder)))
    differing = [name for name in ours if name not in FREE_SETTINGS and ours[name] != theirs[name]]
    require(
        not differing,
        f"the entity head of model.weights {config.model.weights} was trained with other settings: "
        + ", ".join(f"entity.{name} {theirs[name]!r}, not {ours[name]!r}" for name in differing)
        + f"; set them so, {without}",
    )


def _take_over(head: EntityHead, folder: Path, item_ids: list[str]) -> None:
    """Copy the rows of common items, and the other tables, from a trained head."""
    trained_ids = load_item_ids(folder)
    tables = load_tables(folder)
    place_of = {item_id: place for place, item_id in enumerate(trained_ids)}
    row_pairs = [(place, place_of[item_id]) for place, item_id in enumerate(item_ids) if item_id in place_of]
    ours, theirs = (torch.tensor([pair[side] for pair in row_pairs], dtype=torch.int64) for side in (0, 1))
    state = head.state_dict()
    for name, table in state.items():
        trained = tables.get(name)
        per_item = name in ("residuals", "biases")
        expected = (len(trained_ids), *table.shape[1:]) if per_item else tuple(table.shape)
        if trained is None or tuple(trained.shape) != expected:
            shape = None if trained is None else tuple(trained.shape)
            raise CheckpointError(f"the entity head in {folder} must have {name} of shape {expected}, got {shape}")
        if per_item:
            table[ours] = trained[theirs].to(table.dtype)
        else:
            table.copy_(trained)
    logger.info("entity head of %s: it has rows of %d of %d items", folder, len(row_pairs), len(item_ids))
