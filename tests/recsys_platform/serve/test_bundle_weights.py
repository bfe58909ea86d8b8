"""A bundle holds exactly the weights that were evaluated, whatever their types, and is compared with them."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from recsys_model.backbones.checkpoint import load_model, write_adapter, write_model
from recsys_model.backbones.glm import GLM
from recsys_model.bundle import load_bundle, write_bundle
from recsys_model.config import LoraConfig
from recsys_model.decoding.generator import Answer, Recommendation
from recsys_model.entities.catalog import CatalogItem
from recsys_model.entities.live_catalog import CatalogEdit, CatalogUpdate
from recsys_model.errors import CheckpointError
from recsys_model.text.tokenizer import load_tokenizer
from recsys_model.training.lora import apply_lora
from recsys_platform.artifacts import open_artifact, write_artifact
from recsys_platform.checkpoints import folder_digest, load_trained_model
from recsys_platform.config.run import RunConfig, build_config, config_to_dict
from recsys_platform.serve import bundling
from recsys_platform.serve.bundle_check import largest_difference, recommend, validation_prompts
from recsys_platform.serve.bundling import run_bundle
from recsys_platform.serve.recommender import Recommender, load_recommender
from recsys_platform.serve.schemas import ModelInfo, RecommendRequest, RecommendResponse
from tests.recsys_platform.tiny_dataset import tiny_config, write_tiny_dataset

INFO = ModelInfo(name="tiny", digest="0" * 64, version="0", created="2026-01-01")
SMALL_UPDATE = 2e-4
"""Of an adapter; bf16 rounds a weight of 0.02 by up to 6e-5."""


def adapter_run(tmp_path: Path, base_dtype: torch.dtype, **sections: object) -> RunConfig:
    """Write dataset, base and a checkpoint with an adapter of rank 8 that changes each weight a little."""
    config = tiny_config(tmp_path, lora={"enabled": True, "rank": 8}, train={"precision": "bf16"}, **sections)
    write_tiny_dataset(config)
    vocab_size = load_tokenizer(config.dataset_folder / "tokenizer").vocab_size
    with torch.random.fork_rng():
        torch.manual_seed(0)
        write_model(tmp_path / "base", GLM(config.model.geometry(vocab_size)), base_dtype)
        adapted = apply_lora(load_model(tmp_path / "base"), LoraConfig(rank=8))
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=SMALL_UPDATE)
    digest = open_artifact(config.dataset_folder, "dataset").digest
    settings, parents = config_to_dict(config), {"dataset": digest}
    with write_artifact(config.checkpoint_folder, "checkpoint", settings, parents) as (folder, _):
        write_adapter(folder / "adapter", adapted)
        base = {"path": str(tmp_path / "base"), "digest": folder_digest(tmp_path / "base")}
        (folder / "base.json").write_text(json.dumps(base))
    return config


def whole_state(config: RunConfig) -> dict[str, torch.Tensor]:
    return load_trained_model(config.checkpoint_folder).state_dict()


def bundled_state(config: RunConfig) -> dict[str, torch.Tensor]:
    return load_bundle(config.bundle_folder).model.state_dict()


@pytest.mark.parametrize("base_dtype", [torch.bfloat16, torch.float16])
def test_a_base_of_16_bits_lies_as_it_is_next_to_its_adapter_and_no_weight_is_rounded(tmp_path, base_dtype):
    config = adapter_run(tmp_path, base_dtype)

    result = run_bundle(config)

    evaluated, bundled = whole_state(config), bundled_state(config)
    changed = sum(
        int((evaluated[name] != base).sum()) for name, base in load_model(tmp_path / "base").state_dict().items()
    )
    assert changed > 2000
    assert all(torch.equal(bundled[name], evaluated[name]) for name in evaluated)
    # in one type of 16 bits, most of the changes would be gone
    rounded = sum(int((evaluated[name].to(base_dtype).float() != evaluated[name]).sum()) for name in evaluated)
    assert rounded > changed / 2
    stored = load_file(config.bundle_folder / "weights" / "model.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {base_dtype}
    assert (config.bundle_folder / "adapter" / "adapter_model.safetensors").is_file()
    name = "bf16" if base_dtype is torch.bfloat16 else "fp16"
    assert result["weights"].startswith(f"base weights in {name}, ")
    counts = open_artifact(config.bundle_folder, "bundle").counts
    assert (counts["compared_users"], counts["largest_score_difference"]) == (16, 0.0)


@pytest.mark.parametrize(
    ("base_dtype", "adapter"), [(torch.bfloat16, "merged"), (torch.float32, "auto"), (torch.float32, "merged")]
)
def test_merged_weights_are_kept_in_float32(tmp_path, base_dtype, adapter):
    config = adapter_run(tmp_path, base_dtype, bundle={"adapter": adapter})

    result = run_bundle(config)

    evaluated, bundled = whole_state(config), bundled_state(config)
    assert all(torch.equal(bundled[name], evaluated[name]) for name in evaluated)
    assert not (config.bundle_folder / "adapter").exists()
    assert result["weights"].startswith("whole weights in fp32, ")


def test_an_adapter_can_lie_next_to_a_base_of_32_bits_as_well(tmp_path):
    config = adapter_run(tmp_path, torch.float32, bundle={"adapter": "separate"})
    run_bundle(config)
    evaluated, bundled = whole_state(config), bundled_state(config)
    assert all(torch.equal(bundled[name], evaluated[name]) for name in evaluated)
    assert (config.bundle_folder / "adapter").is_dir()


def test_whole_weights_keep_the_type_of_the_training(tmp_path):
    config = tiny_config(tmp_path, bundle={"compared_users": 3})
    write_tiny_dataset(config)
    vocab_size = load_tokenizer(config.dataset_folder / "tokenizer").vocab_size
    parents = {"dataset": open_artifact(config.dataset_folder, "dataset").digest}
    with write_artifact(config.checkpoint_folder, "checkpoint", config_to_dict(config), parents) as (folder, _):
        write_model(folder / "weights", GLM(config.model.geometry(vocab_size)), torch.bfloat16)

    result = run_bundle(config)

    assert (result["weights"], result["compared_users"]) == ("whole weights in bf16, 0.0 MB", 3)
    evaluated, bundled = whole_state(config), bundled_state(config)
    assert all(torch.equal(bundled[name], evaluated[name]) for name in evaluated)


def test_a_bundle_that_rounds_the_update_away_is_refused_and_not_kept(tmp_path, monkeypatch):
    config = adapter_run(tmp_path, torch.bfloat16, bundle={"adapter": "merged", "compared_users": 0})

    def in_bf16(folder, model, tokenizer, catalog, settings, dtype, *others) -> None:
        write_bundle(folder, model, tokenizer, catalog, settings, torch.bfloat16, *others)

    monkeypatch.setattr(bundling, "write_bundle", in_bf16)

    with pytest.raises(CheckpointError, match=r"evaluated weights: 4 of 17 tensors differ, .*dense\.weight"):
        run_bundle(config)
    assert not config.bundle_folder.exists()


def test_a_bundle_that_asks_its_model_in_another_way_is_refused(tmp_path, monkeypatch):
    config = adapter_run(tmp_path, torch.bfloat16)

    def with_other_positions(folder, model, tokenizer, catalog, settings, *others) -> None:
        other = dataclasses.replace(settings, history_layout="vectors")
        write_bundle(folder, model, tokenizer, catalog, other, *others)

    monkeypatch.setattr(bundling, "write_bundle", with_other_positions)

    with pytest.raises(CheckpointError, match=r"validation user 0 gives item \d+ the score -.*, in the bundle -"):
        run_bundle(config)
    assert not config.bundle_folder.exists()


def test_equal_scores_may_come_in_another_order():
    def answer(*pairs: tuple[int, float]) -> Answer:
        return Answer([Recommendation(item, score) for item, score in pairs], None)

    expected = [answer((3, -1.0), (4, -1.5), (5, -2.0))]
    # 4 and 9 have equal scores at the end of the list
    found = [answer((3, -1.00001), (5, -2.0), (4, -1.5))]
    assert largest_difference(expected, found) == pytest.approx(1e-5)
    assert largest_difference(expected, [answer((3, -1.0), (4, -1.5), (9, -2.0))]) == 0.0
    with pytest.raises(CheckpointError, match=r"gives item 4 the score -1\.5, in the bundle -2"):
        largest_difference(expected, [answer((3, -1.0), (9, -1.5), (5, -2.0))])


def test_nothing_is_compared_where_that_is_asked_for(tmp_path):
    config = adapter_run(tmp_path, torch.bfloat16, bundle={"compared_users": 0})
    assert run_bundle(config)["compared_users"] == 0
    with pytest.raises(ValueError, match=r"bundle\.compared_users must not be negative, got -1"):
        build_config(config_to_dict(config) | {"bundle": {"compared_users": -1}})


def test_what_is_compared_is_what_a_replica_would_be_asked(tmp_path):
    config = adapter_run(tmp_path, torch.bfloat16)
    run_bundle(config)
    bundle = load_bundle(config.bundle_folder)
    prompts = validation_prompts(config.dataset_folder, bundle, 24)
    assert len(prompts) == 24
    answers = recommend(bundle, config.dataset_folder, 2)
    assert [len(answer.items) for answer in answers] == [10, 10]


def ask(recommender: Recommender, *history: str) -> dict[str, float]:
    request = {"history": [{"item": item} for item in history], "k": 10, "exclude_seen": False, "time": 0}
    [answer] = recommender.recommend([RecommendRequest.model_validate(request)])
    assert isinstance(answer, RecommendResponse), answer
    return {item.id: item.score for item in answer.items}


def test_a_bundle_with_an_adapter_is_served_and_edited_like_one_with_merged_weights(tmp_path):
    config = adapter_run(tmp_path, torch.bfloat16)
    run_bundle(config)
    merged = dataclasses.replace(config, bundle=dataclasses.replace(config.bundle, adapter="merged"), name="merged")
    merged = dataclasses.replace(merged, dataset=str(config.dataset_folder))
    (config.folder.parent / "merged").mkdir()
    (config.folder.parent / "merged" / "checkpoint").symlink_to(config.checkpoint_folder)
    run_bundle(merged)
    both = [load_recommender(run.bundle_folder) for run in (config, merged)]

    assert ask(both[0], "item-00", "item-03") == pytest.approx(ask(both[1], "item-00", "item-03"), abs=1e-6)

    tokenizer = load_tokenizer(config.dataset_folder / "tokenizer")
    new = CatalogItem("new", "Red Lamp Pole", "Red Lamp Pole", tuple(tokenizer.encode_entity("Red Lamp Pole")))
    for recommender in both:
        recommender.follow(CatalogUpdate(edits=[CatalogEdit(removed=("item-01", "item-05", "item-06"), added=(new,))]))
    edited = [ask(recommender, "item-00", "new") for recommender in both]
    assert edited[0] == pytest.approx(edited[1], abs=1e-6)
    assert "new" in edited[0]
    assert not {"item-01", "item-05", "item-06"} & set(edited[0])
