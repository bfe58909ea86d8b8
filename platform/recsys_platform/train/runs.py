"""Create the folder of a run; resume it only with --resume and identical settings."""

import json
import shutil
from pathlib import Path
from typing import Any

from recsys_model.errors import CheckpointError
from recsys_platform.config.run import RunConfig, config_to_dict

RUN_FILE = "run.json"
SECTIONS = ("name", "seed", "model", "entity", "objective", "tasks", "lora", "optimizer", "train")
"""Sections of a configuration that shape the training; a digest identifies the dataset."""


def identity_of_run(config: RunConfig, dataset_digest: str, weights_digest: str | None) -> dict[str, Any]:
    """Return the settings and digests that must be equal to resume a run."""
    settings = config_to_dict(config)
    return {
        "dataset_digest": dataset_digest,
        "weights_digest": weights_digest,
        **{section: settings[section] for section in SECTIONS},
    }


def open_run_folder(folder: Path, identity: dict[str, Any], *, resume: bool, overwrite: bool) -> None:
    """Create the folder of a run, or check that it holds the run to resume.

    Raises:
        CheckpointError: there is an unfinished run and neither `resume` nor `overwrite`; or nothing to resume; or
            the run to resume was started with other settings or data.
    """
    if resume:
        _check_same_run(folder, identity)
        return
    if folder.exists() and not overwrite:
        raise CheckpointError(
            f"{folder} holds an unfinished training; pass --resume to continue it, or --overwrite to start over"
        )
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / RUN_FILE).write_text(json.dumps(identity, indent=1) + "\n", encoding="utf-8")


def _check_same_run(folder: Path, identity: dict[str, Any]) -> None:
    path = folder / RUN_FILE
    if not path.is_file():
        raise CheckpointError(f"{folder} holds no unfinished training to resume; start it without --resume")
    started = json.loads(path.read_text(encoding="utf-8"))
    different = _differences(started, identity)
    if different:
        raise CheckpointError(
            f"{folder} was started differently and cannot be resumed like this:\n  "
            + "\n  ".join(different)
            + "\nrestore these settings, or pass --overwrite to start over"
        )


def _differences(started: Any, current: Any, path: str = "") -> list[str]:
    """Name every setting that differs, with both values."""
    if isinstance(started, dict) and isinstance(current, dict):
        keys = sorted(started.keys() | current.keys())
        return [line for key in keys for line in _differences(started.get(key), current.get(key), f"{path}{key}.")]
    return [] if started == current else [f"{path[:-1]}: started with {started!r}, now {current!r}"]
