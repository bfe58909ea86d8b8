"""A training that cannot work is refused before Ray starts, and nothing is left behind."""

import dataclasses
import json

import pytest
import ray

from recsys_model.backbones.checkpoint import write_model
from recsys_model.backbones.glm import GLM
from recsys_model.errors import CheckpointError, ConfigError
from recsys_model.text.tokenizer import load_tokenizer
from recsys_platform.config.run import RunConfig
from recsys_platform.train.plan import plan_train
from recsys_platform.train.runs import open_run_folder
from recsys_platform.train.stage import workers_of
from tests.recsys_platform.tiny_dataset import tiny_config, write_tiny_dataset


@pytest.fixture
def config(tmp_path) -> RunConfig:
    """A run that trains adapters of rank 4 on a model with random weights, 16 wide."""
    config = tiny_config(tmp_path, lora={"enabled": True, "rank": 4}, train={"num_workers": 1})
    write_tiny_dataset(config)
    vocab_size = load_tokenizer(config.dataset_folder / "tokenizer").vocab_size
    write_model(tmp_path / "base", GLM(config.model.geometry(vocab_size)))
    return dataclasses.replace(config, model=dataclasses.replace(config.model, weights=str(tmp_path / "base")))


def with_lora(config: RunConfig, **changes) -> RunConfig:
    return dataclasses.replace(config, lora=dataclasses.replace(config.lora, **changes))


def test_a_plan_needs_no_ray_and_writes_nothing(config, monkeypatch):
    started = []
    monkeypatch.setattr(ray, "init", lambda *_, **settings: started.append(settings))
    before = sorted(config.folder.rglob("*"))

    plan = plan_train(config)

    assert started == []
    assert sorted(config.folder.rglob("*")) == before
    assert (plan.folder, plan.dataset.kind) == (config.folder / "ray_train", "dataset")


def test_a_rank_above_the_width_is_refused_and_leaves_nothing_in_the_way_of_the_right_one(config):
    with pytest.raises(ConfigError, match=r"lora\.rank must be at most 16, the smallest dimension of .*, got 17"):
        plan_train(with_lora(config, rank=17))

    assert not (config.folder / "ray_train").exists()
    assert plan_train(with_lora(config, rank=16)).config.lora.rank == 16


def test_position_tables_are_looked_for_before_a_model_is_built(tmp_path, config):
    vocab_size = load_tokenizer(config.dataset_folder / "tokenizer").vocab_size
    model = dataclasses.replace(config.model, family="chatglm", weights=None)
    from recsys_model.backbones.families import build_backbone

    write_model(tmp_path / "chatglm", build_backbone(model.geometry(vocab_size)))
    chatglm = dataclasses.replace(config, model=dataclasses.replace(model, weights=str(tmp_path / "chatglm")))

    with pytest.raises(ConfigError, match="needs learned position tables, a chatglm model has none; set it to false"):
        plan_train(with_lora(chatglm, train_position_embeddings=True))


def test_weights_that_every_worker_would_refuse_are_refused_first(tmp_path, config):
    path = tmp_path / "base" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"num_layers": 2}))

    with pytest.raises(CheckpointError, match=r"weights in .*base do not fit the model:\n  12 missing"):
        plan_train(config)


def test_an_unfinished_run_is_in_the_way_of_a_new_one_only(config):
    plan = plan_train(config)
    open_run_folder(plan.folder, plan.identity, resume=False, overwrite=False)

    with pytest.raises(CheckpointError, match="pass --resume to continue it, or --overwrite"):
        plan_train(config)
    longer = dataclasses.replace(config, train=dataclasses.replace(config.train, epochs=99))
    assert plan_train(longer, resume=True).resume
    with pytest.raises(CheckpointError, match=r"lora\.rank: started with 4, now 8"):
        plan_train(with_lora(config, rank=8), resume=True)


def test_what_a_training_needs_of_the_cluster_is_told_by_its_settings(config):
    train = dataclasses.replace(config.train, num_workers=9, cpus_per_worker=2)
    demand = workers_of(dataclasses.replace(config, train=train))
    assert str(demand) == "train.num_workers asks for 9 x 2 CPU"
    on_gpus = workers_of(dataclasses.replace(config, train=dataclasses.replace(train, use_gpu=True)))
    assert str(on_gpus) == "train.num_workers asks for 9 x 2 CPU and 1 GPU"
