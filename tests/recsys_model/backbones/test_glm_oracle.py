"""The GLM against vectors computed with the published code."""

import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from recsys_model.backbones.base import FullAttention, count_parameters, part_a_and_part_b_mask
from recsys_model.backbones.checkpoint import fit_state, load_geometry
from recsys_model.backbones.families import build_backbone, geometry_from_document
from recsys_model.backbones.glm import GLM
from recsys_model.config import PRESETS, GLMConfig

CASES = ("a1_sep_vector", "a3_mask4d", "a6_recsysllm_fig1", "a6_glm_fig1")
TINY = GLMConfig(num_layers=2, hidden_size=64, num_heads=4, vocab_size=128, max_sequence_length=64)


def tiny_glm(oracle: Path, dtype: torch.dtype) -> GLM:
    state = load_file(oracle / "glm_tiny_state.safetensors")
    model = GLM(TINY)
    model.load_state_dict({name.removeprefix("glm."): tensor for name, tensor in state.items()})
    return model.to(dtype).eval()


def run(model: GLM, vectors: dict[str, Tensor], case: str) -> tuple[Tensor, Tensor]:
    mask = vectors[f"{case}.attention_mask"]
    token_ids = vectors[f"{case}.input_ids"]
    visible = mask[:, 0].bool() if mask.ndim == 4 else part_a_and_part_b_mask(mask, token_ids.shape[1])
    positions = vectors[f"{case}.position_ids"]
    hidden = model.hidden_states(token_ids, positions[:, 0], positions[:, 1], FullAttention(visible))
    return hidden, model.logits(hidden)


@pytest.mark.parametrize("case", CASES)
def test_glm_reproduces_the_published_code_in_double_precision(shared_oracle: Path, case: str) -> None:
    vectors = load_file(shared_oracle / "glm_tiny_vectors.safetensors")
    with torch.no_grad():
        hidden, logits = run(tiny_glm(shared_oracle, torch.float64), vectors, case)
    torch.testing.assert_close(hidden, vectors[f"{case}.last_hidden_f64"], atol=1e-10, rtol=0)
    torch.testing.assert_close(logits, vectors[f"{case}.logits_f64"], atol=1e-10, rtol=0)
    loss = functional.cross_entropy(logits.flatten(0, 1), vectors[f"{case}.labels"].flatten())
    torch.testing.assert_close(loss.reshape(1), vectors[f"{case}.loss_f64"].reshape(1), atol=1e-10, rtol=0)


@pytest.mark.parametrize("case", CASES)
def test_glm_reproduces_the_published_code_in_single_precision(shared_oracle: Path, case: str) -> None:
    vectors = load_file(shared_oracle / "glm_tiny_vectors.safetensors")
    with torch.no_grad():
        _, logits = run(tiny_glm(shared_oracle, torch.float32), vectors, case)
    torch.testing.assert_close(logits, vectors[f"{case}.logits"], atol=3e-5, rtol=0)


@pytest.mark.parametrize("name", ["glm-10b", "glm-10b-chinese", "glm-2b", "glm-515m", "glm-large", "glm-large-chinese"])
def test_a_published_config_gives_exactly_the_published_tensors(shared_oracle: Path, tmp_path: Path, name: str) -> None:
    published = json.loads((shared_oracle / f"keys_{name}.json").read_text())
    document = {"model_type": "glm", "block_position_encoding": True, **published["config"]}
    (tmp_path / "config.json").write_text(json.dumps(document))
    with torch.device("meta"):
        model = build_backbone(load_geometry(tmp_path))
        tensors = {key: torch.empty(shape) for key, shape in published["keys"].items()}
    fit_state(model, model.own_state(tensors), name)
    assert count_parameters(model) == published["num_parameters"]


@pytest.mark.parametrize("name", ["glm-10b", "glm-2b", "glm-large"])
def test_presets_are_the_published_sizes(shared_oracle: Path, name: str) -> None:
    published = json.loads((shared_oracle / f"keys_{name}.json").read_text())
    assert geometry_from_document(published["config"]) == PRESETS[name]


def test_tanh_gelu_is_the_other_formula(shared_oracle: Path) -> None:
    exact = tiny_glm(shared_oracle, torch.float64).transformer.layers[0].mlp
    tanh = GLM(dataclasses.replace(TINY, gelu="tanh")).double().transformer.layers[0].mlp
    tanh.load_state_dict(exact.state_dict())
    states = torch.linspace(-3.0, 3.0, 5 * 64, dtype=torch.float64).view(1, 5, 64) * 50
    inner = exact.dense_h_to_4h(states)
    by_erf = exact.dense_4h_to_h(inner * 0.5 * (1 + torch.erf(inner / math.sqrt(2))))
    by_tanh = exact.dense_4h_to_h(
        0.5 * inner * (1 + torch.tanh(math.sqrt(2 / math.pi) * (inner + 0.044715 * inner**3)))
    )
    torch.testing.assert_close(exact(states), by_erf, atol=1e-12, rtol=1e-12)
    torch.testing.assert_close(tanh(states), by_tanh, atol=1e-12, rtol=1e-12)
    assert not torch.allclose(by_erf, by_tanh, atol=1e-6)
