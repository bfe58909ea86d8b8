"""Tiny checkpoints and index files in the layouts of MiniOneRec, LC-Rec and OpenOneRec, with random weights."""

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import tokenizers
import torch
import transformers
from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, trainers

from recsys_model.semantic_ids.published_format import published_format

SIZES = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 512,
}
MINIONEREC = {
    "0": ["<a_12>", "<b_7>", "<c_9>"],
    "1": ["<a_12>", "<b_7>", "<c_98>", "<d_1>"],
    "2": ["<a_12>", "<b_7>", "<c_98>", "<d_2>"],
    "3": ["<a_104>", "<b_0>", "<c_9>"],
    "4": ["<a_104>", "<b_0>", "<c_9>"],
    "5": ["<a_2>", "<b_31>", "<c_0>"],
    "6": ["<a_104>", "<b_5>", "<c_0>"],
    "7": ["<a_104>", "<b_0>", "<c_9>"],
    "8": ["<a_2>", "<b_7>", "<c_98>"],
}
"""Lengths 3 and 4; items 3, 4 and 7 collide."""
LCREC = {str(n): [f"<a_{n % 3}>", f"<b_{n % 2}>", f"<c_{n // 4}>", f"<d_{n % 5}>"] for n in range(11)}
OPENONEREC = {
    101: (5, 8191, 0),
    102: (5, 8191, 1),
    103: (5, 8191, 0),
    104: (8191, 3, 7),
    105: (6, 3, 7),
    106: (5, 2, 2),
}
"""Items 101 and 103 share their codes."""


@dataclass(frozen=True)
class Published:
    """Files of one project."""

    index: Path
    weights: Path


def minionerec(folder: Path, index: dict[str, list[str]] = MINIONEREC) -> Published:
    """A Qwen2 with a fast tokenizer, tied embeddings, and tokens added in the order of their text."""
    file = write_json(folder / "Office.index.json", index)
    write_json(folder / "Office.item.json", {key: {"title": f"Pen &amp; Ink {key}"} for key in [*index, "99"]})
    tokens = sorted({token for tokens in index.values() for token in tokens})
    config = transformers.Qwen2Config(**SIZES, tie_word_embeddings=True)
    return Published(file, save_fast(folder / "weights", config, tokens))


def openonerec(folder: Path) -> Published:
    """A Qwen3 with all tokens of a level in numeric order, the begin and end behind them, and rows padded to 256."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = folder / "video_pid2sid.parquet"
    pq.write_table(pa.table({"pid": list(OPENONEREC), "sid": [list(codes) for codes in OPENONEREC.values()]}), file)
    used = [sorted({codes[level] for codes in OPENONEREC.values()}) for level in range(3)]
    tokens = [f"<s_{level}_{code}>" for level, codes in zip("abc", used, strict=True) for code in codes]
    config = transformers.Qwen3Config(**SIZES, head_dim=8, tie_word_embeddings=False)
    return Published(file, save_fast(folder / "weights", config, [*tokens, "<|sid_begin|>", "<|sid_end|>"], padded=256))


def lcrec(folder: Path) -> Published:
    """A Llama with a slow tokenizer: `tokenizer.model` and `added_tokens.json`, but no `tokenizer.json`."""
    file = write_json(folder / "Games.index.json", LCREC)
    (folder / "Games.item2id").write_text("".join(f"B00{key}\t{key}\n" for key in LCREC), encoding="utf-8")
    weights = folder / "weights"
    weights.mkdir()
    model = train_sentencepiece()
    (weights / "tokenizer.model").write_bytes(model)
    tokens = sorted({token for tokens in LCREC.values() for token in tokens})
    write_json(weights / "added_tokens.json", {token: row for row, token in enumerate(tokens, start=num_pieces(model))})
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    settings = {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": False}
    write_json(weights / "tokenizer_config.json", {**settings, **names})
    write_json(weights / "special_tokens_map.json", names)
    config = transformers.LlamaConfig(**SIZES, vocab_size=num_pieces(model) + len(tokens), tie_word_embeddings=False)
    save_model(weights, config)
    return Published(file, weights)


def train_sentencepiece() -> bytes:
    """Return a SentencePiece model like Llama's: BPE with bytes, a blank in front, whitespace kept."""
    import sentencepiece

    form = published_format("lcrec")
    lines = [form.template.replace("\n", " "), form.begin, "items , in"] * 20
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        vocab_size=360,
        model_type="bpe",
        byte_fallback=True,
        character_coverage=1.0,
        hard_vocab_limit=False,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        minloglevel=2,
    )
    return model.getvalue()


def num_pieces(model: bytes) -> int:
    import sentencepiece

    return sentencepiece.SentencePieceProcessor(model_proto=model).get_piece_size()


def save_fast(folder: Path, config: transformers.PretrainedConfig, tokens: Sequence[str], padded: int = 1) -> Path:
    """Save a byte-level tokenizer with added tokens that are not special, and a model with a row for each."""
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=byte_level(), eos_token="<|endoftext|>")
    tokenizer.add_tokens(list(tokens))
    tokenizer.save_pretrained(folder)
    config.vocab_size = -(-len(tokenizer) // padded) * padded
    config.eos_token_id = tokenizer.eos_token_id
    save_model(folder, config)
    return folder


def byte_level() -> tokenizers.Tokenizer:
    """Like Qwen's: line breaks join the punctuation before them, so that `:` and a line break are one token."""
    backend = tokenizers.Tokenizer(models.BPE())
    words = pre_tokenizers.Split(Regex(r"\s?\w+|\s?[^\s\w]+\n*|\s+"), "isolated")
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [words, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    form = published_format("minionerec")
    backend.train_from_iterator([form.template + form.begin] * 5, trainer)
    special = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    backend.add_special_tokens([AddedToken(name, special=True) for name in special])
    backend.add_tokens([AddedToken(name) for name in ("<think>", "</think>")])
    return backend


def save_model(folder: Path, config: transformers.PretrainedConfig) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.AutoModelForCausalLM.from_config(config)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)


def write_json(file: Path, document: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return file


def texts_of(token_lists: Iterable[Sequence[str]]) -> list[str]:
    return ["".join(tokens) for tokens in token_lists]
