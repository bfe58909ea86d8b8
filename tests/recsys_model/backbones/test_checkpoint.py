"""Model folders: ours and the published layouts, whole and sharded, and everything that does not fit."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from recsys_model.backbones.base import FullAttention
from recsys_model.backbones.checkpoint import load_adapter, load_model, write_adapter, write_model
from recsys_model.backbones.glm import GLM
from recsys_model.config import GLMConfig, LoraConfig
from recsys_model.errors import CheckpointError
from recsys_model.training.lora import apply_lora

TINY = GLMConfig(num_layers=2, hidden_size=8, num_heads=2, vocab_size=30, max_sequence_length=12, gelu="tanh")


def tiny_glm(seed: int = 0) -> GLM:
    torch.manual_seed(seed)
    return GLM(TINY)


def output(model: GLM) -> torch.Tensor:
    ids = torch.arange(5)[None]
    with torch.no_grad():
        hidden = model.eval().hidden_states(ids, ids, ids, FullAttention(torch.ones(1, 5, 5, dtype=torch.bool)))
        return model.logits(hidden)


def test_written_model_reads_back_to_the_bit(tmp_path: Path) -> None:
    model = tiny_glm()
    write_model(tmp_path, model)
    again = load_model(tmp_path)
    assert again.config == TINY
    assert torch.equal(output(again), output(model))


@pytest.mark.parametrize("prefix", ["", "glm."])
@pytest.mark.parametrize("layout", ["safetensors", "bin", "sharded safetensors", "sharded bin"])
def test_both_published_key_layouts_load_whole_and_sharded(tmp_path: Path, prefix: str, layout: str) -> None:
    model = tiny_glm()
    write_model(tmp_path, model)
    state = {prefix + name: tensor for name, tensor in load_file(tmp_path / "model.safetensors").items()}
    (tmp_path / "model.safetensors").unlink()
    stem, ending = ("model", "safetensors") if "safetensors" in layout else ("pytorch_model", "bin")

    def save(tensors: dict[str, torch.Tensor], path: Path) -> None:
        if ending == "safetensors":
            save_file(tensors, path)
        else:
            torch.save(tensors, path)

    names = sorted(state)
    if "sharded" in layout:
        halves = [names[::2], names[1::2]]
        files = [f"{stem}-{number}-of-2.{ending}" for number in (1, 2)]
        for file, half in zip(files, halves, strict=True):
            save({name: state[name] for name in half}, tmp_path / file)
        weight_map = {name: file for file, half in zip(files, halves, strict=True) for name in half}
        (tmp_path / f"{stem}.{ending}.index.json").write_text(json.dumps({"weight_map": weight_map}))
    else:
        save(state, tmp_path / f"{stem}.{ending}")
    assert torch.equal(output(load_model(tmp_path)), output(model))


def test_everything_that_does_not_fit_is_named_at_once(tmp_path: Path) -> None:
    write_model(tmp_path, tiny_glm())
    state = load_file(tmp_path / "model.safetensors")
    del state["transformer.final_layernorm.bias"]
    state["extra.weight"] = torch.zeros(1)
    state["word_embeddings.weight"] = torch.zeros(3, 8)
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError) as caught:
        load_model(tmp_path)
    message = str(caught.value)
    assert "1 missing: transformer.final_layernorm.bias" in message
    assert "1 unknown: extra.weight" in message
    assert "word_embeddings.weight (3, 8) where the model has (30, 8)" in message


def test_other_models_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds no model"):
        load_model(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(CheckpointError, match=r"model_type must be one of 'glm', 'chatglm', .* got 'gpt2'"):
        load_model(tmp_path)


def test_model_without_weights_is_refused(tmp_path: Path) -> None:
    write_model(tmp_path, tiny_glm())
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="holds no weights"):
        load_model(tmp_path)


@pytest.mark.parametrize("with_positions", [False, True])
def test_adapter_is_written_merged_back_and_changes_the_model(tmp_path: Path, with_positions: bool) -> None:
    adapted = apply_lora(tiny_glm(), LoraConfig(rank=2, train_position_embeddings=with_positions))
    for name, parameter in adapted.named_parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.5, generator=torch.Generator().manual_seed(len(name)))
    write_adapter(tmp_path, adapted)
    merged = load_adapter(tiny_glm(), tmp_path)
    ids = torch.arange(5)[None]
    with torch.no_grad():
        mask = FullAttention(torch.ones(1, 5, 5, dtype=torch.bool))
        expected = adapted.eval()(ids, ids, ids, mask)
    torch.testing.assert_close(output(merged), merged.logits(expected), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(output(merged), output(tiny_glm()))


def test_adapter_for_another_geometry_is_refused(tmp_path: Path) -> None:
    write_adapter(tmp_path, apply_lora(tiny_glm(), LoraConfig(rank=2)))
    other = GLM(GLMConfig(num_layers=2, hidden_size=16, num_heads=2, vocab_size=30, max_sequence_length=12))
    with pytest.raises(CheckpointError, match="does not fit the model"):
        load_adapter(other, tmp_path)


class Payload:
    """Runs code when it is unpickled by a careless reader."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_a_pickle_that_holds_code_is_refused_and_not_run(tmp_path: Path) -> None:
    write_model(tmp_path, tiny_glm())
    (tmp_path / "model.safetensors").unlink()
    torch.save({"word_embeddings.weight": Payload(tmp_path / "it ran")}, tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin cannot be read"):
        load_model(tmp_path)
    assert not (tmp_path / "it ran").exists()


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_a_cut_off_weights_file_is_named(tmp_path: Path, name: str) -> None:
    write_model(tmp_path, tiny_glm())
    state = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    if name.endswith("bin"):
        torch.save(state, tmp_path / name)
    else:
        save_file(state, tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match=f"{name} cannot be read"):
        load_model(tmp_path)


@pytest.mark.parametrize("index", ["{", "{}", '{"weight_map": 3}'])
def test_a_damaged_index_is_named(tmp_path: Path, index: str) -> None:
    write_model(tmp_path, tiny_glm())
    (tmp_path / "model.safetensors").rename(tmp_path / "part.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text(index)
    with pytest.raises(CheckpointError, match="must hold a weight_map"):
        load_model(tmp_path)


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    write_model(tmp_path, tiny_glm())
    (tmp_path / "model.safetensors").unlink()
    index = {"weight_map": {"word_embeddings.weight": "model-00001-of-00002.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match=r"model-00001-of-00002\.safetensors cannot be read"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"num_layers": 3}, r"12 missing: transformer\.layers\.2\.attention\.dense\.bias"),
        ({"num_layers": 1}, r"12 unknown: transformer\.layers\.1\.attention\.dense\.bias"),
        ({"hidden_size": 12}, r"word_embeddings\.weight \(30, 8\) where the model has \(30, 12\)"),
        ({"max_sequence_length": 11}, r"position_embeddings\.weight \(13, 8\) where the model has \(12, 8\)"),
        ({"block_position_encoding": False}, "block_position_encoding must be true, got False"),
        ({"num_attention_heads": 3}, "hidden_size must be a multiple of num_heads, got 8 and 3"),
        ({"num_layers": "two"}, "holds no model that can be used"),
    ],
)
def test_a_geometry_that_contradicts_the_weights_is_refused(tmp_path: Path, changes: dict, problem: str) -> None:
    write_model(tmp_path, tiny_glm())
    document = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(document | changes))
    with pytest.raises(CheckpointError, match=problem):
        load_model(tmp_path)


def test_a_geometry_without_sizes_says_which(tmp_path: Path) -> None:
    # what transformers calls glm is GLM-4, with other keys
    (tmp_path / "config.json").write_text('{"model_type": "glm", "hidden_size": 8, "num_hidden_layers": 2}')
    with pytest.raises(CheckpointError, match="num_layers, num_attention_heads, vocab_size must be there"):
        load_model(tmp_path)


def test_published_half_precision_is_read_as_asked(tmp_path: Path) -> None:
    write_model(tmp_path, tiny_glm(), dtype=torch.float16)
    assert {tensor.dtype for tensor in load_file(tmp_path / "model.safetensors").values()} == {torch.float16}
    assert {tensor.dtype for tensor in load_model(tmp_path).state_dict().values()} == {torch.float32}
    loaded = load_model(tmp_path, dtype=torch.bfloat16)
    assert {tensor.dtype for tensor in loaded.state_dict().values()} == {torch.bfloat16}
