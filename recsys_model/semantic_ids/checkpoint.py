"""A published checkpoint: a causal decoder of transformers as it is, and the tokenizer of its folder."""

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from recsys_model.backbones.base import Backbone
from recsys_model.backbones.checkpoint import load_geometry, load_state, model_from_state
from recsys_model.backbones.families import family_of
from recsys_model.backbones.geometry import CausalConfig
from recsys_model.errors import CheckpointError, ConfigError
from recsys_model.semantic_ids.index import SemanticId, name_some
from recsys_model.semantic_ids.unsupported import refuse_weights

BACKEND_FILE = "tokenizer.json"
SENTENCEPIECE_FILE = "tokenizer.model"
TOKENIZER_FILES = (BACKEND_FILE, SENTENCEPIECE_FILE, "vocab.json")
"""One of them is there; without any, transformers 5 would return an empty tokenizer of the model's type."""
TOKENIZER_SETTINGS_FILE = "tokenizer_config.json"


class PublishedTokenizer:
    """The tokenizer that transformers loads from the folder of a checkpoint, added tokens included."""

    def __init__(self, tokenizer: Any, folder: Path) -> None:
        """Take a tokenizer of transformers; `folder` is named in errors."""
        self._tokenizer = tokenizer
        self._folder = folder
        self.eos: int | None = tokenizer.eos_token_id
        """The token that ends a text, if there is one."""

    def encode_prompts(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of prompts, behind the token that begins a text where the tokenizer puts one."""
        rows = self._tokenizer(list(texts)).input_ids
        return [row[:-1] if row and row[-1] == self.eos else row for row in rows]

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text alone."""
        return self._tokenizer(text, add_special_tokens=False).input_ids

    def ids_of(self, tokens: Sequence[str], source: str) -> dict[str, int]:
        """Return the id of each token of semantic ids.

        Raises:
            CheckpointError: a token is not one whole token of the tokenizer; `source` names the index file.
        """
        rows = self._tokenizer(list(tokens), add_special_tokens=False).input_ids
        split = [token for token, row in zip(tokens, rows, strict=True) if len(row) != 1 or row[0] == self._unknown]
        if split:
            pieces = self._tokenizer.convert_ids_to_tokens(self.encode(split[0]))
            raise CheckpointError(
                f"{len(split)} of the {len(tokens)} tokens of {source} are no tokens of {self._folder} ({name_some(split)}; "
                f"{split[0]} becomes {pieces}); name the index file that the checkpoint was trained with"
            )
        return {token: row[0] for token, row in zip(tokens, rows, strict=True)}

    @property
    def _unknown(self) -> int | None:
        return self._tokenizer.unk_token_id


@dataclass(frozen=True, slots=True)
class PublishedCheckpoint:
    """A decoder with its tokenizer."""

    folder: Path
    """The folder that `save_pretrained` wrote."""
    model: Backbone
    """The decoder, in evaluation mode."""
    tokenizer: PublishedTokenizer
    """Its tokenizer."""

    def check_rows(self, token_ids: Iterable[int]) -> None:
        """Raise unless the model has a row for each token.

        Raises:
            CheckpointError: naming the largest id.
        """
        largest, rows = max(token_ids), self.model.config.vocab_size
        if largest >= rows:
            raise CheckpointError(
                f"{self.folder}: the model must have a row for token {largest}, it has {rows}; "
                "weights and tokenizer are of different checkpoints"
            )


def load_published_checkpoint(
    folder: Path, *, dtype: torch.dtype = torch.float32, device: str | torch.device = "cpu"
) -> PublishedCheckpoint:
    """Load a folder of safetensors or PyTorch weights with `config.json` and a tokenizer.

    Raises:
        CheckpointError: a file is missing or damaged, or the model is no Llama, Qwen2 or Qwen3.
        ConfigError: torch cannot use the device.
    """
    refuse_weights(folder)
    _check_device(device)
    geometry = load_geometry(folder)
    if not isinstance(geometry, CausalConfig):
        raise CheckpointError(f"{folder} must hold a llama, qwen2 or qwen3, got a {family_of(geometry)}")
    published = dataclasses.replace(geometry, mask="causal", has_intra_table=False)
    model = model_from_state(published, load_state(folder), dtype=dtype, source=str(folder))
    return PublishedCheckpoint(folder, model.to(device).eval(), load_published_tokenizer(folder))


def _check_device(device: str | torch.device) -> None:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"device must be one that torch can use here, such as cpu, got {str(device)!r}: {reason}"
        ) from error


def load_published_tokenizer(folder: Path) -> PublishedTokenizer:
    """Load the tokenizer of a checkpoint by transformers, without a network.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    import transformers

    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise CheckpointError(f"{folder} holds no tokenizer: it must have one of {', '.join(TOKENIZER_FILES)}")
    options = {"legacy": True} if _was_saved_as_legacy(folder) else {}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True, **options)
    except (ImportError, OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise CheckpointError(f"{folder} holds no tokenizer that transformers can load: {error}") from error
    return PublishedTokenizer(tokenizer, folder)


def _was_saved_as_legacy(folder: Path) -> bool:
    """Return whether a SentencePiece tokenizer was saved without saying so by `legacy`.

    Up to version 4, transformers took such a tokenizer for a legacy one, which puts a blank behind each added token;
    version 5 does not.
    """
    if (folder / BACKEND_FILE).is_file() or not (folder / SENTENCEPIECE_FILE).is_file():
        return False
    file = folder / TOKENIZER_SETTINGS_FILE
    try:
        settings = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{file} cannot be read: {error}") from error
    return settings.get("legacy") is None


def end_tokens(tokenizer: PublishedTokenizer, semantic_id: SemanticId, ids: Sequence[int], end: str) -> list[int]:
    """Return the tokens of `end` behind a semantic id whose tokens are `ids`.

    Raises:
        CheckpointError: the tokenizer joins the end with the semantic id.
    """
    row = tokenizer.encode("".join(semantic_id) + end)
    if row[: len(ids)] != list(ids):
        raise CheckpointError(
            f"the tokens of {''.join(semantic_id)!r} must stay whole in front of {end!r}, got {row} for {list(ids)}"
        )
    return row[len(ids) :]
