"""Tokenizers of published models that are one SentencePiece file: ChatGLM-6B and the Chinese GLMs.

The model is rewritten after reading. Its piece ids become the token ids of the language model, and command tokens
become control pieces, which SentencePiece never finds in a text. No blank is added before a text, because texts and
entities are encoded separately.

Assumptions about the published files, which were not available when this was written:

- `ice_text.model` (ChatGLM-6B): ids begin behind `num_image_tokens` of `tokenizer_config.json`, 20,000 where it says
  nothing. The first revisions of the file end before the command tokens; their code appends `COMMANDS`, a tab, runs of
  2 to 80 blanks and the 256 bytes, in this order. Later revisions hold them. Line breaks are the piece `<n>`.
- `cog-pretrain.model` (glm-10b-chinese, glm-large-chinese): `added_tokens.json` gives the command tokens behind it.

Ids in `config.json` are compared with those of the pieces, so a wrong assumption is an error, not a wrong token.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recsys_model.errors import CheckpointError
from recsys_model.text.sentencepiece_model import (
    BLANKS,
    SENTENCEPIECE_FILE,
    TAB,
    WHITESPACE_TO_NAME,
    SentencePieceBackend,
    optional_package,
)
from recsys_model.text.special_tokens import ControlTokens, choose_special
from recsys_model.text.tokenizer import Tokenizer

CHATGLM_FILE = "ice_text.model"
CHINESE_GLM_FILE = "cog-pretrain.model"
COMMANDS = ("[MASK]", "[gMASK]", "[sMASK]", "<unused_0>", "<sop>", "<eop>", "<ENC>", "<dBLOCK>")
NUM_IMAGE_TOKENS = 20_000
NUM_BYTES = 256
END_OF_TEXT = "<|endoftext|>"
_CONTROL, _BYTE = 3, 6
"""Types of a piece."""
_ROLE_TO_KEY = {"gmask": "gmask_token_id", "mask": "mask_token_id", "start": "bos_token_id", "end": "eos_token_id"}


def load_chatglm_tokenizer(folder: Path) -> Tokenizer:
    """Read the tokenizer of ChatGLM-6B: `ice_text.model`, `tokenizer_config.json` and `config.json`, if they exist.

    Raises:
        CheckpointError: a file is damaged, or `config.json` has other ids than the pieces.
    """
    settings, model = (_read_object(folder / name) for name in ("tokenizer_config.json", "config.json"))
    proto = _read_proto(folder / CHATGLM_FILE)
    piece_names = {piece.piece for piece in proto.pieces}
    if COMMANDS[0] not in piece_names:
        _append(proto, [*COMMANDS, TAB, *BLANKS])
        _append(proto, [f"<0x{byte:02X}>" for byte in range(NUM_BYTES)], kind=_BYTE)
        proto.trainer_spec.byte_fallback = True
    num_image_tokens = settings.get("num_image_tokens", NUM_IMAGE_TOKENS)
    backend = _build_backend(proto, {*COMMANDS, *WHITESPACE_TO_NAME.values()}, num_image_tokens)
    names = {name: token for name in COMMANDS if (token := backend.id_of(name)) is not None}
    control = ControlTokens(name_to_id=names, begin=None, end=None, pad=backend.id_of("<pad>"))
    special = choose_special(control, [], str(folder))
    wrong = [
        key for role, key in _ROLE_TO_KEY.items() if model.get(key, getattr(special, role)) != getattr(special, role)
    ]
    if wrong:
        raise CheckpointError(
            f"{folder}: {', '.join(wrong)} of config.json must be the tokens of {CHATGLM_FILE}, got {model[wrong[0]]} where "
            f"num_image_tokens {num_image_tokens} gives others; set num_image_tokens in tokenizer_config.json"
        )
    return Tokenizer(backend, special, backend.num_pieces, SENTENCEPIECE_FILE)


def load_chinese_glm_tokenizer(folder: Path) -> Tokenizer:
    """Read the tokenizer of a Chinese GLM: `cog-pretrain.model` and `added_tokens.json`.

    Raises:
        CheckpointError: a file is missing or damaged, or a command token has the id of a piece.
    """
    added = _read_object(folder / "added_tokens.json")
    proto = _read_proto(folder / CHINESE_GLM_FILE)
    num_pieces = len(proto.pieces)
    if not added or min(added.values()) < num_pieces:
        raise CheckpointError(
            f"{folder / 'added_tokens.json'} must give command tokens ids of at least {num_pieces}, the number of "
            f"pieces in {CHINESE_GLM_FILE}, got {added or 'none'}"
        )
    id_to_name = {token: name for name, token in added.items()}
    rows = range(num_pieces, max(added.values()) + 1)
    _append(proto, [id_to_name.get(token, f"<unused row {token}>") for token in rows])
    backend = _build_backend(proto, set(added), 0)
    end = added.get(END_OF_TEXT)
    special = choose_special(ControlTokens(name_to_id=added, begin=None, end=end, pad=end), [], str(folder))
    return Tokenizer(backend, special, backend.num_pieces, SENTENCEPIECE_FILE)


def _build_backend(proto: Any, control_names: set[str], num_image_tokens: int) -> SentencePieceBackend:
    """Make control tokens unreachable for text, move all ids behind the image tokens, and add no leading blank."""
    for piece in proto.pieces:
        if piece.piece in control_names:
            piece.type = _CONTROL
    text_pieces = [*proto.pieces]
    del proto.pieces[:]
    _append(proto, [f"<image_{number}>" for number in range(num_image_tokens)])
    proto.pieces.extend(text_pieces)
    proto.normalizer_spec.add_dummy_prefix = False
    proto.normalizer_spec.remove_extra_whitespaces = False
    # self-test samples of the unchanged file; only some versions of the package have this field
    proto.DiscardUnknownFields()
    if "self_test_data" in proto.DESCRIPTOR.fields_by_name:
        proto.ClearField("self_test_data")
    return SentencePieceBackend(proto.SerializeToString())


def _append(proto: Any, names: Sequence[str], kind: int = _CONTROL) -> None:
    for name in names:
        proto.pieces.add(piece=name, score=0.0, type=kind)


def _read_proto(path: Path) -> Any:
    proto = optional_package("sentencepiece.sentencepiece_model_pb2").ModelProto()
    errors = optional_package("google.protobuf.message")
    try:
        proto.ParseFromString(path.read_bytes())
    except (OSError, errors.DecodeError) as error:
        raise CheckpointError(f"{path} holds no SentencePiece model: {error}") from error
    if not proto.pieces:
        raise CheckpointError(f"{path} holds no SentencePiece model: it has no pieces")
    return proto


def _read_object(path: Path) -> Mapping[str, Any]:
    """Return the content of a JSON file, empty without a file."""
    if not path.is_file():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise CheckpointError(f"{path} must hold an object, got {type(document).__name__}")
    return document
