"""Convert a published model into a folder of safetensors that loads in a second (`recsys convert`).

Every process that reads a GGUF file must unpack its weights and its tokenizer. This takes up to minutes even for a
small model. The folder has both; `model.weights` and `tokenizer.path` may name it.
"""

import logging
import os
import shutil
from pathlib import Path
from typing import Any

import torch

from recsys_model.backbones.base import count_parameters
from recsys_model.backbones.checkpoint import load_model, write_model
from recsys_model.errors import CheckpointError
from recsys_model.text.pretrained import load_pretrained_tokenizer
from recsys_platform.artifacts import sha256_of

logger = logging.getLogger(__name__)

PRECISION_TO_DTYPE = {"fp32": torch.float32, "bf16": torch.bfloat16}


def run_convert(source: Path, folder: Path, *, precision: str = "fp32") -> dict[str, Any]:
    """Write the model and the tokenizer of a GGUF file, or of a published folder, into a new `folder`.

    With `fp32` the weights are bit-identical; `bf16` halves the size. The folder is complete or absent.

    Raises:
        CheckpointError: `folder` exists, or the source has no usable model or tokenizer.
    """
    if folder.exists():
        raise CheckpointError(f"{folder} exists already; choose another name, or remove it first")
    model = load_model(source, dtype=PRECISION_TO_DTYPE[precision])
    tokenizer = load_pretrained_tokenizer(source)
    if tokenizer.vocab_size > model.config.vocab_size:
        raise CheckpointError(
            f"{source}: the model must have a row for each of the tokenizer's {tokenizer.vocab_size} tokens, "
            f"got {model.config.vocab_size}; weights and tokenizer belong to different models"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        write_model(partial, model)
        tokenizer.write(partial)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    size_bytes = sum(path.stat().st_size for path in folder.iterdir())
    logger.info("%s: %d parameters from %s", folder, count_parameters(model), source)
    digest = {"sha256": sha256_of(source)} if source.is_file() else {}
    return {
        "model": str(folder),
        "source": str(source),
        **digest,
        "family": model.family,
        "parameters": count_parameters(model),
        "size_bytes": size_bytes,
    }
