"""Piecewise tokenisation: text and entities are encoded separately, so neighbours never change an entity's tokens.

No text encodes to a special token: `[MASK]` inside a title is six ordinary characters. This file has the byte-level BPE
that is trained on a catalogue and GLM's GPT-2 BPE; `recsys_model.text.pretrained` loads the tokenizers of other models.
"""

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import tokenizers

from recsys_model.errors import CheckpointError, ConfigError, DataError
from recsys_model.text.sentencepiece_model import SENTENCEPIECE_FILE, load_backend

BACKEND_FILE = "tokenizer.json"
SPECIAL_FILE = "special_tokens.json"
GPT2_VOCAB_FILE = "vocab.json"
GPT2_MERGES_FILE = "merges.txt"
NUM_GPT2_TOKENS = 50257
GLM_GPT2_VOCAB_SIZE = 50304
"""Rows of the word embedding of the published English GLMs, the unused ones included."""

_UNSPACED_CHARACTER = r" ?[\p{Han}\p{Hiragana}\p{Katakana}]"
"""A character of a script without blanks between words, and the blank in front of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SpecialTokens:
    """Ids of the tokens that structure an example."""

    pad: int
    """Pads a batch."""
    eos: int | None
    """`<|endoftext|>`, ends part A; none where the model has nothing there (ChatGLM-6B)."""
    start: int
    """`[S]`, the first input of a span."""
    end: int
    """`[E]`, the last target of a span."""
    cls: int | None
    """`[CLS]`, begins part A; none where the model has nothing there."""
    mask: int
    """`[MASK]`, an entity-level blank."""
    gmask: int
    """`[gMASK]`, a document-level blank or an answer."""
    smask: int
    """`[sMASK]`, a sentence-level blank."""


GLM_GPT2_SPECIAL = SpecialTokens(
    pad=50256, eos=50256, start=50257, end=50258, cls=50259, mask=50260, gmask=50263, smask=50264
)
"""The published ids of glm-10b and glm-2b."""
GLM_COMMANDS = frozenset(
    (
        "<|startofpiece|>",
        "<|endofpiece|>",
        "<|endoftext|>",
        "[CLS]",
        "[SEP]",
        "[PAD]",
        "[UNK]",
        "[MASK]",
        "[gMASK]",
        "[sMASK]",
    )
)
"""Added tokens of the published English GLMs."""
ADDED_FILE = "added_tokens.json"


class Encoding(Protocol):
    """The result of encoding a text."""

    @property
    def ids(self) -> list[int]:
        """Token ids."""
        ...


class Backend(Protocol):
    """The interface of a tokenizer of the package `tokenizers`."""

    def encode(self, text: str, /, *, add_special_tokens: bool) -> Encoding:
        """Encode a text."""
        ...

    def decode(self, ids: list[int], /) -> str:
        """Return the text of token ids."""
        ...

    def save(self, path: str, /) -> None:
        """Write everything into one file."""
        ...


class Tokenizer:
    """A vocabulary and the ids of its special tokens.

    `vocab_size` counts the rows that the word embedding needs.

    Example:
        >>> tokenizer = train_tokenizer(["red tent", "red tent pole"], vocab_size=300)
        >>> tokenizer.decode(tokenizer.encode_entity("red [MASK] tent"))
        ' red [MASK] tent'
        >>> tokenizer.special.mask in tokenizer.encode_text("[MASK]")
        False
    """

    def __init__(
        self, backend: Backend, special: SpecialTokens, vocab_size: int, backend_file: str = BACKEND_FILE
    ) -> None:
        """Take the name of the file that `write` gives to the vocabulary; `load_tokenizer` recognises its kind by the name."""
        self.special = special
        self.vocab_size = vocab_size
        self._backend = backend
        self._backend_file = backend_file
        self._special_ids = frozenset(dataclasses.astuple(special))
        self._added_ids = _added_ids(backend)

    def encode_text(self, text: str) -> list[int]:
        """Return the token ids of plain text; never a special id.

        Raises:
            DataError: the tokenizer encodes the text to a special token.
        """
        ids = self._backend.encode(text, add_special_tokens=False).ids
        if not self._special_ids.isdisjoint(ids):
            raise DataError(f"a text must not spell a special token, got {text!r}; take it out")
        return ids

    def encode_entity(self, text: str) -> list[int]:
        """Return the token ids of an entity; it carries one leading blank unless it begins with an added token (`<a_12>`).

        Raises:
            DataError: the entity is empty.
        """
        if not text.strip():
            raise DataError(f"an entity must not be empty, got {text!r}")
        ids = self.encode_text(text.lstrip()) if self._added_ids else []
        return ids if ids and ids[0] in self._added_ids else self.encode_text(f" {text}")

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids; special ids have none."""
        return self._backend.decode([token for token in ids if token not in self._special_ids])

    @property
    def unknown(self) -> int | None:
        """Id of the token for characters that the vocabulary does not have; None if it spells every text."""
        if isinstance(self._backend, tokenizers.Tokenizer):
            name = getattr(self._backend.model, "unk_token", None)
            return None if name is None else self._backend.token_to_id(name)
        return getattr(self._backend, "unknown", None)

    def write(self, folder: Path) -> None:
        """Write the tokenizer into `folder`, which is created."""
        folder.mkdir(parents=True, exist_ok=True)
        self._backend.save(str(folder / self._backend_file))
        description = {"special": dataclasses.asdict(self.special), "vocab_size": self.vocab_size}
        (folder / SPECIAL_FILE).write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")


def load_tokenizer(folder: Path) -> Tokenizer:
    """Read what `Tokenizer.write` wrote.

    Raises:
        CheckpointError: a file is missing or damaged.
    """
    try:
        description: dict[str, Any] = json.loads((folder / SPECIAL_FILE).read_text(encoding="utf-8"))
        special, vocab_size = SpecialTokens(**description["special"]), description["vocab_size"]
        if (folder / SENTENCEPIECE_FILE).is_file():
            return Tokenizer(load_backend(folder / SENTENCEPIECE_FILE), special, vocab_size, SENTENCEPIECE_FILE)
        backend = tokenizers.Tokenizer.from_str((folder / BACKEND_FILE).read_text(encoding="utf-8"))
        return Tokenizer(backend, special, vocab_size)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"{folder} holds no tokenizer: {error}") from error


def train_tokenizer(texts: Iterable[str], vocab_size: int, *, merge_words: bool = False) -> Tokenizer:
    """Train a byte-level BPE on texts; few texts give fewer tokens than `vocab_size`.

    A token stays inside a word. Chinese and Japanese have no blanks between words, so there it stays inside a character;
    otherwise a whole title would become one token, and nothing could be learned from its parts. With `merge_words` one
    token may span several words ("Nail Lacquer,") and characters, which makes titles shorter.

    Raises:
        ConfigError: `vocab_size` has no room for the 256 bytes and the special tokens.
    """
    names = [item.name for item in dataclasses.fields(SpecialTokens)]
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    if vocab_size < len(alphabet) + len(names):
        raise ConfigError(f"tokenizer.vocab_size must be at least {len(alphabet) + len(names)}, got {vocab_size}")
    backend = _byte_level(tokenizers.models.BPE(), split_words=not merge_words)
    if not merge_words:
        characters = tokenizers.pre_tokenizers.Split(tokenizers.Regex(_UNSPACED_CHARACTER), behavior="isolated")
        backend.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([characters, backend.pre_tokenizer])
    trainer = tokenizers.trainers.BpeTrainer(  # pyrefly: ignore[unexpected-keyword]
        vocab_size=vocab_size - len(names), initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator((f" {text}" for text in texts), trainer)
    num_tokens = backend.get_vocab_size()
    special = SpecialTokens(**{name: num_tokens + offset for offset, name in enumerate(names)})
    return Tokenizer(backend, special, num_tokens + len(names))


def load_gpt2_tokenizer(folder: Path) -> Tokenizer:
    """Read the GPT-2 BPE of a published English GLM and give its command tokens their published ids.

    Raises:
        CheckpointError: `vocab.json` or `merges.txt` is missing or is not GPT-2's.
    """
    for name in (GPT2_VOCAB_FILE, GPT2_MERGES_FILE):
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder} holds no GPT-2 tokenizer: {name} is missing")
    model = tokenizers.models.BPE.from_file(str(folder / GPT2_VOCAB_FILE), str(folder / GPT2_MERGES_FILE))
    backend = _byte_level(model)
    if backend.get_vocab_size() != NUM_GPT2_TOKENS:
        raise CheckpointError(
            f"{folder} is not GPT-2's tokenizer: {NUM_GPT2_TOKENS} tokens expected, got {backend.get_vocab_size()}"
        )
    refuse_added_tokens(folder)
    return Tokenizer(backend, GLM_GPT2_SPECIAL, GLM_GPT2_VOCAB_SIZE)


def refuse_added_tokens(folder: Path) -> None:
    """Raise if the folder of an English GLM declares added tokens of its own: this vocabulary has no room for them.

    Raises:
        CheckpointError: `added_tokens.json` is damaged or names a token that is no command of GLM.
    """
    path = folder / ADDED_FILE
    if not path.is_file():
        return
    try:
        others = sorted(set(json.loads(path.read_text(encoding="utf-8"))) - GLM_COMMANDS)
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if others:
        raise CheckpointError(
            f"{path} must hold no token but the commands of GLM, got {others[:3]}; save the tokenizer as {BACKEND_FILE}, "
            "whose added tokens are kept"
        )


def _added_ids(backend: Backend) -> frozenset[int]:
    """Return the ids of added tokens that a text may spell; a SentencePiece model has none."""
    if not isinstance(backend, tokenizers.Tokenizer):
        return frozenset()
    return frozenset(token for token, added in backend.get_added_tokens_decoder().items() if not added.special)


def _byte_level(model: Any, *, split_words: bool = True) -> tokenizers.Tokenizer:
    backend = tokenizers.Tokenizer(model)
    backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=split_words)
    backend.decoder = tokenizers.decoders.ByteLevel()
    return backend
