"""Tokens and frames of glm-10b and glm-large, against the two algorithms written down again and ids from the published files."""

import itertools
import json
from pathlib import Path

import pytest
import regex
import tokenizers

from recsys_model.config import ObjectiveConfig
from recsys_model.entities.pool import EntityPool
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.infilling.example import ExampleBuilder
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.infilling.prompt import build_prompt
from recsys_model.text.pretrained import load_pretrained_tokenizer
from recsys_model.text.textualize import TokenizedText
from recsys_model.text.tokenizer import Tokenizer

GPT2_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
MERGES = ["r e", "re d", "Ġ t", "e n", "Ġt en", "Ġten t", "Ġ red", "o l", "Ã ©", "p ol", "pol e", "e d"]
TEXTS = [
    "red tents, red poles",
    " The 12 tents' end  of\u00a0caf\u00e9",
    "tent\n\nred",
    "[MASK] <|endoftext|>",
    "ß 火 🎪",
]
PIECES = ["red", "tent", "##s", "##en", "##t", "te", "pole", ",", "the", "12", "'", "cafe", "[", "]", "mask", "火"]


def gpt2_folder(folder: Path) -> Path:
    """Write a vocabulary of GPT-2's size whose merges are few."""
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    words = [*alphabet, *(merge.replace(" ", "") for merge in MERGES)]
    words += [*(f"filler{n}" for n in range(50256 - len(words))), "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: n for n, word in enumerate(words)}))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *MERGES, ""]))
    return folder


def bert_folder(folder: Path) -> Path:
    """Write a vocabulary of BERT's size with its control tokens where BERT has them."""
    words = [f"filler{number}" for number in range(30522)]
    words[0], words[100:104] = "[PAD]", ["[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words[2000 : 2000 + len(PIECES)] = PIECES
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    return folder


def byte_letters() -> dict[int, str]:
    """GPT-2's letter for each byte: printable ones stand for themselves, the others follow from 256."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + n) for n, byte in enumerate(others)}


def bpe(text: str, token_to_id: dict[str, int]) -> list[int]:
    """Merge the best ranked neighbours of each word until none is left."""
    ranks = {tuple(merge.split(" ")): rank for rank, merge in enumerate(MERGES)}
    letters, ids = byte_letters(), []
    for word in regex.findall(GPT2_WORDS, text):
        parts = [letters[byte] for byte in word.encode()]
        while pairs := {pair: ranks[pair] for pair in itertools.pairwise(parts) if pair in ranks}:
            best = min(pairs, key=lambda pair: pairs[pair])
            place = next(n for n in range(len(parts)) if tuple(parts[n : n + 2]) == best)
            parts[place : place + 2] = ["".join(best)]
        ids += [token_to_id[part] for part in parts]
    return ids


def word_pieces(words: list[str]) -> list[int]:
    """Cut the longest known piece off each word, or give the whole word up as unknown."""
    ids = []
    for word in words:
        found, begin = [], 0
        while begin < len(word):
            prefix = "##" if begin else ""
            ends = [end for end in range(len(word), begin, -1) if prefix + word[begin:end] in PIECES]
            if not ends:
                found = [100]
                break
            found.append(2000 + PIECES.index(prefix + word[begin : ends[0]]))
            begin = ends[0]
        ids += found
    return ids


@pytest.mark.parametrize("text", TEXTS)
def test_text_of_glm_10b_is_gpt2s_byte_pairs(tmp_path: Path, text: str) -> None:
    tokenizer = load_pretrained_tokenizer(gpt2_folder(tmp_path))
    token_to_id = json.loads((tmp_path / "vocab.json").read_text())
    assert tokenizer.encode_text(text) == bpe(text, token_to_id)
    assert tokenizer.encode_entity(text) == bpe(f" {text}", token_to_id)
    assert tokenizer.decode(tokenizer.encode_text(text)) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Red TENTS, poles", ["red", "tents", ",", "poles"]),
        ("the  Café's 12", ["the", "cafe", "'", "s", "12"]),
        ("teent火red [MASK]", ["teent", "火", "red", "[", "mask", "]"]),
        ("[CLS]tent", ["[", "cls", "]", "tent"]),
    ],
)
def test_text_of_glm_large_is_the_longest_known_pieces(tmp_path: Path, text: str, words: list[str]) -> None:
    tokenizer = load_pretrained_tokenizer(bert_folder(tmp_path))
    assert tokenizer.encode_text(text) == tokenizer.encode_entity(text) == word_pieces(words)


def laid_out(tokenizer: Tokenizer, question: str, answer: str) -> tuple[list[int], list[int], list[int], list[int]]:
    """Return inputs, both position ids and labels of a question with its answer, in plain GLM's numbers."""
    text = TokenizedText()
    text.add_text(tokenizer.encode_text(question))
    begin = len(text)
    text.add_text(tokenizer.encode_text(answer))
    trie = build_token_trie([(1,)], tokenizer.special.end)
    automaton = PositionAutomaton(EntityPool([(1,)]), "glm")
    builder = ExampleBuilder(ObjectiveConfig(intra_mode="glm"), tokenizer.special, automaton, trie)
    example = builder.lay_out(text, [(begin, len(text))], tokenizer.special.gmask)
    return example.token_ids, example.inter_position_ids, example.intra_position_ids, example.labels


def test_a_question_to_glm_10b_has_the_published_frame_and_positions(tmp_path: Path) -> None:
    tokenizer = load_pretrained_tokenizer(gpt2_folder(tmp_path))
    token_to_id = json.loads((tmp_path / "vocab.json").read_text())
    question, answer = bpe("red tents", token_to_id), bpe(" red", token_to_id)
    assert (len(question), len(answer)) == (3, 1)
    inputs, inter, intra, labels = laid_out(tokenizer, "red tents", " red")
    # [CLS] text [gMASK] <|endoftext|> | <|startofpiece|> answer -> answer <|endofpiece|>
    assert inputs == [50259, *question, 50263, 50256, 50257, *answer]
    assert labels == [-100] * 6 + [*answer, 50258]
    assert inter == [0, 1, 2, 3, 4, 5, 4, 4]
    assert intra == [0, 0, 0, 0, 0, 0, 1, 2]


def test_a_question_to_glm_large_has_the_published_frame_and_positions(tmp_path: Path) -> None:
    tokenizer = load_pretrained_tokenizer(bert_folder(tmp_path))
    inputs, inter, intra, labels = laid_out(tokenizer, "The red tents", "pole")
    # [CLS] text [MASK] [SEP] | <|startofpiece|> answer -> answer <|endofpiece|>
    assert inputs == [101, 2008, 2000, 2001, 2002, 103, 102, 30522, 2006]
    assert labels == [-100] * 7 + [2006, 30523]
    assert inter == [0, 1, 2, 3, 4, 5, 6, 5, 5]
    assert intra == [0, 0, 0, 0, 0, 0, 0, 1, 2]


def test_the_prompt_of_a_generation_is_the_frame_without_its_answer(tmp_path: Path) -> None:
    tokenizer = load_pretrained_tokenizer(gpt2_folder(tmp_path))
    text = TokenizedText()
    text.add_text(tokenizer.encode_text("red"))
    prompt = build_prompt(text, tokenizer.special)
    assert prompt.token_ids == [50259, *tokenizer.encode_text("red"), 50263, 50256]
    assert (prompt.inter_position_ids, prompt.mask_position) == ([0, 1, 2, 3], 2)
