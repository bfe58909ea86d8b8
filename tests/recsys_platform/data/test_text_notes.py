"""Doubts about the texts of a catalogue: another language than the run's, and characters that are not read."""

import io
import json
from pathlib import Path

import pytest
import tokenizers

from recsys_model.entities.catalog import build_catalog
from recsys_model.text.pretrained import load_pretrained_tokenizer
from recsys_model.text.tokenizer import SpecialTokens, Tokenizer, train_tokenizer
from recsys_platform.data.text_notes import text_notes


def notes(tokenizer: Tokenizer, titles: list[str], language="en") -> list[str]:
    ids = [f"i{place}" for place in range(len(titles))]
    return text_notes(tokenizer, build_catalog(ids, titles, titles, [], tokenizer), language)


def test_chinese_titles_in_an_english_run_are_noted_with_the_setting() -> None:
    titles = ["赤杨山径帐篷", "北境 Trail 睡袋"]
    tokenizer = train_tokenizer(titles, 400)
    (note,) = notes(tokenizer, titles)
    # ten Han characters and five Latin letters
    assert note == (
        "67 % of the letters of the titles are Chinese or Japanese, but text.language is en: the words around them, the "
        "questions and the metrics of texts are English; text.language: zh has Chinese ones"
    )
    assert notes(tokenizer, titles, "zh") == []


@pytest.mark.parametrize("titles", [["Red Tent", "Lamp 帐"], ["2", "3"], ["Звук"]])
def test_titles_that_are_mostly_in_another_script_are_not_noted(titles: list[str]) -> None:
    assert notes(train_tokenizer(titles, 400), titles) == []


def test_characters_that_a_sentencepiece_vocabulary_lacks_are_noted(tmp_path: Path) -> None:
    spm = pytest.importorskip("sentencepiece")
    out = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(["红色帐篷", "蓝色帐篷"] * 20),
        model_writer=out,
        vocab_size=20,
        hard_vocab_limit=False,
        character_coverage=1.0,
        minloglevel=2,
    )
    (tmp_path / "cog-pretrain.model").write_bytes(out.getvalue())
    names = ["<|endoftext|>", "<|startofpiece|>", "<|endofpiece|>", "[MASK]", "[gMASK]", "[sMASK]"]
    added = {name: 100 + place for place, name in enumerate(names)}
    (tmp_path / "added_tokens.json").write_text(json.dumps(added))
    tokenizer = load_pretrained_tokenizer(tmp_path)
    assert notes(tokenizer, ["红色帐篷"], "zh") == []
    (note,) = notes(tokenizer, ["红色帐篷", "😀帐篷", "红色鞋"], "zh")
    assert note.startswith(
        "2 of 3 titles have characters that the vocabulary does not know, for example '😀帐篷'; the model reads each as "
        "the same unknown token."
    )


def test_characters_that_word_pieces_lack_are_noted() -> None:
    backend = tokenizers.Tokenizer(tokenizers.models.WordPiece({"[UNK]": 0, "red": 1, "tent": 2}, unk_token="[UNK]"))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    special = SpecialTokens(pad=3, eos=4, start=5, end=6, cls=7, mask=8, gmask=8, smask=8)
    tokenizer = Tokenizer(backend, special, 9)
    assert notes(tokenizer, ["red tent"]) == []
    assert notes(tokenizer, ["red tent", "blue tent"])[0].startswith("1 of 2 titles have characters that the vocab")


def test_a_byte_level_vocabulary_knows_every_character() -> None:
    assert train_tokenizer(["Tent"], 300).unknown is None
