"""Dataset and checkpoint become the bundle; what does not fit is refused."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from recsys_model.backbones.checkpoint import load_model, write_adapter, write_model
from recsys_model.bundle import Bundle, load_bundle, write_bundle
from recsys_model.config import LoraConfig
from recsys_model.entities.item_columns import build_columns
from recsys_model.errors import CheckpointError, ConfigError
from recsys_model.training.lora import apply_lora
from recsys_platform.artifacts import open_artifact, write_artifact
from recsys_platform.checkpoints import folder_digest
from recsys_platform.config.run import RunConfig, build_config, config_to_dict
from recsys_platform.item_columns_file import COLUMNS_NAME, write_columns
from recsys_platform.serve.bundling import run_bundle
from recsys_platform.serve.recommender import load_recommender
from recsys_platform.serve.schemas import RecommendRequest, RecommendResponse
from recsys_platform.serve.stage import ensure_bundle


def run(storage: Path, **changes: Any) -> RunConfig:
    table = {"path": "/nowhere/table.csv"}
    sections = {"window": {"max_history": 4}, "text": {"max_tokens": 128}, "seed": 3, **changes}
    return build_config(
        {"name": "shop", "storage": str(storage), "input": {"interactions": table, "items": table}, **sections}
    )


def write_dataset(config: RunConfig, bundle: Bundle) -> str:
    with write_artifact(config.dataset_folder, "dataset", config_to_dict(config)) as (folder, _):
        bundle.tokenizer.write(folder / "tokenizer")
        bundle.catalog.write(folder)
        (folder / "settings.json").write_text(json.dumps({"user_features": ["age", "city"]}))
    return open_artifact(config.dataset_folder, "dataset").digest


def write_checkpoint(config: RunConfig, bundle: Bundle, dataset_digest: str) -> None:
    parents = {"dataset": dataset_digest}
    with write_artifact(config.checkpoint_folder, "checkpoint", config_to_dict(config), parents) as (folder, _):
        write_model(folder / "weights", bundle.model)


def test_a_bundle_holds_the_trained_weights_and_the_settings_of_the_training(tmp_path: Path, shop_bundle: Bundle):
    trained = run(tmp_path, objective={"intra_mode": "run"})
    write_checkpoint(trained, shop_bundle, write_dataset(trained, shop_bundle))
    now = run(tmp_path, window={"max_history": 9}, seed=8, decoding={"num_beams": 5})
    result = run_bundle(now)
    folder = now.bundle_folder
    size_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert result == {
        "bundle": str(folder),
        "size_bytes": size_bytes,
        "items": 8,
        "weights": "whole weights in fp32, 0.1 MB",
        "compared_users": 0,
    }
    loaded = load_bundle(folder)
    assert torch.equal(loaded.model.word_embeddings.weight, shop_bundle.model.word_embeddings.weight)
    settings = loaded.settings
    assert (settings.window.max_history, settings.seed, settings.intra_mode) == (4, 3, "run")
    assert (settings.decoding.num_beams, settings.user_features) == (5, ("age", "city"))
    manifest = open_artifact(folder, "bundle")
    assert manifest.parents == {
        "dataset": open_artifact(now.dataset_folder, "dataset").digest,
        "checkpoint": open_artifact(now.checkpoint_folder, "checkpoint").digest,
    }


def test_the_endpoint_applies_rules_to_the_columns_that_the_dataset_keeps(tmp_path: Path, shop_bundle: Bundle):
    config = run(tmp_path)
    with write_artifact(config.dataset_folder, "dataset", config_to_dict(config)) as (folder, _):
        shop_bundle.tokenizer.write(folder / "tokenizer")
        shop_bundle.catalog.write(folder)
        (folder / "settings.json").write_text(json.dumps({"user_features": []}))
        write_columns(folder, build_columns({"price": [1, 2, 3, 4, 5, 6, 7, None]}, 8))
    write_checkpoint(config, shop_bundle, open_artifact(config.dataset_folder, "dataset").digest)
    run_bundle(config)
    request = {"k": 8, "rules": {"where": [{"column": "price", "above": 5}]}}
    (answer,) = load_recommender(config.bundle_folder).recommend([RecommendRequest.model_validate(request)])
    assert isinstance(answer, RecommendResponse)
    assert sorted(item.id for item in answer.items) == ["i5", "i6"]
    (config.bundle_folder / COLUMNS_NAME).write_bytes(b"PAR1")
    with pytest.raises(CheckpointError, match=r"item_columns\.parquet"):
        load_recommender(config.bundle_folder)


def test_an_adapter_is_merged_into_the_weights(tmp_path: Path, shop_bundle: Bundle):
    config = run(tmp_path)
    digest = write_dataset(config, shop_bundle)
    write_model(tmp_path / "base", shop_bundle.model)
    base = load_model(tmp_path / "base")
    adapted = apply_lora(base, LoraConfig(rank=2, alpha=4.0))
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.fill_(0.01)
    with write_artifact(config.checkpoint_folder, "checkpoint", config_to_dict(config), {"dataset": digest}) as (
        folder,
        _,
    ):
        write_adapter(folder / "adapter", adapted)
        base_document = {"path": str(tmp_path / "base"), "digest": folder_digest(tmp_path / "base")}
        (folder / "base.json").write_text(json.dumps(base_document))
    run_bundle(config)
    merged = load_bundle(config.bundle_folder).model.state_dict()
    query = "transformer.layers.0.attention.query_key_value"
    layer = dict(adapted.named_modules())[f"base_model.model.{query}"]
    down, up = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    expected = shop_bundle.model.state_dict()[f"{query}.weight"] + 4.0 / 2 * (up @ down)
    torch.testing.assert_close(merged[f"{query}.weight"], expected)


def test_a_checkpoint_of_another_dataset_is_refused(tmp_path: Path, shop_bundle: Bundle):
    config = run(tmp_path)
    write_dataset(config, shop_bundle)
    write_checkpoint(config, shop_bundle, "another digest")
    with pytest.raises(CheckpointError, match="made from another dataset"):
        run_bundle(config)
    assert not config.bundle_folder.exists()


def test_an_existing_bundle_is_only_replaced_when_asked(tmp_path: Path, shop_bundle: Bundle):
    config = run(tmp_path)
    write_checkpoint(config, shop_bundle, write_dataset(config, shop_bundle))
    run_bundle(config)
    with pytest.raises(CheckpointError, match="exists already"):
        run_bundle(config)
    assert run_bundle(config, overwrite=True)["items"] == 8


def test_serving_makes_a_missing_bundle_from_the_checkpoint(tmp_path: Path, shop_bundle: Bundle):
    config = run(tmp_path)
    write_checkpoint(config, shop_bundle, write_dataset(config, shop_bundle))
    assert ensure_bundle(config) == config.bundle_folder
    assert load_bundle(config.bundle_folder).catalog.items == shop_bundle.catalog.items


def test_a_bundle_of_an_earlier_checkpoint_is_not_served(tmp_path: Path, shop_bundle: Bundle):
    config = run(tmp_path)
    digest = write_dataset(config, shop_bundle)
    write_checkpoint(config, shop_bundle, digest)
    run_bundle(config)
    assert ensure_bundle(config) == config.bundle_folder
    shutil.rmtree(config.checkpoint_folder)
    # another training: other settings, other weights
    with torch.no_grad():
        trained_again = dataclasses.replace(shop_bundle, model=load_bundle(config.bundle_folder).model)
        trained_again.model.word_embeddings.weight.add_(1.0)
    write_checkpoint(config, trained_again, digest)

    with pytest.raises(CheckpointError, match=r"another checkpoint than .* is now; build it again with `recsys bundle"):
        ensure_bundle(config)


def test_a_search_that_the_bundle_was_not_built_for_is_refused_and_not_left_out(tmp_path: Path, shop_bundle: Bundle):
    config = run(tmp_path)
    write_checkpoint(config, shop_bundle, write_dataset(config, shop_bundle))
    run_bundle(config)

    with pytest.raises(ConfigError, match=r"was built with DecodingConfig\(num_beams=20.*now asks for .*num_beams=5"):
        ensure_bundle(run(tmp_path, decoding={"num_beams": 5}))
    with pytest.raises(ConfigError, match=r"decoding\.scoring entity needs a model with an entity head"):
        run_bundle(run(tmp_path, decoding={"scoring": "entity"}), overwrite=True)


def test_serving_without_bundle_and_checkpoint_says_which_stage_to_run(tmp_path: Path, shop_bundle: Bundle):
    config = run(tmp_path)
    write_dataset(config, shop_bundle)
    with pytest.raises(CheckpointError, match="Run the checkpoint stage first"):
        ensure_bundle(config)


def test_serving_refuses_a_bundle_of_another_version_before_anything_is_started(tmp_path: Path, shop_bundle: Bundle):
    config = run(tmp_path)
    older = dataclasses.asdict(shop_bundle.settings)
    del older["decoding"]["reuse_mb"]
    with write_artifact(config.bundle_folder, "bundle", config_to_dict(config)) as (folder, _):
        write_bundle(folder, shop_bundle.model, shop_bundle.tokenizer, shop_bundle.catalog, shop_bundle.settings)
        (folder / "bundle.json").write_text(json.dumps(older))
    with pytest.raises(CheckpointError, match=r"reuse_mb.*build it again from its checkpoint"):
        ensure_bundle(config)
