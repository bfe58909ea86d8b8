"""What a model folder holds, without reading it: names, shapes and types of its tensors.

A command checks with it, in a second and before any worker starts, that the weights fit their `config.json`.
"""

import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from recsys_model.backbones.base import Backbone, Geometry
from recsys_model.backbones.checkpoint import fit_state, weight_files
from recsys_model.backbones.families import build_backbone
from recsys_model.errors import CheckpointError

NUM_READ = 4096
"""Tensors of at most so many numbers are read, since some families compare them with their own; of others the shape."""


def outline_of(geometry: Geometry) -> Backbone:
    """Return a model on the meta device, whose parameters have shapes and no values."""
    with torch.device("meta"):
        return build_backbone(geometry)


def read_outline(folder: Path) -> dict[str, Tensor]:
    """Return the tensors of a model folder; those of more than `NUM_READ` numbers are on the meta device.

    Raises:
        CheckpointError: there is no weights file, or one cannot be read.
    """
    tensors: dict[str, Tensor] = {}
    for path in weight_files(folder):
        try:
            read = _outline_safetensors if path.suffix == ".safetensors" else _outline_torch
            tensors.update(read(path))
        except (OSError, ValueError, RuntimeError, SafetensorError, pickle.UnpicklingError) as error:
            raise CheckpointError(f"{path} cannot be read: {error}") from error
    return tensors


def check_weights(folder: Path, model: Backbone) -> None:
    """Raise unless a folder holds exactly the tensors of `model`, in its shapes, which `load_model` would do as well.

    Raises:
        CheckpointError: a file is missing or damaged; or tensors are missing, unknown or misshapen.
    """
    fit_state(model, model.own_state(read_outline(folder)), str(folder))


def stored_dtype(folder: Path, model: Backbone) -> torch.dtype:
    """Return the type in which a folder has all tensors of `model`; float32 where they differ.

    Raises:
        CheckpointError: there is no weights file, or one cannot be read.
    """
    stored = read_outline(folder)
    of_file = {id(tensor) for tensor in stored.values()}
    types = {tensor.dtype for tensor in model.own_state(stored).values() if id(tensor) in of_file}
    return types.pop() if len(types) == 1 else torch.float32


def _outline_safetensors(path: Path) -> Iterator[tuple[str, Tensor]]:
    with safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118 - safe_open is no mapping
            # of the empty slice, the type alone is read
            part = file.get_slice(name)
            shape = part.get_shape()
            if torch.Size(shape).numel() <= NUM_READ:
                yield name, file.get_tensor(name)
            else:
                yield name, torch.empty(shape, dtype=part[:0].dtype, device="meta")


def _outline_torch(path: Path) -> Iterator[tuple[str, Tensor]]:
    loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    for name, tensor in loaded.items():
        yield name, tensor if tensor.numel() <= NUM_READ else tensor.to("meta")
