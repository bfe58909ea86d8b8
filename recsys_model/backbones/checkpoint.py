"""Model folders: `config.json` and weights, in the layout of the published GLM checkpoints.

Reads safetensors or PyTorch files, whole or sharded, with tensor names bare or behind `glm.`;
writes bare safetensors. Every missing, unknown or misshapen tensor is named in one error.
"""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import Tensor

from recsys_model.backbones.glm import GLM
from recsys_model.config import GLMConfig
from recsys_model.errors import CheckpointError

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
PUBLISHED_PREFIX = "glm."
_FIELD_TO_KEY = {"num_heads": "num_attention_heads"}
_MAX_NAMED = 8


def write_model(folder: Path, model: GLM, dtype: torch.dtype | None = None) -> None:
    """Write geometry and weights into `folder`, which is created; `dtype` converts the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    geometry = {_FIELD_TO_KEY.get(name, name): value for name, value in dataclasses.asdict(model.config).items()}
    text = json.dumps({"model_type": "glm", **geometry}, indent=1)
    (folder / CONFIG_FILE).write_text(text + "\n", encoding="utf-8")
    tensors = {name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / WEIGHTS_FILE, metadata={"format": "pt"})


def load_model(folder: Path, *, dtype: torch.dtype = torch.float32) -> GLM:
    """Read a GLM that `write_model` wrote, or a published one.

    Raises:
        CheckpointError: a file is missing or damaged, or tensors do not fit the geometry in `config.json`.
    """
    config = load_geometry(folder)
    with torch.device("meta"):
        model = GLM(config)
    state = load_state(folder)
    fit_state(model, state, str(folder))
    model.load_state_dict({name: tensor.to(dtype) for name, tensor in state.items()}, assign=True)
    return model


def load_geometry(folder: Path) -> GLMConfig:
    """Read the geometry from a model folder's `config.json`.

    Raises:
        CheckpointError: the file is missing, damaged or not a GLM's.
    """
    path = folder / CONFIG_FILE
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder} holds no model: {CONFIG_FILE} cannot be read: {error}") from error
    if document.get("model_type", "glm") != "glm":
        raise CheckpointError(f"{path}: model_type must be 'glm', got {document['model_type']!r}")
    names = [item.name for item in dataclasses.fields(GLMConfig)]
    values = {name: document[key] for name in names if (key := _FIELD_TO_KEY.get(name, name)) in document}
    try:
        return GLMConfig(**values)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path} does not describe a GLM: {error}") from error


def load_state(folder: Path) -> dict[str, Tensor]:
    """Read all tensors of a model folder under their bare names.

    Raises:
        CheckpointError: there is no weights file, or one cannot be read.
    """
    state: dict[str, Tensor] = {}
    for path in _weight_files(folder):
        try:
            loaded = (
                load_file(path)
                if path.suffix == ".safetensors"
                else torch.load(path, map_location="cpu", weights_only=True)
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"{path} cannot be read: {error}") from error
        state.update({name.removeprefix(PUBLISHED_PREFIX): tensor for name, tensor in loaded.items()})
    return state


def fit_state(model: GLM, state: dict[str, Tensor], source: str) -> None:
    """Raise unless `state` holds exactly the tensors of `model`, in its shapes.

    Raises:
        CheckpointError: naming what is missing, unknown or misshapen.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    problems = [*_list_names("missing", sorted(expected.keys() - state.keys()))]
    problems += _list_names("unknown", sorted(state.keys() - expected.keys()))
    problems += _list_names(
        "of another shape",
        [
            f"{name} {tuple(state[name].shape)} where the model has {shape}"
            for name, shape in expected.items()
            if name in state and tuple(state[name].shape) != shape
        ],
    )
    if problems:
        raise CheckpointError(f"the weights in {source} do not fit the model:\n  " + "\n  ".join(problems))


def write_adapter(folder: Path, model: PeftModel) -> None:
    """Write a LoRA adapter as an ordinary PEFT folder."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(str(folder), save_embedding_layers=False)


def load_adapter(model: GLM, folder: Path) -> GLM:
    """Return `model` with the LoRA adapter in a PEFT folder merged into its weights.

    Raises:
        CheckpointError: the folder holds no adapter, or one for another geometry.
    """
    try:
        adapted = PeftModel.from_pretrained(model, str(folder))  # pyrefly: ignore[bad-argument-type]
    except (OSError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"the adapter in {folder} does not fit the model: {error}") from error
    merged = adapted.merge_and_unload()  # pyrefly: ignore[not-callable]
    assert isinstance(merged, GLM), "peft gives back the model that it wrapped"
    return merged


def _weight_files(folder: Path) -> Iterator[Path]:
    for name in (WEIGHTS_FILE, "pytorch_model.bin"):
        if (folder / name).is_file():
            yield folder / name
            return
        index = folder / f"{name}.index.json"
        if index.is_file():
            shards = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
            yield from (folder / shard for shard in sorted(set(shards)))
            return
    raise CheckpointError(f"{folder} holds no weights: neither {WEIGHTS_FILE} nor pytorch_model.bin, whole or sharded")


def _list_names(what: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    return [f"{len(names)} {what}: {', '.join(names[:_MAX_NAMED])}{more}"]
