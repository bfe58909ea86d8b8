import json
from pathlib import Path

import pytest
import torch

from recsys_model.backbones.checkpoint import write_adapter, write_model
from recsys_model.backbones.glm import GLM
from recsys_model.config import GLMConfig, LoraConfig
from recsys_model.errors import CheckpointError
from recsys_model.training.lora import apply_lora
from recsys_platform.checkpoints import load_trained_model
from recsys_platform.train.model import verified_digest

GEOMETRY = GLMConfig(num_layers=1, hidden_size=8, num_heads=2, vocab_size=20, max_sequence_length=16)


def random_model() -> GLM:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return GLM(GEOMETRY)


def write_adapter_checkpoint(folder: Path, base: Path) -> torch.Tensor:
    """Write a rank-2 adapter with random numbers; return what `dense` of the first layer must be when merged."""
    model = random_model()
    write_model(base, model)
    before = model.transformer.layers[0].attention.dense.weight.detach().clone()
    adapted = apply_lora(model, LoraConfig(rank=2, alpha=6.0))
    layer = adapted.base_model.model.transformer.layers[0].attention.dense
    with torch.random.fork_rng():
        torch.manual_seed(1)
        torch.nn.init.normal_(layer.lora_B["default"].weight)
    write_adapter(folder / "adapter", adapted)
    (folder / "base.json").write_text(json.dumps({"path": str(base), "digest": verified_digest(base)}))
    return before + 3.0 * layer.lora_B["default"].weight.detach() @ layer.lora_A["default"].weight.detach()


def test_whole_weights_come_back_as_they_were(tmp_path):
    model = random_model()
    write_model(tmp_path / "weights", model)

    loaded = load_trained_model(tmp_path)

    assert {name: tensor.tolist() for name, tensor in loaded.state_dict().items()} == {
        name: tensor.tolist() for name, tensor in model.state_dict().items()
    }


def test_an_adapter_is_merged_into_its_base_by_alpha_over_rank(tmp_path):
    expected = write_adapter_checkpoint(tmp_path / "checkpoint", tmp_path / "base")

    loaded = load_trained_model(tmp_path / "checkpoint")
    loaded_bf16 = load_trained_model(tmp_path / "checkpoint", dtype=torch.bfloat16)

    dense = loaded.transformer.layers[0].attention.dense.weight
    torch.testing.assert_close(dense, expected)
    assert loaded_bf16.transformer.layers[0].attention.dense.weight.tolist() == dense.to(torch.bfloat16).tolist()


def test_an_adapter_on_a_base_that_was_changed_is_refused(tmp_path):
    write_adapter_checkpoint(tmp_path / "checkpoint", tmp_path / "base")
    other = random_model()
    torch.nn.init.zeros_(other.word_embeddings.weight)
    write_model(tmp_path / "base", other)

    with pytest.raises(CheckpointError, match="which has changed since; train it anew"):
        load_trained_model(tmp_path / "checkpoint")


def test_an_adapter_whose_base_is_gone_says_where_it_was(tmp_path):
    write_adapter_checkpoint(tmp_path / "checkpoint", tmp_path / "base")
    (tmp_path / "base").rename(tmp_path / "elsewhere")

    with pytest.raises(CheckpointError, match=r"was trained on .*base, which is gone; put that model back"):
        load_trained_model(tmp_path / "checkpoint")


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"must hold weights/, or adapter/ and a base\.json with path and digest"):
        load_trained_model(tmp_path)
