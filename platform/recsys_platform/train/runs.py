"""Create the folder of a run; resume it only with --resume and with settings that leave its steps as they were."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

from recsys_model.errors import CheckpointError
from recsys_platform.config.run import RunConfig, config_to_dict

logger = logging.getLogger(__name__)

RUN_FILE = "run.json"
SECTIONS = ("name", "seed", "model", "entity", "objective", "tasks", "lora", "optimizer", "train")
"""Sections of a configuration that shape the training; a digest identifies the dataset."""
FREE_SETTINGS = (
    "train.cpus_per_worker",
    "train.packing",
    "train.row_tokens",
    "train.activation_checkpointing",
    "train.epochs",
    "train.max_minutes",
    "train.log_every_steps",
    "train.validate_every_steps",
    "train.max_validation_batches",
    "train.patience",
    "train.keep_checkpoints",
    "train.max_failures",
)
"""Settings that may change before a resume: examples, masks, losses and state of the steps so far do not depend on them."""
END_SETTINGS = ("train.epochs", "train.max_minutes")
"""Of these, settings of the end of the training, to which the schedule of the learning rate runs."""


def identity_of_run(config: RunConfig, dataset_digest: str, weights_digest: str | None) -> dict[str, Any]:
    """Return the settings and digests of a run; all but `FREE_SETTINGS` must be equal to resume it."""
    settings = config_to_dict(config)
    # which validation is the best one depends on the items that its ranking leaves out
    ranking = {"evaluate": {"exclude_seen": config.evaluate.exclude_seen}} if config.train.keep == "best" else {}
    return {
        "dataset_digest": dataset_digest,
        "weights_digest": weights_digest,
        **{section: settings[section] for section in SECTIONS},
        **ranking,
    }


def check_run_folder(folder: Path, identity: dict[str, Any], *, resume: bool, overwrite: bool) -> None:
    """Raise unless a run can start in the folder, or the run in it can be resumed; nothing is written.

    Raises:
        CheckpointError: there is an unfinished run and neither `resume` nor `overwrite`; or nothing to resume; or
            the run to resume was started with other data, or other settings than `FREE_SETTINGS`.
    """
    if resume:
        _check_same_run(folder, identity)
    elif folder.exists() and not overwrite:
        raise CheckpointError(
            f"{folder} holds an unfinished training; pass --resume to continue it, or --overwrite to start over"
        )


def open_run_folder(folder: Path, identity: dict[str, Any], *, resume: bool, overwrite: bool) -> None:
    """Create the folder of a run, or take up the run in it; changed settings are logged and recorded.

    Raises:
        CheckpointError: see `check_run_folder`.
    """
    check_run_folder(folder, identity, resume=resume, overwrite=overwrite)
    if resume:
        _tell_changes(folder, identity)
    elif folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RUN_FILE).write_text(json.dumps(identity, indent=1) + "\n", encoding="utf-8")


def _check_same_run(folder: Path, identity: dict[str, Any]) -> None:
    if not (folder / RUN_FILE).is_file():
        raise CheckpointError(f"{folder} holds no unfinished training to resume; start it without --resume")
    changes = _changes(_started(folder), identity)
    refused = [change for name, change in changes.items() if name not in FREE_SETTINGS]
    if refused:
        raise CheckpointError(
            f"{folder} was started differently and cannot be resumed like this:\n  "
            + "\n  ".join(refused)
            + "\nrestore these settings, or pass --overwrite to start over"
        )


def _tell_changes(folder: Path, identity: dict[str, Any]) -> None:
    changes = _changes(_started(folder), identity)
    for change in changes.values():
        logger.info("resuming with a changed setting: %s", change)
    if any(name in END_SETTINGS for name in changes):
        logger.warning("the schedule of the learning rate runs to the new end of the training from here on")


def _started(folder: Path) -> dict[str, Any]:
    return json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))


def _changes(started: Any, current: Any, path: str = "") -> dict[str, str]:
    """Return each setting that differs, and both of its values in words."""
    if isinstance(started, dict) and isinstance(current, dict):
        keys = sorted(started.keys() | current.keys())
        below = [_changes(started.get(key), current.get(key), f"{path}{key}.") for key in keys]
        return {name: change for changes in below for name, change in changes.items()}
    name = path[:-1]
    return {} if started == current else {name: f"{name}: started with {started!r}, now {current!r}"}
