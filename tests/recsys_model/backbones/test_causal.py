"""Causal decoders against the plain forward pass of transformers."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor

from recsys_model.backbones.base import Backbone, FullAttention
from recsys_model.backbones.causal import CausalDecoder
from recsys_model.backbones.checkpoint import (
    load_adapter,
    load_geometry,
    load_model,
    load_state,
    model_from_state,
    write_adapter,
    write_model,
)
from recsys_model.backbones.families import document_from_geometry, geometry_from_document
from recsys_model.backbones.geometry import MAX_INTRA_POSITION, CausalConfig, new_llama
from recsys_model.config import LoraConfig
from recsys_model.errors import CheckpointError, ConfigError
from recsys_model.training.lora import apply_lora

SIZES = {
    "vocab_size": 40,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
FAMILIES = {
    "llama": transformers.LlamaConfig(**SIZES, tie_word_embeddings=False, rms_norm_eps=1e-4),
    "smollm2": transformers.LlamaConfig(
        **SIZES, tie_word_embeddings=True, rope_parameters={"rope_theta": 1e5, "rope_type": "default"}
    ),
    "qwen2": transformers.Qwen2Config(**SIZES, tie_word_embeddings=True),
    "qwen3": transformers.Qwen3Config(**SIZES, head_dim=16, tie_word_embeddings=False),
}
IDS = torch.tensor([[3, 9, 27, 1, 38, 5, 5], [8, 2, 30, 30, 4, 19, 6]])


def plain_model(family: str) -> transformers.PreTrainedModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return transformers.AutoModelForCausalLM.from_config(FAMILIES[family], attn_implementation="sdpa").eval()


def loaded(family: str, folder: Path) -> tuple[transformers.PreTrainedModel, Backbone]:
    """Save a model the way it is published and read it as a backbone."""
    plain = plain_model(family)
    plain.save_pretrained(folder)
    return plain, load_model(folder).eval()


def logits(model: Backbone, ids: Tensor, intra_ids: Tensor | None = None, part_a_lens: Tensor | None = None) -> Tensor:
    lens = torch.zeros(len(ids), dtype=torch.int64) if part_a_lens is None else part_a_lens
    attention = FullAttention(model.visible(lens, ids.shape[1]))
    with torch.no_grad():
        zeros = torch.zeros_like(ids)
        return model.logits(model.hidden_states(ids, zeros, zeros if intra_ids is None else intra_ids, attention))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_new_backbone_computes_what_transformers_does_to_the_bit(tmp_path: Path, family: str, dtype) -> None:
    loaded(family, tmp_path)
    # `.to(bfloat16)` would round the rotary frequencies of transformers
    plain = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=dtype, attn_implementation="sdpa")
    with torch.no_grad():
        expected = plain(input_ids=IDS, use_cache=False).logits
    model = load_model(tmp_path, dtype=dtype)
    assert torch.equal(logits(model, IDS, intra_ids=torch.arange(7).expand(2, -1)), expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_prefix_mask_equals_the_same_mask_given_to_transformers(tmp_path: Path, family: str) -> None:
    plain, model = loaded(family, tmp_path)
    part_a_lens = torch.tensor([3, 5])
    visible = torch.tensor([[[s <= t or s < n for s in range(7)] for t in range(7)] for n in (3, 5)])
    with torch.no_grad():
        expected = plain(input_ids=IDS, attention_mask=visible[:, None], use_cache=False).logits
    assert torch.equal(logits(model, IDS, part_a_lens=part_a_lens), expected)
    assert not torch.equal(logits(model, IDS), expected)


def test_with_the_causal_mask_part_a_does_not_see_what_follows(tmp_path: Path) -> None:
    plain, _ = loaded("llama", tmp_path)
    model = load_model(tmp_path, mask="causal")
    assert model.part_a_is_causal
    with torch.no_grad():
        expected = plain(input_ids=IDS, use_cache=False).logits
    assert torch.equal(logits(model, IDS, part_a_lens=torch.tensor([3, 5])), expected)


def test_a_trained_intra_table_adds_its_rows_to_the_word_embeddings(tmp_path: Path) -> None:
    plain, model = loaded("qwen2", tmp_path)
    table = model.get_parameter("intra_position_embeddings.weight")
    torch.nn.init.normal_(table, generator=torch.Generator().manual_seed(1))
    intra_ids = torch.tensor([[0, 0, 1, 2, 0, 1, 2], [0, 1, 2, 3, 4, 0, 1]])
    with torch.no_grad():
        embedded = plain.get_input_embeddings()(IDS) + table[intra_ids]
        expected = plain(inputs_embeds=embedded, use_cache=False).logits
    assert torch.equal(logits(model, IDS, intra_ids), expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_without_an_intra_table_the_model_is_the_published_one_at_all_its_positions(
    tmp_path: Path, family: str
) -> None:
    plain, _ = loaded(family, tmp_path)
    geometry = dataclasses.replace(load_geometry(tmp_path, "causal"), has_intra_table=False)
    model = model_from_state(geometry, load_state(tmp_path)).eval()
    with torch.no_grad():
        expected = plain(input_ids=IDS, use_cache=False).logits
    assert torch.equal(logits(model, IDS, intra_ids=torch.arange(7).expand(2, -1)), expected)
    assert "intra_position_embeddings.weight" not in model.state_dict()
    assert geometry_from_document(document_from_geometry(geometry)) == geometry


def test_only_an_intra_table_limits_the_positions_of_a_causal_decoder() -> None:
    long = new_llama(num_layers=1, hidden_size=8, num_heads=2, vocab_size=9, max_length=4096)
    assert long.max_sequence_length == MAX_INTRA_POSITION == 2048
    assert dataclasses.replace(long, has_intra_table=False).max_sequence_length == 4096


def test_the_inter_position_ids_are_no_input(tmp_path: Path) -> None:
    _, model = loaded("llama", tmp_path)
    attention = FullAttention(model.visible(torch.tensor([4, 4]), 7))
    zeros = torch.zeros_like(IDS)
    with torch.no_grad():
        one, two = (model.hidden_states(IDS, inter, zeros, attention) for inter in (zeros, zeros + 9))
    assert torch.equal(one, two)


@pytest.mark.parametrize("family", FAMILIES)
def test_written_model_reads_back_and_transformers_reads_it_too(tmp_path: Path, family: str) -> None:
    _, model = loaded(family, tmp_path / "published")
    causal = load_model(tmp_path / "published", mask="causal")
    torch.nn.init.normal_(causal.get_parameter("intra_position_embeddings.weight"))
    write_model(tmp_path / "ours", causal)
    again = load_model(tmp_path / "ours")
    assert again.config == causal.config
    assert again.part_a_is_causal
    assert {n: t.tolist() for n, t in again.state_dict().items()} == {
        n: t.tolist() for n, t in causal.state_dict().items()
    }
    plain = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "ours", attn_implementation="sdpa")
    with torch.no_grad():
        assert torch.equal(plain(input_ids=IDS, use_cache=False).logits, logits(model, IDS))


def test_a_model_in_bfloat16_keeps_its_rotary_frequencies(tmp_path: Path) -> None:
    loaded("llama", tmp_path)
    converted = load_model(tmp_path).to(torch.bfloat16)
    direct = load_model(tmp_path, dtype=torch.bfloat16)
    assert torch.equal(logits(converted, IDS), logits(direct, IDS))


@pytest.mark.parametrize("family", FAMILIES)
def test_adapters_sit_on_the_seven_linears_and_the_new_table_is_trained_along(tmp_path: Path, family: str) -> None:
    _, model = loaded(family, tmp_path)
    before = logits(model, IDS)
    adapted = apply_lora(model, LoraConfig(rank=2)).eval()
    trained = [name for name, parameter in adapted.named_parameters() if parameter.requires_grad]
    linears = {name.split(".lora_")[0].rsplit(".", 1)[1] for name in trained if ".lora_" in name}
    assert linears == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert len([name for name in trained if ".lora_" in name]) == 2 * 7 * 2
    assert [name for name in trained if ".lora_" not in name] == [
        "base_model.model.intra_position_embeddings.modules_to_save.default.weight"
    ]
    assert torch.equal(logits(adapted, IDS), before)


def test_an_adapter_with_its_intra_table_is_merged_back(tmp_path: Path) -> None:
    _, model = loaded("qwen2", tmp_path / "base")
    adapted = apply_lora(model, LoraConfig(rank=2)).eval()
    for number, (_, parameter) in enumerate(adapted.named_parameters()):
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(number))
    write_adapter(tmp_path / "adapter", adapted)
    merged = load_adapter(load_model(tmp_path / "base"), tmp_path / "adapter")
    intra_ids = torch.arange(7).expand(2, -1)
    torch.testing.assert_close(logits(merged, IDS, intra_ids), logits(adapted, IDS, intra_ids), atol=1e-4, rtol=1e-4)
    assert merged.get_parameter("intra_position_embeddings.weight").abs().sum() > 0


def test_rank_above_the_smallest_linear_is_refused_with_its_name(tmp_path: Path) -> None:
    _, model = loaded("llama", tmp_path)
    with pytest.raises(ConfigError, match=r"at most 16, .* model\.layers\.0\.self_attn\.k_proj \(32 x 16\), got 17"):
        apply_lora(model, LoraConfig(rank=17))


def test_rotary_positions_cannot_be_trained(tmp_path: Path) -> None:
    _, model = loaded("llama", tmp_path)
    with pytest.raises(ConfigError, match="a causal model has none"):
        apply_lora(model, LoraConfig(rank=2, train_position_embeddings=True))


def test_tensors_that_do_not_fit_are_named(tmp_path: Path) -> None:
    loaded("llama", tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    del state["model.norm.weight"]
    state["model.layers.0.self_attn.q_proj.bias"] = torch.zeros(32)
    state["lm_head.weight"] = torch.zeros(39, 32)
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError) as caught:
        load_model(tmp_path)
    message = str(caught.value)
    assert "1 missing: model.norm.weight" in message
    assert "1 unknown: model.layers.0.self_attn.q_proj.bias" in message
    assert "lm_head.weight (39, 32) where the model has (40, 32)" in message


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"model_type": "mistral"}, "model_type must be one of"),
        ({"use_sliding_window": True, "layer_types": ["full_attention", "sliding_attention"]}, "must see all tokens"),
    ],
)
def test_architectures_that_were_not_tried_are_refused(tmp_path: Path, changes: dict, rule: str) -> None:
    loaded("qwen2", tmp_path)
    document = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(document | changes))
    with pytest.raises(CheckpointError, match=rule):
        load_model(tmp_path)


def test_a_new_llama_has_the_sizes_asked_for() -> None:
    geometry = new_llama(num_layers=3, hidden_size=16, num_heads=2, vocab_size=30, max_length=48)
    model = CausalDecoder(geometry)
    assert isinstance(geometry, CausalConfig)
    assert (geometry.vocab_size, geometry.hidden_size, geometry.max_sequence_length) == (30, 16, 48)
    assert {tuple(t.shape) for n, t in model.state_dict().items() if "embed" in n} == {(30, 16), (49, 16)}
    assert logits(model.eval(), IDS % 30).shape == (2, 7, 30)
