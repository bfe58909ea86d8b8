"""A model file becomes a folder once: the same weights to the bit, the same tokens, complete or absent."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from recsys_model.backbones.checkpoint import load_model, write_model
from recsys_model.backbones.gguf import read_gguf_state
from recsys_model.errors import CheckpointError
from recsys_model.text.pretrained import load_pretrained_tokenizer
from recsys_model.text.tokenizer import train_tokenizer
from recsys_platform.cli import main
from recsys_platform.conversion import run_convert
from tests.recsys_model.backbones.tiny_backbones import tiny_backbone

TITLES = ["Red Tent", "Red Tent Pole", "Camping Stove", "Gloom of <|im_start|> Kilforth"]
SIZE, INNER, HEADS, LAYERS = 16, 24, 2, 2


def gguf_file(path: Path) -> Path:
    """Write a llama of two layers with random weights and a byte-level vocabulary, as a GGUF file."""
    gguf = pytest.importorskip("gguf")
    published = json.loads(train_tokenizer(TITLES, 300)._backend.to_str())["model"]
    names = [name for name, _ in sorted(published["vocab"].items(), key=lambda pair: pair[1])]
    control = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *(f"<|extra_{number}|>" for number in range(5))]
    writer = gguf.GGUFWriter(str(path), "llama")
    for name, value in (("context_length", 64), ("embedding_length", SIZE), ("block_count", LAYERS)):
        writer.add_uint32(f"llama.{name}", value)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(control) + len(names))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([*control, *names])
    writer.add_token_types([gguf.TokenType.CONTROL] * len(control) + [gguf.TokenType.NORMAL] * len(names))
    writer.add_token_merges([" ".join(merge) for merge in published["merges"]])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    rng = np.random.default_rng(0)
    shapes = {"token_embd": (len(control) + len(names), SIZE), "output_norm": (SIZE,)}
    for layer in range(LAYERS):
        linears = {"attn_q": (SIZE, SIZE), "attn_k": (8, SIZE), "attn_v": (8, SIZE), "attn_output": (SIZE, SIZE)}
        linears |= {"ffn_gate": (INNER, SIZE), "ffn_up": (INNER, SIZE), "ffn_down": (SIZE, INNER)}
        linears |= {"attn_norm": (SIZE,), "ffn_norm": (SIZE,)}
        shapes |= {f"blk.{layer}.{name}": shape for name, shape in linears.items()}
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", rng.normal(size=shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_gguf_file_becomes_a_folder_with_the_same_weights_and_tokens(tmp_path: Path) -> None:
    source = gguf_file(tmp_path / "tiny.gguf")
    folder = tmp_path / "models" / "tiny"
    result = run_convert(source, folder)
    assert (result["family"], result["model"]) == ("causal", str(folder))

    unpacked = read_gguf_state(source)
    converted = load_model(folder).state_dict()
    same = [name for name, tensor in converted.items() if name in unpacked and torch.equal(tensor, unpacked[name])]
    assert sorted(converted.keys() - set(same)) == ["intra_position_embeddings.weight"]

    before, after = load_pretrained_tokenizer(source), load_pretrained_tokenizer(folder)
    assert (after.special, after.vocab_size) == (before.special, before.vocab_size)
    assert [after.encode_entity(title) for title in TITLES] == [before.encode_entity(title) for title in TITLES]
    assert after.decode(after.encode_entity(TITLES[3])) == f" {TITLES[3]}"


def test_a_published_folder_is_converted_too_and_bf16_rounds_every_weight(tmp_path: Path) -> None:
    model = tiny_backbone("llama prefix", vocab_size=320)
    write_model(tmp_path / "published", model)
    train_tokenizer(TITLES, 300).write(tmp_path / "published")
    run_convert(tmp_path / "published", tmp_path / "half", precision="bf16")
    converted = load_model(tmp_path / "half").state_dict()
    expected = {name: tensor.to(torch.bfloat16).float() for name, tensor in model.state_dict().items()}
    assert converted.keys() == expected.keys()
    assert [name for name in expected if not torch.equal(converted[name], expected[name])] == []


def test_a_tokenizer_of_another_model_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    write_model(tmp_path / "published", tiny_backbone("llama prefix", vocab_size=32))
    train_tokenizer(TITLES, 300).write(tmp_path / "published")
    with pytest.raises(
        CheckpointError, match=r"tokenizer's \d+ tokens, got 32; weights and tokenizer belong to different"
    ):
        run_convert(tmp_path / "published", tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["published"]


def test_the_command_refuses_a_folder_that_exists(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(tmp_path / "model.gguf"), str(tmp_path)]) == 1
    assert "exists already; choose another name, or remove it first" in capsys.readouterr().err


def test_the_command_says_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_model(tmp_path / "published", tiny_backbone("glm", vocab_size=320))
    train_tokenizer(TITLES, 300).write(tmp_path / "published")
    assert main(["convert", str(tmp_path / "published"), str(tmp_path / "glm"), "--json"]) == 0
    said, document = capsys.readouterr().out.rstrip().rsplit("\n", 1)
    assert f"MB in {tmp_path / 'glm'}" in said
    assert json.loads(document)["family"] == "glm"
