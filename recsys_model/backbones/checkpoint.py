"""Model folders: `config.json` and weights, in the layout of the published checkpoints of each family.

Reads safetensors or PyTorch files, whole or sharded, and GGUF files; writes safetensors under the published
names. Every missing, unknown or misshapen tensor is named in one error.
"""

import json
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from recsys_model.backbones.base import Backbone, Geometry
from recsys_model.backbones.families import build_backbone, document_from_geometry, geometry_from_document
from recsys_model.backbones.geometry import MaskKind
from recsys_model.backbones.gguf import is_gguf, read_gguf_document, read_gguf_state
from recsys_model.errors import CheckpointError

if TYPE_CHECKING:
    from peft import PeftModel

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
_MAX_NAMED = 8


def write_model(folder: Path, model: Backbone, dtype: torch.dtype | None = None) -> None:
    """Write geometry and weights into `folder`, which is created; `dtype` converts the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document_from_geometry(model.config), indent=1)
    (folder / CONFIG_FILE).write_text(text + "\n", encoding="utf-8")
    tensors = {name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / WEIGHTS_FILE, metadata={"format": "pt"})


def load_model(path: Path, *, dtype: torch.dtype = torch.float32, mask: MaskKind | None = None) -> Backbone:
    """Read a model that `write_model` wrote, a published one, or a GGUF file.

    `mask` overrides the mask of a causal decoder in the folder.

    Raises:
        CheckpointError: a file is missing or damaged, or tensors do not fit the geometry in `config.json`.
    """
    geometry = load_geometry(path, mask)
    state = read_gguf_state(path) if is_gguf(path) else load_state(path)
    return model_from_state(geometry, state, dtype=dtype, source=str(path))


def model_from_state(
    geometry: Geometry, state: Mapping[str, Tensor], *, dtype: torch.dtype = torch.float32, source: str = "the state"
) -> Backbone:
    """Return a model of the given geometry that holds the tensors of `state`, under any of their published names.

    Raises:
        CheckpointError: tensors are missing, unknown or misshapen; `source` names where they come from.

    Example:
        >>> from recsys_model.config import GLMConfig
        >>> geometry = GLMConfig(num_layers=1, hidden_size=4, num_heads=2, vocab_size=9, max_sequence_length=8)
        >>> state = {f"glm.{name}": tensor for name, tensor in build_backbone(geometry).state_dict().items()}
        >>> model_from_state(geometry, state, dtype=torch.float64).word_embeddings.weight.dtype
        torch.float64
    """
    with torch.device("meta"):
        model = build_backbone(geometry)
    own = model.own_state(dict(state))
    fit_state(model, own, source)
    model.load_state_dict({name: tensor.to(dtype) for name, tensor in own.items()}, assign=True)
    return model


def load_geometry(path: Path, mask: MaskKind | None = None) -> Geometry:
    """Read the geometry from a model folder's `config.json`, or from a GGUF file.

    Raises:
        CheckpointError: the file is missing, damaged or not that of a known model.
    """
    document = read_gguf_document(path) if is_gguf(path) else _read_config(path)
    try:
        return geometry_from_document(document, mask)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path} holds no model that can be used: {error}") from error


def load_state(folder: Path) -> dict[str, Tensor]:
    """Read all tensors of a model folder.

    Raises:
        CheckpointError: there is no weights file, or one cannot be read.
    """
    state: dict[str, Tensor] = {}
    for path in weight_files(folder):
        try:
            loaded = (
                load_file(path)
                if path.suffix == ".safetensors"
                else torch.load(path, map_location="cpu", weights_only=True)
            )
        except (OSError, ValueError, RuntimeError, SafetensorError, pickle.UnpicklingError) as error:
            raise CheckpointError(f"{path} cannot be read: {error}") from error
        state.update(loaded)
    return state


def fit_state(model: Backbone, state: dict[str, Tensor], source: str) -> None:
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


def write_adapter(folder: Path, model: "PeftModel") -> None:
    """Write a LoRA adapter as an ordinary PEFT folder."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(str(folder), save_embedding_layers=False)


def load_adapter(model: Backbone, folder: Path) -> Backbone:
    """Return `model` with the LoRA adapter in a PEFT folder merged into its weights.

    Raises:
        CheckpointError: the folder holds no adapter, or one for another geometry.
    """
    from peft import PeftModel  # as slow to import as torch, in every process, and few have an adapter

    try:
        adapted = PeftModel.from_pretrained(model, str(folder))  # pyrefly: ignore[bad-argument-type]
    except (OSError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"the adapter in {folder} does not fit the model: {error}") from error
    merged = adapted.merge_and_unload()  # pyrefly: ignore[not-callable]
    assert isinstance(merged, Backbone), "peft gives back the model that it wrapped"
    return merged


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        document = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder} holds no model: {CONFIG_FILE} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise CheckpointError(f"{folder} holds no model: {CONFIG_FILE} must hold an object, got {document!r}")
    return document


def weight_files(folder: Path) -> Iterator[Path]:
    """Yield the files with the weights of a model folder.

    Raises:
        CheckpointError: there is none.
    """
    for name in (WEIGHTS_FILE, "pytorch_model.bin"):
        if (folder / name).is_file():
            yield folder / name
            return
        index = folder / f"{name}.index.json"
        if index.is_file():
            shards = _weight_map(index).values()
            yield from (folder / shard for shard in sorted(set(shards)))
            return
    raise CheckpointError(f"{folder} holds no weights: neither {WEIGHTS_FILE} nor pytorch_model.bin, whole or sharded")


def _weight_map(index: Path) -> dict[str, str]:
    try:
        return dict(json.loads(index.read_text(encoding="utf-8"))["weight_map"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{index} must hold a weight_map: {error!r}") from error


def _list_names(what: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    return [f"{len(names)} {what}: {', '.join(names[:_MAX_NAMED])}{more}"]
