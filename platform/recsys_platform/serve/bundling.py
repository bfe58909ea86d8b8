"""Build the bundle artifact from dataset and checkpoint; serving needs nothing else."""

import json
import logging
from pathlib import Path
from typing import Any

import torch

from recsys_model.bundle import BundleSettings, write_bundle
from recsys_model.config import TextConfig, WindowConfig, settings_from_dict
from recsys_model.entities.catalog import load_catalog
from recsys_model.entity_head.scorer import load_scorer
from recsys_model.errors import CheckpointError
from recsys_model.text.tokenizer import load_tokenizer
from recsys_platform.artifacts import (
    Manifest,
    check_parent,
    open_artifact,
    refuse_to_overwrite,
    write_artifact,
)
from recsys_platform.checkpoints import ENTITIES_FOLDER, load_trained_model, trained_objective
from recsys_platform.config.run import RunConfig, config_to_dict
from recsys_platform.file_names import TOKENIZER_FOLDER

logger = logging.getLogger(__name__)

_PRECISION_TO_DTYPE = {"fp32": torch.float32, "bf16": torch.bfloat16}


def run_bundle(config: RunConfig, *, overwrite: bool = False) -> dict[str, Any]:
    """Write the bundle of a run's dataset and checkpoint; return its path, size in bytes and number of items.

    An adapter is merged into the weights. Window, text and intra mode are those of the training, even if the
    configuration has changed since. Only `decoding` comes from the configuration.

    Raises:
        CheckpointError: An artifact is missing or damaged, the two do not fit, or the bundle exists.
    """
    refuse_to_overwrite(config.bundle_folder, overwrite=overwrite)
    dataset = open_artifact(config.dataset_folder, "dataset")
    checkpoint = open_artifact(config.checkpoint_folder, "checkpoint")
    check_parent(checkpoint, dataset)
    settings = trained_settings(config, dataset, checkpoint)
    dtype = _PRECISION_TO_DTYPE[checkpoint.config["train"]["precision"]]
    # an adapter is merged in fp32; bf16 would round the update away
    model = load_trained_model(config.checkpoint_folder, dtype=torch.float32)
    catalog = load_catalog(config.dataset_folder)
    scorer = load_scorer(config.checkpoint_folder / ENTITIES_FOLDER, model, catalog.items)
    tokenizer = load_tokenizer(config.dataset_folder / TOKENIZER_FOLDER)
    parents = {"dataset": dataset.digest, "checkpoint": checkpoint.digest}
    with write_artifact(config.bundle_folder, "bundle", config_to_dict(config), parents, overwrite=overwrite) as (
        folder,
        counts,
    ):
        write_bundle(folder, model, tokenizer, catalog, settings, dtype, scorer)
        counts["items"] = len(catalog.items)
        counts["parameters"] = sum(parameter.numel() for parameter in model.parameters())
    size_bytes = folder_size_bytes(config.bundle_folder)
    logger.info("bundle %s: %d items, %.1f MB", config.bundle_folder, len(catalog.items), size_bytes / 1e6)
    return {"bundle": str(config.bundle_folder), "size_bytes": size_bytes, "items": len(catalog.items)}


def trained_settings(config: RunConfig, dataset: Manifest, checkpoint: Manifest) -> BundleSettings:
    """Return the settings with which the training examples were built, and the decoding of the configuration."""
    objective = trained_objective(checkpoint)
    return BundleSettings(
        window=settings_from_dict(WindowConfig, dataset.config["window"], "window"),
        text=settings_from_dict(TextConfig, dataset.config["text"], "text"),
        decoding=config.decoding,
        intra_mode=objective.intra_mode,
        history_layout=objective.history_layout,
        trie_temperature=objective.trie_temperature,
        user_features=read_user_features(config.dataset_folder),
        seed=dataset.config["seed"],
    )


def folder_size_bytes(folder: Path) -> int:
    """Return the total size of all files of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def read_user_features(dataset_folder: Path) -> tuple[str, ...]:
    """Return the names of the user features of a dataset, in the order in which its texts have them.

    Raises:
        CheckpointError: The settings of the dataset do not name them.
    """
    path = dataset_folder / "settings.json"
    try:
        return tuple(json.loads(path.read_text(encoding="utf-8"))["user_features"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} must name the user_features: {error!r}; run the data stage again") from error
