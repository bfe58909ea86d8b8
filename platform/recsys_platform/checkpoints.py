"""Reading the model of a checkpoint artifact: whole weights, or an adapter on the model it was trained on.

Layout: `weights/` is a model folder; or `adapter/` is a PEFT folder and `base.json` holds the `path` of its base,
a model folder or GGUF file, the `digest` that it had, and the `mask` of a causal decoder, null as the base has it.
"""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import torch

from recsys_model.backbones.base import Backbone
from recsys_model.backbones.checkpoint import load_adapter, load_model
from recsys_model.backbones.geometry import MaskKind
from recsys_model.config import DecodingConfig, ObjectiveConfig, require
from recsys_model.config.folders import ADAPTER_FOLDER as ADAPTER_FOLDER
from recsys_model.config.folders import ENTITIES_FOLDER as ENTITIES_FOLDER
from recsys_model.config.folders import WEIGHTS_FOLDER as WEIGHTS_FOLDER
from recsys_model.entity_head.storage import BLEND_FILE
from recsys_model.errors import CheckpointError
from recsys_platform.artifacts import Manifest, sha256_of

BASE_FILE = "base.json"


def load_trained_model(folder: Path, *, dtype: torch.dtype = torch.float32, verify: bool = True) -> Backbone:
    """Return the trained model of a checkpoint artifact, an adapter merged into its base.

    Merging happens in float32, since bfloat16 would round small updates away; `dtype` converts the result.
    `verify=False` is for workers whose driver has called `check_base`: reading a large base twice takes minutes.

    Raises:
        CheckpointError: a part is missing or damaged, or the base is not what it was.
    """
    if (folder / WEIGHTS_FOLDER).is_dir():
        return load_model(folder / WEIGHTS_FOLDER, dtype=dtype)
    if verify:
        check_base(folder)
    path, _, mask = read_base(folder)
    return load_adapter(load_model(path, mask=mask), folder / ADAPTER_FOLDER).to(dtype)


def trained_objective(checkpoint: Manifest) -> ObjectiveConfig:
    """Return the objective that a checkpoint was trained with; settings that its version did not have at their defaults.

    Raises:
        CheckpointError: a newer version wrote it, or an older one that laid out rows of all items in another way.
    """
    field_names = {field.name for field in dataclasses.fields(ObjectiveConfig)}
    values = checkpoint.config["objective"]
    unknown = sorted(set(values) - field_names)
    if unknown:
        raise CheckpointError(f"the checkpoint was trained with settings of another version: {', '.join(unknown)}")
    if values.get("next_item_target") == "all" and "history" not in values:
        raise CheckpointError(
            "the checkpoint was trained when next_item_target all had another layout of the history; train it again"
        )
    return ObjectiveConfig(**values)


def check_scoring(folder: Path, decoding: DecodingConfig) -> None:
    """Raise unless the model of a checkpoint or a bundle can score items as `decoding.scoring` asks.

    Raises:
        ConfigError: it has no entity head, or no weights of a blend.
    """
    if decoding.scoring not in ("entity", "blend"):
        return
    head = folder / ENTITIES_FOLDER
    require(
        head.is_dir(),
        f"decoding.scoring {decoding.scoring} needs a model with an entity head, and {folder} was trained without; set "
        "decoding.scoring to trie, or train with entity.enabled",
    )
    require(
        decoding.scoring != "blend" or (head / BLEND_FILE).is_file(),
        f"decoding.scoring blend needs the weights that a training finds on validation events, and {folder} has none; "
        "train with validation events, or set decoding.scoring to entity",
    )


def check_base(folder: Path) -> None:
    """Raise unless the base of an adapter checkpoint is unchanged; whole weights need none.

    Raises:
        CheckpointError: the base is gone or was changed.
    """
    if (folder / WEIGHTS_FOLDER).is_dir():
        return
    path, digest, _ = read_base(folder)
    if not path.exists():
        raise CheckpointError(
            f"the adapter in {folder} was trained on {path}, which is gone; put that model back there"
        )
    if folder_digest(path) != digest:
        raise CheckpointError(f"the adapter in {folder} was trained on {path}, which has changed since; train it anew")


def folder_digest(folder: Path) -> str:
    """Return one SHA-256 over names and contents of the files directly in a model folder, or of one GGUF file.

    Raises:
        CheckpointError: there is neither.
    """
    if not folder.exists():
        raise CheckpointError(f"model.weights {folder} does not exist; set it to a model folder or a GGUF file")
    files = [folder] if folder.is_file() else sorted(path for path in folder.iterdir() if path.is_file())
    lines = [f"{path.name} {sha256_of(path)}\n" for path in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def read_base(folder: Path) -> tuple[Path, str, MaskKind | None]:
    """Return where the model is that the adapter in `folder` belongs to, its digest, and the mask it was trained with.

    Raises:
        CheckpointError: the folder holds no adapter with its base.
    """
    try:
        document: dict[str, Any] = json.loads((folder / BASE_FILE).read_text(encoding="utf-8"))
        return Path(document["path"]), document["digest"], document.get("mask")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{folder} must hold {WEIGHTS_FOLDER}/, or {ADAPTER_FOLDER}/ and a {BASE_FILE} "
            f"with path and digest: {error!r}"
        ) from error
