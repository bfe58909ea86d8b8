"""Which weights a bundle holds, so that none of them is rounded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from recsys_model.backbones.checkpoint import load_geometry
from recsys_model.backbones.geometry import MaskKind
from recsys_model.backbones.gguf import is_gguf
from recsys_model.backbones.outline import outline_of, stored_dtype
from recsys_model.bundle import WEIGHTS_FOLDER as BUNDLED_WEIGHTS
from recsys_platform.checkpoints import ADAPTER_FOLDER, WEIGHTS_FOLDER, read_base

NAMES = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredWeights:
    """The weights of a bundle."""

    dtype: torch.dtype
    """Type to write them in."""
    base: Path | None = None
    """The base model, if it is written in place of the whole model."""
    mask: MaskKind | None = None
    """Mask with which the adapter of a causal decoder was trained; None as the base has it."""
    adapter: Path | None = None
    """The adapter that is written next to the base."""

    def describe(self, folder: Path) -> str:
        """Return type and size of the weights in the bundle at `folder`, in words."""
        weights = f"{NAMES[self.dtype]}, {folder_size_bytes(folder / BUNDLED_WEIGHTS) / 1e6:.1f} MB"
        if self.adapter is None:
            return f"whole weights in {weights}"
        adapter_mb = folder_size_bytes(folder / ADAPTER_FOLDER) / 1e6
        return f"base weights in {weights}, and an adapter of {adapter_mb:.1f} MB that is merged in fp32 when they are loaded"


def choose_weights(checkpoint_folder: Path, adapter: Literal["auto", "merged", "separate"]) -> StoredWeights:
    """Return the weights of a bundle of this checkpoint; `adapter` as in `BundleConfig`.

    Whole weights keep their type. An adapter that is merged gives fp32 weights.

    Raises:
        CheckpointError: a part of the checkpoint is missing or damaged.
    """
    weights = checkpoint_folder / WEIGHTS_FOLDER
    if weights.is_dir():
        return StoredWeights(dtype=_dtype_of(weights, None))
    base, _, mask = read_base(checkpoint_folder)
    dtype = _dtype_of(base, mask)
    if adapter == "merged" or (adapter == "auto" and dtype == torch.float32):
        return StoredWeights(dtype=torch.float32)
    return StoredWeights(dtype=dtype, base=base, mask=mask, adapter=checkpoint_folder / ADAPTER_FOLDER)


def folder_size_bytes(folder: Path) -> int:
    """Return the size of all files of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _dtype_of(path: Path, mask: MaskKind | None) -> torch.dtype:
    """Return the type of the weights at `path`; fp32 for a GGUF file, whose numbers are unpacked."""
    if is_gguf(path):
        return torch.float32
    dtype = stored_dtype(path, outline_of(load_geometry(path, mask)))
    return dtype if dtype in NAMES else torch.float32
