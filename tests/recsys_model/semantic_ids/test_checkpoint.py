"""Tokens and weights of published checkpoints, and the folders that are refused."""

from pathlib import Path

import pytest

from recsys_model.errors import CheckpointError, ConfigError
from recsys_model.semantic_ids.checkpoint import end_tokens, load_published_checkpoint, load_published_tokenizer
from recsys_model.semantic_ids.index import TOKEN
from recsys_model.semantic_ids.published_format import published_format
from tests.recsys_model.semantic_ids.tiny_checkpoints import (
    LCREC,
    MINIONEREC,
    lcrec,
    minionerec,
    num_pieces,
    train_sentencepiece,
    write_json,
)


def test_added_tokens_stay_whole_and_have_the_rows_of_the_checkpoint(tmp_path: Path) -> None:
    checkpoint = load_published_checkpoint(minionerec(tmp_path).weights)
    tokens = sorted({token for tokens in MINIONEREC.values() for token in tokens})
    first = checkpoint.model.config.vocab_size - len(tokens)
    # in the order of their text: <a_104> comes before <a_12>
    assert checkpoint.tokenizer.ids_of(tokens, "here") == {token: first + n for n, token in enumerate(tokens)}
    assert tokens[:2] == ["<a_104>", "<a_12>"]
    assert checkpoint.tokenizer.encode("<c_98><c_9>") == [first + tokens.index("<c_98>"), first + tokens.index("<c_9>")]
    with pytest.raises(
        CheckpointError, match=r"2 of the 3 tokens of X are no tokens of .* \(<a_7>, <x>; <a_7> becomes \["
    ):
        checkpoint.tokenizer.ids_of(["<a_12>", "<a_7>", "<x>"], "X")


def test_a_slow_tokenizer_gives_the_pieces_of_sentencepiece_between_its_added_tokens(tmp_path: Path) -> None:
    """transformers 5 puts no blank before a text that has one, which SentencePiece does; two blanks in a template do."""
    sentencepiece = pytest.importorskip("sentencepiece")
    model = train_sentencepiece()
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    added = sorted({token for tokens in LCREC.values() for token in tokens})
    rows = {token: num_pieces(model) + n for n, token in enumerate(added)}

    def pieces(text: str, *, keeps_blank: bool) -> list[int]:
        parts = filter(None, TOKEN.sub(r"\0\g<0>\0", text).split("\0"))
        blank = "" if keeps_blank else " "
        ids = [[rows[part]] if part in rows else processor.encode(part.removeprefix(blank)) for part in parts]
        return [processor.bos_id(), *(token for row in ids for token in row)]

    form = published_format("lcrec")
    texts = ["".join(LCREC["3"]), "".join(LCREC["7"])]
    prompt = form.write_prompt(texts)
    tokenizer = load_published_tokenizer(lcrec(tmp_path).weights)
    assert tokenizer.encode_prompts([prompt]) == [pieces(prompt, keeps_blank=False)]
    two_blanks = published_format("lcrec", {"template": form.template.replace("{history} ", "{history}  ")})
    assert tokenizer.encode_prompts([two_blanks.write_prompt(texts)]) == [pieces(prompt, keeps_blank=True)]
    assert tokenizer.eos == processor.eos_id()
    assert tokenizer.ids_of(added, "here") == rows
    assert end_tokens(tokenizer, tuple(LCREC["3"]), [rows[token] for token in LCREC["3"]], "") == []


def test_an_index_of_another_checkpoint_and_missing_rows_are_refused(tmp_path: Path) -> None:
    checkpoint = load_published_checkpoint(minionerec(tmp_path).weights)
    rows = checkpoint.model.config.vocab_size
    checkpoint.check_rows([rows - 1])
    with pytest.raises(
        CheckpointError, match=f"must have a row for token {rows}, it has {rows}; weights and tokenizer are"
    ):
        checkpoint.check_rows([0, rows])


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "holds no config.json: name the folder that save_pretrained wrote"),
        ({"adapter_config.json": {}}, "a LoRA adapter alone; merge it into its base model"),
        ({"last.ckpt": {}}, "last.ckpt belongs to GRID .* cannot be served; MiniOneRec, LC-Rec and OpenOneRec"),
        (
            {"config.json": {"model_type": "t5", "is_encoder_decoder": True}},
            "holds a t5, an encoder and a decoder as in TIGER",
        ),
        ({"config.json": {"model_type": "mt5"}}, "holds a mt5, an encoder and a decoder"),
        ({"config.json": {"model_type": "gpt2"}}, "model_type must be one of .*'llama', 'qwen2', 'qwen3', got 'gpt2'"),
        (
            {
                "config.json": {
                    "model_type": "glm",
                    "num_layers": 1,
                    "hidden_size": 4,
                    "num_attention_heads": 2,
                    "vocab_size": 9,
                }
            },
            "must hold a llama, qwen2 or qwen3, got a glm",
        ),
    ],
)
def test_a_folder_without_a_causal_decoder_is_refused(tmp_path: Path, files: dict, message: str) -> None:
    for name, document in files.items():
        write_json(tmp_path / name, document)
    with pytest.raises(CheckpointError, match=message):
        load_published_checkpoint(tmp_path)


def test_a_folder_without_a_tokenizer_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    weights = minionerec(tmp_path).weights
    (weights / "tokenizer.json").write_text("{", encoding="utf-8")
    with pytest.raises(CheckpointError, match="holds no tokenizer that transformers can load"):
        load_published_checkpoint(weights)
    (weights / "tokenizer.json").unlink()
    with pytest.raises(
        CheckpointError, match=r"no tokenizer: it must have one of tokenizer\.json, tokenizer\.model, vocab\.json"
    ):
        load_published_checkpoint(weights)
    with pytest.raises(CheckpointError, match="must be the folder of a Hugging Face checkpoint"):
        load_published_checkpoint(tmp_path / "nowhere")


def test_a_device_that_torch_does_not_have_is_refused(tmp_path: Path) -> None:
    weights = minionerec(tmp_path).weights
    for device in ("cuda:99", "toaster"):
        with pytest.raises(
            ConfigError, match=f"device must be one that torch can use here, such as cpu, got '{device}'"
        ):
            load_published_checkpoint(weights, device=device)


def test_a_table_of_intra_positions_is_no_part_of_a_published_checkpoint(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    weights = minionerec(tmp_path).weights
    state = load_file(weights / "model.safetensors")
    save_file({**state, "intra_position_embeddings.weight": torch.ones(513, 16)}, weights / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"1 unknown: intra_position_embeddings\.weight"):
        load_published_checkpoint(weights)
