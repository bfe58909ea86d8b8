"""A SentencePiece model as a tokenizer backend: piece ids are token ids, whitespace may have pieces.

`recsys_model.text.sentencepieces` reads the published files. Needs the package sentencepiece.
"""

import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recsys_model.errors import CheckpointError

SENTENCEPIECE_FILE = "sentencepiece.model"
"""Name of the model in a tokenizer folder of this project."""
MAX_BLANKS = 80
LINE_BREAK, TAB = "<n>", "<|tab|>"
BLANKS = tuple(f"<|blank_{size}|>" for size in range(2, MAX_BLANKS + 1))
WHITESPACE_TO_NAME = {"\n": LINE_BREAK, "\t": TAB} | {" " * size: name for size, name in enumerate(BLANKS, start=2)}
"""Whitespace and the name of its piece, where a model has one (ChatGLM-6B)."""


@dataclass(frozen=True, slots=True)
class PieceEncoding:
    """The token ids of a text, as `recsys_model.text.tokenizer.Encoding` asks for them."""

    ids: list[int]
    """Token ids."""


class SentencePieceBackend:
    """A SentencePiece model whose piece ids are token ids; acts like a tokenizer of the package `tokenizers`."""

    def __init__(self, model: bytes) -> None:
        self._model = model
        self._processor = optional_package("sentencepiece").SentencePieceProcessor(model_proto=model)
        names = {text: name for text, name in WHITESPACE_TO_NAME.items() if self.id_of(name) is not None}
        self._text_to_id: dict[str, int] = {text: self._processor.piece_to_id(name) for text, name in names.items()}
        self._id_to_text = {token: text for text, token in self._text_to_id.items()}
        self._whitespace = re.compile("|".join(map(re.escape, sorted(names, key=len, reverse=True))) or r"(?!)")

    @property
    def num_pieces(self) -> int:
        """Number of token ids."""
        return self._processor.get_piece_size()

    @property
    def unknown(self) -> int:
        """Id of the piece for characters that no piece has."""
        return self._processor.unk_id()

    def id_of(self, name: str) -> int | None:
        """Return the id of a piece by its name, None if there is no such piece."""
        token = self._processor.piece_to_id(name)
        return token if self._processor.id_to_piece(token) == name else None

    def encode(self, text: str, *, add_special_tokens: bool = False) -> PieceEncoding:
        """Return the ids of a text; whitespace with a piece of its own always becomes that piece."""
        del add_special_tokens
        ids: list[int] = []
        start = 0
        for run in self._whitespace.finditer(text):
            ids += [*self._processor.encode(text[start : run.start()]), self._text_to_id[run.group()]]
            start = run.end()
        return PieceEncoding([*ids, *self._processor.encode(text[start:])])

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids; ids behind the pieces have none."""
        parts: list[str] = []
        waiting: list[int] = []
        for token in ids:
            if token in self._id_to_text:
                parts += [self._processor.decode(waiting), self._id_to_text[token]]
                waiting = []
            elif token < self.num_pieces:
                waiting.append(token)
        return "".join([*parts, self._processor.decode(waiting)])

    def save(self, path: str) -> None:
        """Write the model to `path`."""
        Path(path).write_bytes(self._model)


def load_backend(path: Path) -> SentencePieceBackend:
    """Read the model that `SentencePieceBackend.save` wrote.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    try:
        return SentencePieceBackend(path.read_bytes())
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f"{path} holds no SentencePiece model: {error}") from error


def optional_package(name: str) -> Any:
    """Import a module of SentencePiece or of its dependencies.

    Raises:
        CheckpointError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise CheckpointError(
            "a SentencePiece tokenizer needs the package sentencepiece: pip install 'recsysllm-on-ray[sentencepiece]'"
        ) from error
