"""Published generative recommenders that cannot be served here, recognised by their files.

GRID, TIGER and its descendants (LIGER, RPG, ActionPiece), P5, OpenP5 and GRAM generate with a T5, which is an encoder
and a decoder, or with heads of their own. The decoders here are causal.
"""

import json
from pathlib import Path
from typing import Any

from recsys_model.errors import CheckpointError, ConfigError

SERVED = "MiniOneRec, LC-Rec and OpenOneRec (llama, qwen2 and qwen3 with added tokens) can be served"
SUFFIX_TO_PROJECT = {
    ".pt": "GRID (a tensor of codes, for a T5 with its own embeddings) or an RQ-VAE",
    ".pth": "TIGER or an RQ-VAE",
    ".ckpt": "GRID (a Lightning checkpoint of a T5 with its own embeddings)",
    ".pkl": "LIGER (a pickled array of codes, for a T5 with its own embeddings)",
    ".npy": "a plain array of codes, without tokens of a language model",
    ".sem_ids": "TIGER (codes of a T5 with its own embeddings)",
}
CONFIG_FILE = "config.json"
ADAPTER_FILE = "adapter_config.json"


def refuse_index_suffix(path: Path) -> None:
    """Raise if the ending of an index file is that of a project that cannot be served; the file is not opened.

    Raises:
        ConfigError: naming the project.
    """
    project = SUFFIX_TO_PROJECT.get(path.suffix)
    if project is not None:
        raise ConfigError(f"{path} belongs to {project}, which cannot be served; {SERVED}")


def refuse_codes(path: Path, key: str, value: Any) -> None:
    """Raise if an entry of a JSON object is a list of bare codes.

    Raises:
        ConfigError: it is that of TIGER or one of its descendants.
    """
    if isinstance(value, list) and value and all(isinstance(code, int) for code in value):
        raise ConfigError(
            f"{path} has codes without tokens ({key!r}: {value}), as TIGER and its descendants; their T5 cannot be served; "
            f"{SERVED}"
        )


def refuse_line(path: Path, line: str) -> None:
    """Raise if the first line of a text file is that of OpenP5 or GRAM.

    Raises:
        ConfigError: naming the project.
    """
    for mark, project in (("<CI", "OpenP5"), ("|▁", "GRAM")):
        if mark in line:
            raise ConfigError(f"{path} belongs to {project}, whose T5 cannot be served; {SERVED}")


def refuse_weights(folder: Path) -> None:
    """Raise if a folder holds no causal decoder.

    Raises:
        CheckpointError: it has no `config.json`, or that of an encoder-decoder.
    """
    if not folder.is_dir():
        raise CheckpointError(f"{folder} must be the folder of a Hugging Face checkpoint; {SERVED}")
    if not (folder / CONFIG_FILE).is_file():
        raise CheckpointError(f"{folder} holds no {CONFIG_FILE}: {_explain_missing_config(folder)}")
    try:
        document = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder / CONFIG_FILE} cannot be read: {error}") from error
    if isinstance(document, dict) and document.get("is_encoder_decoder", "t5" in str(document.get("model_type"))):
        raise CheckpointError(
            f"{folder} holds a {document.get('model_type')}, an encoder and a decoder as in TIGER, GRID, P5 and OpenP5; "
            f"such models cannot be served; {SERVED}"
        )


def _explain_missing_config(folder: Path) -> str:
    if (folder / ADAPTER_FILE).is_file():
        return "it is a LoRA adapter alone; merge it into its base model with merge_and_unload of peft and save that"
    foreign = sorted(path.name for path in folder.iterdir() if path.suffix in SUFFIX_TO_PROJECT)
    if foreign:
        return f"{foreign[0]} belongs to {SUFFIX_TO_PROJECT[Path(foreign[0]).suffix]}, which cannot be served; {SERVED}"
    return f"name the folder that save_pretrained wrote; {SERVED}"
