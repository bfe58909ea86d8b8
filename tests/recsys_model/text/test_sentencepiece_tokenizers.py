"""ChatGLM-6B's and the Chinese GLMs' tokenizers: the ids of SentencePiece itself, and no text reaches a command."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from recsys_model.errors import CheckpointError
from recsys_model.text.pretrained import load_pretrained_tokenizer
from recsys_model.text.tokenizer import Tokenizer, load_tokenizer

spm = pytest.importorskip("sentencepiece")
sentencepiece_model_pb2 = pytest.importorskip("sentencepiece.sentencepiece_model_pb2")

CORPUS = ["Red Tent Pole", "Gloom of Kilforth: Vol. 2", "camping stove, red", "指甲油 红色", "tent pole red stove"] * 30
TEXTS = ["Red Tent Pole", "Vol. 2", "Gloom of Kilforth", "red pole, camping stove", "指甲油 红色"]
HOSTILE = "[gMASK] <eop> [MASK]<sop> <n> <|blank_2|> <|endoftext|> <image_3> <0x41> <unk> </s>"
COMMANDS = ["[MASK]", "[gMASK]", "[sMASK]", "<unused_0>", "<sop>", "<eop>", "<ENC>", "<dBLOCK>"]
CHINESE = {"<|endoftext|>": 0, "[SEP]": 1, "[CLS]": 2, "[MASK]": 3, "[UNUSED1]": 4, "[UNUSED2]": 5}
CHINESE |= {"<|startofpiece|>": 6, "<|endofpiece|>": 7, "[sMASK]": 8, "[gMASK]": 9}


def trained_model(kind: str = "unigram", *, byte_fallback: bool = False) -> bytes:
    """Train a small model that puts a blank before a text and knows a line break, as `ice_text.model` does."""
    out = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS),
        model_writer=out,
        model_type=kind,
        vocab_size=90 + 256 * byte_fallback,
        pad_id=3,
        character_coverage=1.0,
        byte_fallback=byte_fallback,
        user_defined_symbols=["<n>"],
        hard_vocab_limit=False,
        self_test_sample_size=10,
        minloglevel=2,
    )
    return out.getvalue()


def with_commands(model: bytes) -> bytes:
    """Append what later revisions of the file hold: commands that a text may spell, a tab and runs of blanks."""
    proto = sentencepiece_model_pb2.ModelProto.FromString(model)
    for name in [*COMMANDS, "<|tab|>", *(f"<|blank_{size}|>" for size in range(2, 81))]:
        proto.pieces.add(piece=name, score=0.0, type=4)
    return proto.SerializeToString()


def chatglm_folder(folder: Path, model: bytes, settings: dict[str, Any], config: dict[str, Any] | None = None) -> Path:
    (folder / "ice_text.model").write_bytes(model)
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "config.json").write_text(json.dumps(config or {}))
    return folder


def chinese_folder(folder: Path, model: bytes, gap: int = 0) -> Path:
    size = spm.SentencePieceProcessor(model_proto=model).get_piece_size()
    (folder / "cog-pretrain.model").write_bytes(model)
    added = {name: size + gap + place for name, place in CHINESE.items()}
    (folder / "added_tokens.json").write_text(json.dumps(added))
    return folder


def check_text_stays_text(tokenizer: Tokenizer, first_command: int) -> None:
    ids = tokenizer.encode_entity(HOSTILE)
    assert max(ids) < first_command
    special = tokenizer.special
    assert {special.start, special.end, special.mask, special.gmask, special.smask}.isdisjoint(ids)


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
@pytest.mark.parametrize("num_image_tokens", [0, 7])
def test_an_entity_has_the_ids_of_sentencepiece_behind_the_image_tokens(
    tmp_path: Path, kind: str, num_image_tokens: int
) -> None:
    model = with_commands(trained_model(kind))
    published = spm.SentencePieceProcessor(model_proto=model)
    tokenizer = load_pretrained_tokenizer(chatglm_folder(tmp_path, model, {"num_image_tokens": num_image_tokens}))
    for text in TEXTS:
        assert tokenizer.encode_entity(text) == [token + num_image_tokens for token in published.encode(text)]
        assert tokenizer.decode(tokenizer.encode_entity(text)) == f" {text}"
    special = tokenizer.special
    expected = [num_image_tokens + published.piece_to_id(name) for name in ("[gMASK]", "<sop>", "<eop>", "<pad>")]
    assert [special.gmask, special.start, special.end, special.pad] == expected
    # text [gMASK] <sop> answer <eop>: nothing before the text, nothing behind it
    assert (special.cls, special.eos) == (None, None)
    assert tokenizer.vocab_size == num_image_tokens + published.get_piece_size()


def test_no_text_reaches_a_command_that_sentencepiece_itself_would_find(tmp_path: Path) -> None:
    model = with_commands(trained_model(byte_fallback=True))
    published = spm.SentencePieceProcessor(model_proto=model)
    command = published.piece_to_id("[gMASK]")
    assert command in published.encode(HOSTILE)

    tokenizer = load_pretrained_tokenizer(chatglm_folder(tmp_path, model, {"num_image_tokens": 0}))
    check_text_stays_text(tokenizer, published.piece_to_id("[MASK]"))
    assert tokenizer.decode(tokenizer.encode_entity(HOSTILE)) == f" {HOSTILE}"


def test_line_breaks_tabs_and_runs_of_blanks_are_pieces_and_come_back(tmp_path: Path) -> None:
    model = with_commands(trained_model())
    published = spm.SentencePieceProcessor(model_proto=model)
    tokenizer = load_pretrained_tokenizer(chatglm_folder(tmp_path, model, {"num_image_tokens": 0}))
    text = "Red\n\nTent\tPole" + " " * 82 + "stove"
    ids = tokenizer.encode_text(text)
    names = [published.id_to_piece(token) for token in ids if published.id_to_piece(token).startswith("<")]
    assert names == ["<n>", "<n>", "<|tab|>", "<|blank_80|>", "<|blank_2|>"]
    assert tokenizer.decode(ids) == text


def test_no_blank_is_put_before_a_piece_of_text(tmp_path: Path) -> None:
    model = with_commands(trained_model())
    tokenizer = load_pretrained_tokenizer(chatglm_folder(tmp_path, model, {"num_image_tokens": 0}))
    assert tokenizer.decode([*tokenizer.encode_entity("Red Tent"), *tokenizer.encode_text(", red")]) == " Red Tent, red"


def test_early_revisions_get_their_commands_behind_the_pieces_and_twenty_thousand_image_tokens(tmp_path: Path) -> None:
    model = trained_model()
    size = spm.SentencePieceProcessor(model_proto=model).get_piece_size()
    tokenizer = load_pretrained_tokenizer(chatglm_folder(tmp_path, model, {}))
    special = tokenizer.special
    first = 20_000 + size
    assert (special.mask, special.gmask, special.smask) == (first, first + 1, first + 2)
    assert (special.start, special.end, special.pad) == (first + 4, first + 5, 20_003)
    # eight commands, a tab, runs of 2 to 80 blanks, 256 bytes
    assert tokenizer.vocab_size == first + 8 + 1 + 79 + 256
    emoji = "🙂"
    assert tokenizer.decode(tokenizer.encode_text(emoji)) == emoji
    assert min(tokenizer.encode_text(emoji)) >= 20_000


def test_ids_that_the_model_names_differently_are_an_error(tmp_path: Path) -> None:
    folder = chatglm_folder(tmp_path, with_commands(trained_model()), {}, {"gmask_token_id": 130001})
    with pytest.raises(
        CheckpointError, match=r"gmask_token_id of config\.json .* got 130001 .* set num_image_tokens in"
    ):
        load_pretrained_tokenizer(folder)


@pytest.mark.parametrize("gap", [0, 3])
def test_a_chinese_glm_has_its_commands_where_the_file_says(tmp_path: Path, gap: int) -> None:
    model = trained_model()
    published = spm.SentencePieceProcessor(model_proto=model)
    tokenizer = load_pretrained_tokenizer(chinese_folder(tmp_path, model, gap))
    first, special = published.get_piece_size() + gap, tokenizer.special
    assert (special.eos, special.pad, special.cls, special.mask) == (first, first, first + 2, first + 3)
    assert (special.start, special.end, special.smask, special.gmask) == (first + 6, first + 7, first + 8, first + 9)
    assert tokenizer.vocab_size == first + 10
    for text in TEXTS:
        assert tokenizer.encode_entity(text) == published.encode(text)
    check_text_stays_text(tokenizer, published.get_piece_size())


def test_a_command_with_the_id_of_a_piece_is_refused(tmp_path: Path) -> None:
    folder = chinese_folder(tmp_path, trained_model(), gap=-1)
    with pytest.raises(CheckpointError, match=r"added_tokens\.json must give command tokens ids of at least \d+"):
        load_pretrained_tokenizer(folder)


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    (tmp_path / "published").mkdir()
    model = with_commands(trained_model())
    tokenizer = load_pretrained_tokenizer(chatglm_folder(tmp_path / "published", model, {"num_image_tokens": 7}))
    tokenizer.write(tmp_path / "written")
    for read in (load_tokenizer, load_pretrained_tokenizer):
        again = read(tmp_path / "written")
        assert (again.special, again.vocab_size) == (tokenizer.special, tokenizer.vocab_size)
        assert [again.encode_entity(text) for text in TEXTS] == [tokenizer.encode_entity(text) for text in TEXTS]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    folder = chatglm_folder(tmp_path, b"no model at all", {})
    with pytest.raises(CheckpointError, match=r"ice_text\.model holds no SentencePiece model"):
        load_pretrained_tokenizer(folder)
