"""ChatGLM against vectors computed with the published code, and against a slow loop in double precision."""

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from recsys_model.backbones.base import FullAttention, count_parameters, part_a_and_part_b_mask
from recsys_model.backbones.chatglm import ChatGLM
from recsys_model.backbones.checkpoint import fit_state, load_geometry, load_model, write_model
from recsys_model.backbones.geometry import ChatGLMConfig
from recsys_model.errors import CheckpointError

TINY = ChatGLMConfig(
    num_layers=2, hidden_size=64, num_heads=4, vocab_size=160, inner_hidden_size=256, max_sequence_length=64
)


def published_folder(oracle: Path, folder: Path) -> Path:
    """Lay the tiny model out like the published one: PyTorch shards with an index."""
    config = json.loads((oracle / "chatglm_tiny_meta.json").read_text())["config"]
    (folder / "config.json").write_text(json.dumps({"model_type": "chatglm", **config}))
    state = load_file(oracle / "chatglm_tiny_state.safetensors")
    names = sorted(state)
    shards = {"pytorch_model-00001-of-00002.bin": names[:12], "pytorch_model-00002-of-00002.bin": names[12:]}
    for file, held in shards.items():
        torch.save({name: state[name] for name in held}, folder / file)
    weight_map = {name: file for file, held in shards.items() for name in held}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return folder


def run(model: ChatGLM, vectors: dict[str, Tensor]) -> Tensor:
    positions = vectors["final.position_ids"]
    visible = vectors["final.attention_mask_bool_true_is_masked"][:, 0] == 0
    with torch.no_grad():
        hidden = model.hidden_states(
            vectors["final.input_ids"], positions[:, 0], positions[:, 1], FullAttention(visible)
        )
        return model.logits(hidden)


@pytest.fixture
def vectors(shared_oracle: Path) -> dict[str, Tensor]:
    return load_file(shared_oracle / "chatglm_tiny_vectors.safetensors")


def test_published_folder_loads_and_reproduces_the_published_code(shared_oracle, tmp_path, vectors) -> None:
    model = load_model(published_folder(shared_oracle, tmp_path))
    assert isinstance(model, ChatGLM)
    assert model.config == TINY
    torch.testing.assert_close(run(model, vectors), vectors["final.logits"], atol=3e-5, rtol=0)


def test_double_precision_equals_a_loop_over_heads_and_tokens(shared_oracle, tmp_path, vectors) -> None:
    model = load_model(published_folder(shared_oracle, tmp_path), dtype=torch.float64)
    state = {
        name: tensor.double() for name, tensor in load_file(shared_oracle / "chatglm_tiny_state.safetensors").items()
    }
    expected = logits_by_loops(state, vectors)
    torch.testing.assert_close(run(model, vectors), expected, atol=1e-10, rtol=0)
    torch.testing.assert_close(expected.float(), vectors["final.logits"], atol=3e-5, rtol=0)


def logits_by_loops(state: dict[str, Tensor], vectors: dict[str, Tensor]) -> Tensor:
    """Compute the tiny model token by token, pairing each number of a head with its partner by index."""
    ids, (inter, intra) = vectors["final.input_ids"][0], vectors["final.position_ids"][0].tolist()
    hidden = state["transformer.word_embeddings.weight"][ids]
    frequencies = state["transformer.layers.0.attention.rotary_emb.inv_freq"].tolist()
    for layer in range(2):
        prefix = f"transformer.layers.{layer}."

        def linear(name: str, states: Tensor, prefix: str = prefix) -> Tensor:
            return states @ state[f"{prefix}{name}.weight"].T + state[f"{prefix}{name}.bias"]

        def norm(name: str, states: Tensor, prefix: str = prefix) -> Tensor:
            weight, bias = state[f"{prefix}{name}.weight"], state[f"{prefix}{name}.bias"]
            return functional.layer_norm(states, (64,), weight, bias, 1e-5)

        normed = norm("input_layernorm", hidden)
        mixed = torch.zeros_like(normed)
        projected = linear("attention.query_key_value", normed)
        for head in range(4):
            query, key, value = projected[:, 48 * head : 48 * (head + 1)].split(16, dim=1)
            query, key = (rotated(part, inter, intra, frequencies) for part in (query, key))
            for t in range(len(ids)):
                keys = [s for s in range(len(ids)) if s <= t or s < 7]
                weights = torch.stack([query[t] @ key[s] / math.sqrt(16) for s in keys]).softmax(0)
                mixed[t, 16 * head : 16 * (head + 1)] = weights @ value[keys]
        hidden = normed * math.sqrt(56) + linear("attention.dense", mixed)
        normed = norm("post_attention_layernorm", hidden)
        inner = linear("mlp.dense_h_to_4h", normed)
        inner = 0.5 * inner * (1 + torch.tanh(math.sqrt(2 / math.pi) * (inner + 0.044715 * inner**3)))
        hidden = normed * math.sqrt(56) + linear("mlp.dense_4h_to_h", inner)
    weight, bias = state["transformer.final_layernorm.weight"], state["transformer.final_layernorm.bias"]
    return (functional.layer_norm(hidden, (64,), weight, bias, 1e-5) @ state["lm_head.weight"].T)[None]


def rotated(states: Tensor, inter: list[int], intra: list[int], frequencies: list[float]) -> Tensor:
    out = states.clone()
    for t, row in enumerate(states.tolist()):
        for offset, position in ((0, inter[t]), (8, intra[t])):
            for pair, frequency in enumerate(frequencies):
                a, b = row[offset + pair], row[offset + pair + 4]
                cos, sin = math.cos(position * frequency), math.sin(position * frequency)
                out[t, offset + pair], out[t, offset + pair + 4] = a * cos - b * sin, b * cos + a * sin
    return out


def test_written_model_reads_back_to_the_bit(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = ChatGLM(TINY)
    write_model(tmp_path, model)
    again = load_model(tmp_path)
    assert again.config == TINY
    assert {name: tensor.tolist() for name, tensor in again.state_dict().items()} == {
        name: tensor.tolist() for name, tensor in model.state_dict().items()
    }


def test_chatglm_6b_has_exactly_the_published_tensors(shared_oracle: Path, tmp_path: Path) -> None:
    published = json.loads((shared_oracle / "keys_chatglm-6b.json").read_text())
    config = {
        "model_type": "chatglm", "num_layers": 28, "hidden_size": 4096, "num_attention_heads": 32,
        "vocab_size": 130528, "inner_hidden_size": 16384, "max_sequence_length": 2048, "position_encoding_2d": True,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    geometry = load_geometry(tmp_path)
    assert geometry == ChatGLMConfig()
    with torch.device("meta"):
        model = ChatGLM(ChatGLMConfig())
        state = {key: torch.empty(shape) for key, shape in published["keys"].items()}
    fit_state(model, model.own_state(state), "chatglm-6b")
    assert count_parameters(model) == published["num_parameters"]


def test_what_is_not_a_chatglm_6b_is_refused_with_the_key(tmp_path: Path) -> None:
    # ChatGLM2 has the same model_type
    second = {"model_type": "chatglm", "num_layers": 28, "hidden_size": 4096, "padded_vocab_size": 65024}
    (tmp_path / "config.json").write_text(json.dumps(second))
    with pytest.raises(CheckpointError, match=r"num_attention_heads, vocab_size, inner_hidden_size, .* must be there"):
        load_geometry(tmp_path)
    write_model(tmp_path, ChatGLM(TINY))
    document = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(document | {"position_encoding_2d": False}))
    with pytest.raises(CheckpointError, match="position_encoding_2d must be true, got False"):
        load_model(tmp_path)


def test_heads_of_another_size_than_the_frequencies_are_refused(shared_oracle: Path, tmp_path: Path) -> None:
    folder = published_folder(shared_oracle, tmp_path)
    document = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(document | {"num_attention_heads": 8}))
    with pytest.raises(CheckpointError, match=r"rotary_emb\.inv_freq must hold the frequencies"):
        load_model(folder)


def test_frequencies_in_half_precision_are_those_of_the_published_file(shared_oracle: Path, tmp_path: Path) -> None:
    state = load_file(shared_oracle / "chatglm_tiny_state.safetensors")
    write_model(tmp_path, ChatGLM(TINY))
    save_file({name: tensor.half() for name, tensor in state.items()}, tmp_path / "model.safetensors")
    assert load_model(tmp_path).lm_head.weight.tolist() == state["lm_head.weight"].half().float().tolist()


def test_a_model_in_bfloat16_sees_distances_even_at_positions_that_bfloat16_rounds(shared_oracle, tmp_path) -> None:
    model = load_model(published_folder(shared_oracle, tmp_path)).bfloat16()
    ids = torch.tensor([[42, 133, 51, 127, 44, 24]])
    mask = FullAttention(part_a_and_part_b_mask(torch.tensor([6]), 6))
    # beyond 1,024 bfloat16 has steps of 8
    with torch.no_grad():
        near, far = (model.hidden_states(ids, p + torch.arange(6)[None], ids * 0, mask) for p in (0, 1025))
    torch.testing.assert_close(near.float(), far.float(), atol=0.05, rtol=0.02)
