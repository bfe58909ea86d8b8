"""Weights are compared with their geometry without being read."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from recsys_model.backbones.checkpoint import load_geometry, write_model
from recsys_model.backbones.outline import NUM_READ, check_weights, outline_of, read_outline, stored_dtype
from recsys_model.errors import CheckpointError
from tests.recsys_model.backbones.tiny_backbones import NAMES, tiny_backbone


@pytest.mark.parametrize("name", NAMES)
def test_the_weights_of_every_family_fit_their_own_geometry(tmp_path, name):
    write_model(tmp_path, tiny_backbone(name), torch.bfloat16)
    model = outline_of(load_geometry(tmp_path))

    check_weights(tmp_path, model)

    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}
    assert stored_dtype(tmp_path, model) == torch.bfloat16


def test_large_tensors_have_a_shape_and_a_type_and_no_values(tmp_path):
    save_file(
        {"large": torch.zeros(NUM_READ + 1, 1, dtype=torch.float16), "small": torch.ones(2)},
        tmp_path / "model.safetensors",
    )
    torch.save({"large": torch.zeros(3, NUM_READ, dtype=torch.float16), "small": torch.ones(2)}, tmp_path / "other.bin")

    outline = read_outline(tmp_path)

    assert (outline["large"].device.type, outline["large"].dtype, tuple(outline["large"].shape)) == (
        "meta",
        torch.float16,
        (NUM_READ + 1, 1),
    )
    assert outline["small"].tolist() == [1.0, 1.0]
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "other.bin").rename(tmp_path / "pytorch_model.bin")
    outline = read_outline(tmp_path)
    assert (outline["large"].device.type, tuple(outline["large"].shape)) == ("meta", (3, NUM_READ))
    assert outline["small"].tolist() == [1.0, 1.0]


def test_weights_of_another_size_are_refused_with_the_names(tmp_path):
    write_model(tmp_path, tiny_backbone("glm"))
    document = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(document | {"num_layers": document["num_layers"] + 1}))

    with pytest.raises(CheckpointError, match=r"do not fit the model:\n  12 missing: transformer\.layers\.\d"):
        check_weights(tmp_path, outline_of(load_geometry(tmp_path)))


def test_a_damaged_file_is_named(tmp_path):
    write_model(tmp_path, tiny_backbone("glm"))
    (tmp_path / "model.safetensors").write_bytes(b"half")

    with pytest.raises(CheckpointError, match=r"model\.safetensors cannot be read"):
        read_outline(tmp_path)


def test_weights_of_several_types_count_as_float32(tmp_path):
    write_model(tmp_path, tiny_backbone("glm"), torch.bfloat16)
    tensors = load_file(tmp_path / "model.safetensors")
    first = next(iter(tensors))
    save_file(tensors | {first: tensors[first].float()}, tmp_path / "model.safetensors")

    assert stored_dtype(tmp_path, outline_of(load_geometry(tmp_path))) == torch.float32
