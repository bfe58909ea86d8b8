"""Checks that an artifact of an earlier command was made with the settings that are asked for now."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recsys_model.errors import CheckpointError
from recsys_platform.config.run import RunConfig, config_to_dict

UNIMPORTANT = ("name", "storage", "dataset", "checkpoint", "num_cpus", "tune", "bundle", "serve")
"""Settings that may differ between a run that was finished earlier and the one that is asked for."""
NOT_OF_DATA = (
    *("name", "storage", "dataset", "checkpoint", "num_cpus"),
    *("model", "entity", "objective", "lora", "optimizer", "train", "tune", "decoding", "evaluate", "bundle", "serve"),
)
"""What of a configuration the data stage does not read; two runs that differ in nothing else share a dataset. It reads
`entity.fields`, which no variant changes: a head without words does not look at them."""


def data_settings(config: RunConfig) -> dict[str, Any]:
    """Return what decides about a run's dataset, as plain JSON types."""
    return {name: value for name, value in config_to_dict(config).items() if name not in NOT_OF_DATA}


def check_settings(made_with: Mapping[str, Any], requested: Mapping[str, Any], folder: Path) -> None:
    """Raise unless an artifact was made with the settings that are asked for, as far as they matter.

    Args:
        made_with: Its configuration, as its manifest has it.
        requested: The configuration that is asked for, or some of its sections.
        folder: Of the artifact.

    Raises:
        CheckpointError: a section differs; all that do are named.
    """
    different = [name for name in requested if name not in UNIMPORTANT and made_with.get(name) != requested[name]]
    if different:
        raise CheckpointError(
            f"{folder} was made with other settings of {', '.join(different)} than the ones given; restore them, pass "
            "--overwrite to do the runs again, or choose another name"
        )
