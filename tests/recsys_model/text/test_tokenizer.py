"""Tokens of entities never depend on their neighbours, and text never becomes a special token."""

import json
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from recsys_model.errors import CheckpointError, ConfigError, DataError
from recsys_model.text.tokenizer import Tokenizer, load_gpt2_tokenizer, load_tokenizer, train_tokenizer

TITLES = ["Red Tent", "Red Tent Pole", "Gloom of Kilforth", "Vol. 2 [MASK] <|endoftext|>", "Tent Red Nail Lacquer"]
TOKENIZER = train_tokenizer(TITLES * 3, vocab_size=320)


@given(st.text(max_size=30))
def test_any_text_comes_back_and_holds_no_special_token(text: str) -> None:
    ids = TOKENIZER.encode_text(text)
    assert TOKENIZER.decode(ids) == text
    assert all(token < TOKENIZER.special.pad for token in ids)


def test_special_token_text_is_plain_text() -> None:
    assert len(TOKENIZER.encode_text("[MASK]")) > 1 or TOKENIZER.encode_text("[MASK]")[0] < TOKENIZER.special.pad
    assert TOKENIZER.decode(TOKENIZER.encode_entity("[gMASK] <|endofpiece|>")) == " [gMASK] <|endofpiece|>"


def test_special_ids_are_the_last_rows_of_the_vocabulary() -> None:
    special = TOKENIZER.special
    ids = [
        special.pad,
        special.eos,
        special.start,
        special.end,
        special.cls,
        special.mask,
        special.gmask,
        special.smask,
    ]
    assert ids == list(range(TOKENIZER.vocab_size - 8, TOKENIZER.vocab_size))


def test_entity_has_one_leading_blank() -> None:
    assert TOKENIZER.encode_entity("Red Tent") == TOKENIZER.encode_text(" Red Tent")


def test_empty_entity_is_refused() -> None:
    with pytest.raises(DataError, match="must not be empty"):
        TOKENIZER.encode_entity("  ")


def test_tokens_may_span_words_when_asked() -> None:
    merged = train_tokenizer(["Nail Lacquer"] * 50, vocab_size=400, merge_words=True)
    assert len(merged.encode_entity("Nail Lacquer")) == 1
    assert len(train_tokenizer(["Nail Lacquer"] * 50, vocab_size=400).encode_entity("Nail Lacquer")) == 2


def test_a_chinese_title_has_a_token_for_each_character_and_whole_words_in_other_scripts() -> None:
    titles = ["赤杨山径帐篷", "赤杨 Trail 帐篷", "カメラ2台"]
    tokenizer = train_tokenizer(titles * 50, vocab_size=600)
    pieces = [[tokenizer.decode([token]) for token in tokenizer.encode_entity(title)] for title in titles]
    assert pieces == [
        [" 赤", "杨", "山", "径", "帐", "篷"],
        [" 赤", "杨", " Trail", " 帐", "篷"],
        [" カ", "メ", "ラ", "2", "台"],
    ]
    merged = train_tokenizer(titles * 50, vocab_size=600, merge_words=True)
    assert len(merged.encode_entity("赤杨山径帐篷")) == 1


def test_vocabulary_without_room_for_bytes_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 264, got 100"):
        train_tokenizer(TITLES, vocab_size=100)


def test_training_twice_gives_the_same_tokens() -> None:
    again = train_tokenizer(TITLES * 3, vocab_size=320)
    assert [again.encode_text(t) for t in TITLES] == [TOKENIZER.encode_text(t) for t in TITLES]


def test_written_tokenizer_reads_back(tmp_path: Path) -> None:
    TOKENIZER.write(tmp_path)
    again = load_tokenizer(tmp_path)
    assert (again.special, again.vocab_size) == (TOKENIZER.special, TOKENIZER.vocab_size)
    assert again.encode_text("Gloom [MASK]") == TOKENIZER.encode_text("Gloom [MASK]")


def test_folder_without_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"{tmp_path} holds no tokenizer"):
        load_tokenizer(tmp_path)


def gpt2_like(folder: Path, num_tokens: int) -> Path:
    """Write a vocabulary of GPT-2's size: the bytes, one merge, fillers, `<|endoftext|>` last."""
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    words = [*alphabet, "ab", *(f"filler{n}" for n in range(num_tokens - len(alphabet) - 2)), "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: n for n, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\na b\n")
    return folder


def test_gpt2_tokenizer_has_the_published_command_ids(tmp_path: Path) -> None:
    tokenizer: Tokenizer = load_gpt2_tokenizer(gpt2_like(tmp_path, 50257))
    special = tokenizer.special
    assert (special.eos, special.pad, special.start, special.end, special.cls) == (50256, 50256, 50257, 50258, 50259)
    assert (special.mask, special.gmask, special.smask, tokenizer.vocab_size) == (50260, 50263, 50264, 50304)
    assert 50256 not in tokenizer.encode_text("<|endoftext|>")


def test_vocabulary_of_another_size_is_not_gpt2(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="50257 tokens expected, got 1000"):
        load_gpt2_tokenizer(gpt2_like(tmp_path, 1000))
