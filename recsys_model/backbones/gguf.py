"""Causal decoders in one GGUF file, unpacked into ordinary tensors by transformers.

Reading takes the package `gguf` and, for its vocabulary, some ten seconds even for a small model.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from recsys_model.errors import CheckpointError

ENDING = ".gguf"

T = TypeVar("T")


def is_gguf(path: Path) -> bool:
    """Say whether a path is that of a GGUF file, not of a model folder."""
    return path.suffix == ENDING


def read_gguf_document(path: Path) -> dict[str, Any]:
    """Return the content of a `config.json` for this model.

    Raises:
        CheckpointError: the file cannot be read.
    """
    import transformers  # slow to import, and few processes need it

    return _read(path, lambda: transformers.AutoConfig.from_pretrained(path.parent, gguf_file=path.name)).to_dict()


def read_gguf_state(path: Path) -> dict[str, Tensor]:
    """Return all tensors under the names of transformers, float32.

    Raises:
        CheckpointError: the file cannot be read.
    """
    import transformers

    unpacked = transformers.GgufConfig(dequantize=True)
    return _read(
        path,
        lambda: transformers.AutoModelForCausalLM.from_pretrained(
            path.parent, gguf_file=path.name, quantization_config=unpacked, dtype=torch.float32
        ),
    ).state_dict()


def _read(path: Path, read: Callable[[], T]) -> T:
    """Call transformers, and name the file in its errors."""
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist; set model.weights to a model folder or a {ENDING} file")
    try:
        return read()
    except ImportError as error:
        raise CheckpointError(f"{path} needs the package gguf: pip install 'recsysllm-on-ray[gguf]'") from error
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise CheckpointError(f"{path} cannot be read as GGUF: {error}") from error
