"""Build the bundle artifact from dataset and checkpoint; serving needs nothing else."""

import json
import logging
from pathlib import Path
from typing import Any

import torch

from recsys_model.backbones.checkpoint import load_model
from recsys_model.bundle import Bundle, BundleSettings, load_bundle, write_bundle
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
from recsys_platform.checkpoints import ENTITIES_FOLDER, check_scoring, load_trained_model, trained_objective
from recsys_platform.config.run import RunConfig, config_to_dict
from recsys_platform.file_names import TOKENIZER_FOLDER
from recsys_platform.item_columns_file import load_columns, write_columns
from recsys_platform.serve.bundle_check import check_same_weights, fingerprint, largest_difference, recommend
from recsys_platform.serve.bundle_weights import choose_weights, folder_size_bytes

logger = logging.getLogger(__name__)


def run_bundle(config: RunConfig, *, overwrite: bool = False) -> dict[str, Any]:
    """Write the bundle of a run's dataset and checkpoint, compare it with the evaluated model, and describe it.

    Window, text and intra mode are those of the training, even if the configuration has changed since. Only `decoding`
    comes from the configuration. No weight is rounded: see `BundleConfig.adapter`.

    Returns:
        `bundle`, its path; `size_bytes` in all and `weights` in words; the number of `items` and of `compared_users`.

    Raises:
        ConfigError: the model cannot score items as `decoding.scoring` asks.
        CheckpointError: an artifact is missing, damaged or does not fit the other one; the bundle exists; or it would
            recommend something else than the evaluated model.
    """
    refuse_to_overwrite(config.bundle_folder, overwrite=overwrite)
    dataset = open_artifact(config.dataset_folder, "dataset")
    checkpoint = open_artifact(config.checkpoint_folder, "checkpoint")
    check_parent(checkpoint, dataset)
    check_scoring(config.checkpoint_folder, config.decoding)
    settings = trained_settings(config, dataset, checkpoint)
    if config.evaluate.use_gpu != config.serve.use_gpu:
        logger.warning(
            "a GPU computes in bf16 and a CPU in fp32, and evaluate.use_gpu is %s but serve.use_gpu %s: scores of the "
            "endpoint differ from those of the evaluation by the rounding of bf16",
            config.evaluate.use_gpu,
            config.serve.use_gpu,
        )
    parents = {"dataset": dataset.digest, "checkpoint": checkpoint.digest}
    with write_artifact(config.bundle_folder, "bundle", config_to_dict(config), parents, overwrite=overwrite) as (
        folder,
        counts,
    ):
        counts |= _write(folder, config, settings)
    size_bytes = folder_size_bytes(config.bundle_folder)
    logger.info("bundle %s: %d items, %.1f MB", config.bundle_folder, counts["items"], size_bytes / 1e6)
    description = {name: counts[name] for name in ("items", "weights", "compared_users")}
    return {"bundle": str(config.bundle_folder), "size_bytes": size_bytes, **description}


def _write(folder: Path, config: RunConfig, settings: BundleSettings) -> dict[str, Any]:
    """Write the bundle into `folder` and return what its manifest counts; one model is in memory at a time."""
    evaluated = _load_evaluated(config, settings)
    users = (config.dataset_folder, config.bundle.compared_users)
    weights, expected = fingerprint(evaluated), recommend(evaluated, *users)
    stored = choose_weights(config.checkpoint_folder, config.bundle.adapter)
    model, tokenizer, catalog, scorer = evaluated.model, evaluated.tokenizer, evaluated.catalog, evaluated.scorer
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    del evaluated
    if stored.base is not None:
        del model
        model = load_model(stored.base, dtype=stored.dtype, mask=stored.mask)
    columns = load_columns(config.dataset_folder, len(catalog.items))
    write_bundle(folder, model, tokenizer, catalog, settings, stored.dtype, scorer, stored.adapter)
    if columns is not None:
        write_columns(folder, columns)
    del model
    bundle = load_bundle(folder, dtype=torch.float32)
    check_same_weights(weights, fingerprint(bundle))
    difference = largest_difference(expected, recommend(bundle, *users))
    return {
        "items": len(catalog.items),
        "parameters": num_parameters,
        "weights": stored.describe(folder),
        "compared_users": len(expected),
        "largest_score_difference": difference,
    }


def _load_evaluated(config: RunConfig, settings: BundleSettings) -> Bundle:
    """Return the model of the checkpoint as an evaluation on a CPU loads it."""
    catalog = load_catalog(config.dataset_folder)
    tokenizer = load_tokenizer(config.dataset_folder / TOKENIZER_FOLDER)
    model = load_trained_model(config.checkpoint_folder).eval()
    scorer = load_scorer(config.checkpoint_folder / ENTITIES_FOLDER, model, catalog.items)
    return Bundle(model=model, tokenizer=tokenizer, catalog=catalog, settings=settings, scorer=scorer)


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
        time_format=dataset.config["input"]["interactions"].get("time_format"),
    )


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
