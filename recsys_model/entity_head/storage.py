"""An entity head on disk: a folder of safetensors and JSON next to the weights or the adapter of its language model.

`head.json` holds the settings, `head.safetensors` the tables, `items.json` the item ids of their rows, `blend.json` the
weights of a blended score and `co_occurrence.safetensors` its counts. Word vectors are not stored: they are computed
from the model and the catalogue.
"""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from recsys_model.config import settings_from_dict
from recsys_model.entity_config import BlendWeights, EntityConfig
from recsys_model.entity_head.co_occurrence import CoOccurrenceCounts, load_counts
from recsys_model.entity_head.head import EntityHead
from recsys_model.errors import CheckpointError

SETTINGS_FILE = "head.json"
TABLES_FILE = "head.safetensors"
BLEND_FILE = "blend.json"
COUNTS_FILE = "co_occurrence.safetensors"
ITEMS_FILE = "items.json"
NEWER_SETTINGS = {"earlier_inputs": False}
"""Settings that heads of earlier versions do not name, with the value that says what those heads do."""


def write_head(folder: Path, head: EntityHead, dtype: torch.dtype | None = None) -> None:
    """Write settings and tables into `folder`, which is created; `dtype` converts the tables.

    The blend of an earlier head is deleted, because its weights were fitted to that head.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in (BLEND_FILE, COUNTS_FILE):
        (folder / name).unlink(missing_ok=True)
    text = json.dumps(dataclasses.asdict(head.config), indent=1)
    (folder / SETTINGS_FILE).write_text(text + "\n", encoding="utf-8")
    tables = {name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in head.state_dict().items()}
    save_file(tables, folder / TABLES_FILE, metadata={"format": "pt"})


def load_head(folder: Path, hidden_size: int, item_token_ids: Sequence[Sequence[int]]) -> EntityHead:
    """Read a head for a catalogue that begins with the items that it was trained with.

    Raises:
        CheckpointError: a file is missing or damaged, or tables, model and catalogue do not fit each other.
    """
    config = load_head_config(folder)
    tables = load_tables(folder)
    biases = tables.get("biases", torch.zeros(0))
    num_items = len(biases) if biases.ndim == 1 else 0
    if num_items > len(item_token_ids):
        raise CheckpointError(
            f"the entity head in {folder} has {num_items} items, the catalogue only {len(item_token_ids)}; "
            "it was trained with another dataset"
        )
    head = EntityHead(hidden_size, item_token_ids[:num_items], config)
    expected = {name: tuple(tensor.shape) for name, tensor in head.state_dict().items()}
    shapes = {name: tuple(tensor.shape) for name, tensor in tables.items()}
    if shapes != expected:
        raise CheckpointError(f"the entity head in {folder} must have the tables {expected}, got {shapes}; train again")
    head.load_state_dict({name: tensor.float() for name, tensor in tables.items()})
    return head.requires_grad_(False)


def load_tables(folder: Path) -> dict[str, torch.Tensor]:
    """Read the tables of a head as they were written.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    try:
        return load_file(folder / TABLES_FILE)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{folder} holds no entity head: {TABLES_FILE} cannot be read: {error}") from error


def write_item_ids(folder: Path, item_ids: Sequence[str]) -> None:
    """Write the item ids of the table rows, so that a later training can continue with another catalogue."""
    (folder / ITEMS_FILE).write_text(json.dumps(list(item_ids), ensure_ascii=False) + "\n", encoding="utf-8")


def load_item_ids(folder: Path) -> list[str]:
    """Read the item ids of the rows of the tables.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    path = folder / ITEMS_FILE
    try:
        item_ids = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} does not name the items of the entity head: {error}; train the head again to resume from it"
        ) from error
    if not isinstance(item_ids, list) or not all(isinstance(each, str) for each in item_ids):
        raise CheckpointError(f"{path} must hold a list of item ids, got {type(item_ids).__name__}")
    return item_ids


def load_head_config(folder: Path) -> EntityConfig:
    """Read the settings of a head alone.

    Raises:
        CheckpointError: the file is missing or damaged, or a setting is unknown, missing or out of range.
    """
    path = folder / SETTINGS_FILE
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(settings, dict):
            settings = {**NEWER_SETTINGS, **settings}
        return settings_from_dict(EntityConfig, settings, "entity")
    except (OSError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} does not hold the settings of an entity head: {error}") from error


def write_blend(folder: Path, weights: BlendWeights, counts: CoOccurrenceCounts) -> None:
    """Write the weights of a blended score and the counts that it needs."""
    text = json.dumps(dataclasses.asdict(weights), indent=1)
    (folder / BLEND_FILE).write_text(text + "\n", encoding="utf-8")
    counts.write(folder / COUNTS_FILE)


def load_blend(folder: Path) -> tuple[BlendWeights | None, CoOccurrenceCounts | None]:
    """Read what `write_blend` wrote; None twice if the head has no blend.

    Raises:
        CheckpointError: a file is missing or damaged.
    """
    path = folder / BLEND_FILE
    if not path.exists():
        return None, None
    try:
        weights = settings_from_dict(BlendWeights, json.loads(path.read_text(encoding="utf-8")), "blend")
    except (OSError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} does not hold the weights of a blended score: {error}") from error
    return weights, load_counts(folder / COUNTS_FILE)
