"""Tokenizers of published causal models: `tokenizer.json`, a slow tokenizer's SentencePiece file, or a GGUF file.

Two changes: no text encodes to a control token, because control tokens get names that no text can spell; and no blank
is added before a text, because texts and entities are encoded separately. Added tokens that are not special, such as
the semantic ids `<a_12><b_7>` of an item, keep their names and stay whole in a text.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tokenizers

from recsys_model.errors import CheckpointError
from recsys_model.text.special_tokens import ControlTokens, choose_special
from recsys_model.text.tokenizer import ADDED_FILE, BACKEND_FILE, Tokenizer

SETTINGS_FILE = "tokenizer_config.json"
MODEL_FILE = "config.json"
SLOW_FILE = "tokenizer.model"
"""SentencePiece model of a tokenizer that was saved without `tokenizer.json`, such as LlamaTokenizer."""
OUT_OF_REACH = "\U0010ffff"
"""A noncharacter; put before the names of control tokens, so that no text can spell them."""
_END_NAMES = ("<|endoftext|>", "</s>")


def load_hf_tokenizer(folder: Path) -> Tokenizer:
    """Read `tokenizer.json`, the roles of its tokens from `tokenizer_config.json` and the rows from `config.json`.

    The two other files are not required. See `recsys_model.text.special_tokens` for the tokens that stand for masks.

    Raises:
        CheckpointError: a file is damaged, or too few tokens are left to structure an example.
    """
    document = _read_json(folder / BACKEND_FILE)
    settings = _read_json(folder / SETTINGS_FILE) if (folder / SETTINGS_FILE).is_file() else {}
    model = _read_json(folder / MODEL_FILE) if (folder / MODEL_FILE).is_file() else {}
    names = {role: _name_of(settings.get(f"{role}_token")) for role in ("bos", "eos", "pad")}
    return build_hf_tokenizer(document, names, model.get("vocab_size", 0), str(folder))


def load_slow_tokenizer(folder: Path) -> Tokenizer:
    """Read `tokenizer.model` and the tokens that `added_tokens.json` puts behind its pieces.

    Raises:
        CheckpointError: a file is damaged, an added token does not get its id, or too few tokens are left to structure an
            example.
    """
    published = _load_by_transformers(folder, folder / SLOW_FILE, "sentencepiece")
    added = _read_json(folder / ADDED_FILE) if (folder / ADDED_FILE).is_file() else {}
    token_to_id = published.get_vocab()
    moved = [name for name, token in added.items() if token_to_id.get(name) != token]
    if moved:
        raise CheckpointError(
            f"{folder / ADDED_FILE} gives {moved[0]} the id {added[moved[0]]}, but it follows the pieces of {SLOW_FILE} as "
            f"{token_to_id.get(moved[0])}; save the tokenizer with save_pretrained of a fast tokenizer"
        )
    model = _read_json(folder / MODEL_FILE) if (folder / MODEL_FILE).is_file() else {}
    return _build_from_transformers(published, model.get("vocab_size", 0), folder)


def load_gguf_tokenizer(path: Path) -> Tokenizer:
    """Read the vocabulary of a GGUF file.

    Raises:
        CheckpointError: the file cannot be read, or too few tokens are left to structure an example.
    """
    published = _load_by_transformers(path.parent, path, "gguf", gguf_file=path.name)
    return _build_from_transformers(published, len(published), path)


def _load_by_transformers(folder: Path, file: Path, package: str, **options: str) -> Any:
    """Return transformers' fast tokenizer of a file; reading it needs `package`, which is also the extra's name."""
    import transformers  # takes seconds, and only these files need it

    try:
        return transformers.AutoTokenizer.from_pretrained(folder, **options)
    except ImportError as error:
        raise CheckpointError(
            f"{file} needs the package {package}: pip install 'recsysllm-on-ray[{package}]'"
        ) from error
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        kind = "GGUF" if options else "a slow tokenizer"
        raise CheckpointError(f"{file} cannot be read as {kind}: {error}") from error


def _build_from_transformers(published: Any, num_rows: int, source: Path) -> Tokenizer:
    document = json.loads(published.backend_tokenizer.to_str())
    names = {"bos": published.bos_token, "eos": published.eos_token, "pad": published.pad_token}
    return build_hf_tokenizer(document, names, num_rows, str(source))


def build_hf_tokenizer(
    document: dict[str, Any], role_to_name: Mapping[str, str | None], num_rows: int, source: str
) -> Tokenizer:
    """Return the tokenizer of a `tokenizer.json`; the model has `num_rows` rows of word embeddings.

    Raises:
        CheckpointError: the document is damaged, or too few tokens are left to structure an example.
    """
    try:
        token_ids = [*_vocabulary(document["model"]).values(), *(token["id"] for token in document["added_tokens"])]
        name_to_id = {token["content"]: token["id"] for token in document["added_tokens"] if token["special"]}
        vocab_size = max(token_ids) + 1
        control = _control_tokens(name_to_id, role_to_name)
        special = choose_special(control, range(vocab_size, num_rows), source)
        backend = tokenizers.Tokenizer.from_str(json.dumps(_out_of_reach(document, set(name_to_id))))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{source} holds no tokenizer that can be used: {error!r}") from error
    needed = [vocab_size, *(token + 1 for token in (special.start, special.end, special.gmask))]
    return Tokenizer(backend, special, max(*needed, special.mask + 1, special.smask + 1))


def _control_tokens(name_to_id: dict[str, int], role_to_name: Mapping[str, str | None]) -> ControlTokens:
    """Find the tokens that begin, end and pad a text, by their names or by the usual ones."""
    usual_end = next((name for name in _END_NAMES if name in name_to_id), "")
    return ControlTokens(
        name_to_id=name_to_id,
        begin=name_to_id.get(role_to_name["bos"] or ""),
        end=name_to_id.get(role_to_name["eos"] or usual_end),
        pad=name_to_id.get(role_to_name["pad"] or ""),
    )


def _out_of_reach(document: dict[str, Any], control_names: set[str]) -> dict[str, Any]:
    """Return the document with unreachable names of its control tokens; their ids stay."""
    model = dict(document["model"])

    def spelled(name: str) -> str:
        return f"{OUT_OF_REACH}{name}" if name in control_names and name != model.get("unk_token") else name

    if isinstance(model["vocab"], dict):
        model["vocab"] = {spelled(name): token for name, token in model["vocab"].items()}
    else:
        model["vocab"] = [[spelled(name), score] for name, score in model["vocab"]]
    # control tokens outside the vocabulary stay in the list, because ids follow its order
    inside = _vocabulary(document["model"])
    added = [
        {**token, "content": spelled(token["content"])}
        for token in document["added_tokens"]
        if not (token["special"] and token["content"] in inside)
    ]
    parts = {name: _without_blanks(document.get(name)) for name in ("normalizer", "pre_tokenizer", "decoder")}
    rest = {"added_tokens": added, "post_processor": None, "truncation": None, "padding": None}
    return {**document, **rest, **parts, "model": model}


def _without_blanks(part: dict[str, Any] | None) -> dict[str, Any] | None:
    """Remove the parts of a step, or of a sequence of steps, that add a leading blank or strip it."""
    if part is None or part["type"] in ("Prepend", "Strip"):
        return None
    if part["type"] == "Sequence":
        key = next(key for key in ("normalizers", "pretokenizers", "decoders") if key in part)
        steps = [_without_blanks(step) for step in part[key]]
        return {**part, key: [step for step in steps if step is not None]}
    if part["type"] == "Metaspace":
        return {**part, "prepend_scheme": "never"}
    return {**part, "add_prefix_space": False} if part["type"] == "ByteLevel" else part


def _vocabulary(model: dict[str, Any]) -> dict[str, int]:
    vocab = model["vocab"]
    return vocab if isinstance(vocab, dict) else {name: token for token, (name, _) in enumerate(vocab)}


def _name_of(token: Any) -> str | None:
    """Return the text of a token in `tokenizer_config.json`, which is a string or an object."""
    return token.get("content") if isinstance(token, dict) else token


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise CheckpointError(f"{path} must hold an object, got {type(document).__name__}")
    return document
