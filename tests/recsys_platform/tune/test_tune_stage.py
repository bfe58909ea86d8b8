import dataclasses

import pytest

from recsys_model.backbones.checkpoint import write_model
from recsys_model.backbones.glm import GLM
from recsys_model.errors import CheckpointError, ConfigError
from recsys_model.text.tokenizer import load_tokenizer
from recsys_platform.artifacts import open_artifact
from recsys_platform.config.run import RunConfig
from recsys_platform.tune.stage import plan_tune, run_tune
from tests.recsys_platform.tiny_dataset import SEQUENCES, tiny_config, write_tiny_dataset


@pytest.fixture
def config(tmp_path) -> RunConfig:
    """A search over two ranks on a model with random weights."""
    config = tiny_config(
        tmp_path,
        train={"num_workers": 1, "batch_size": 12, "epochs": 1, "log_every_steps": 1},
        tune={"ranks": [4, 2], "num_users": 9},
        evaluate={"num_workers": 1},
        lora={"enabled": True},
    )
    write_tiny_dataset(config)
    vocab_size = load_tokenizer(config.dataset_folder / "tokenizer").vocab_size
    write_model(tmp_path / "base", GLM(config.model.geometry(vocab_size)))
    return dataclasses.replace(config, model=dataclasses.replace(config.model, weights=str(tmp_path / "base")))


def test_a_rank_that_cannot_be_trained_is_refused_before_any_is_and_leaves_nothing(config):
    wide = dataclasses.replace(config, tune=dataclasses.replace(config.tune, ranks=(2, 32)))

    with pytest.raises(
        ConfigError, match=r"each of tune\.ranks must be at most 16, the smallest dimension of .*, got 32"
    ):
        plan_tune(wide)

    assert not (config.folder / "ray_tune").exists()
    assert set(plan_tune(config).parents) == {"dataset", "weights"}
    assert not (config.folder / "ray_tune").exists()


def test_the_rank_of_a_single_training_says_nothing_about_the_search(config):
    wide = dataclasses.replace(config, lora=dataclasses.replace(config.lora, rank=99))
    assert plan_tune(wide).config.tune.ranks == (4, 2)


def test_a_score_that_no_trial_would_have_is_refused(config):
    scored = dataclasses.replace(config, decoding=dataclasses.replace(config.decoding, scoring="entity"))
    with pytest.raises(
        ConfigError, match=r"decoding\.scoring entity needs an entity head; set entity\.enabled to true"
    ):
        plan_tune(scored)


def test_the_search_trains_every_rank_and_leaves_a_table_and_a_plot(ray_cluster, config):
    result = run_tune(config)

    assert [row["rank"] for row in result["rows"]] == [2, 4]
    # one layer of width 16: four linears with a low rank on both sides
    per_rank = (16 + 48) + (16 + 16) + (16 + 64) + (64 + 16)
    assert [row["num_trainable_parameters"] for row in result["rows"]] == [2 * per_rank, 4 * per_rank]
    for row in result["rows"]:
        assert 0.0 <= row["hr_at_1_low"] <= row["hr_at_1"] <= row["hr_at_1_high"] <= 1.0
        assert row["hr_at_1"] * 9 == pytest.approx(round(row["hr_at_1"] * 9))
        assert row["eval_loss"] > 0.0
    assert result["best_rank"] in (2, 4)
    assert len(SEQUENCES) > 9
    manifest = open_artifact(config.folder / "tune", "tune")
    assert set(manifest.files) == {"ranks.csv", "ranks.md", "hr_at_1.png"}
    assert manifest.counts == {"best_rank": result["best_rank"], "users": 9}
    assert not (config.folder / "ray_tune").exists()
    with pytest.raises(CheckpointError, match="exists already; pass --overwrite"):
        run_tune(config)
    # a trial takes a tenth of a CPU next to its four workers
    crowd = dataclasses.replace(config, train=dataclasses.replace(config.train, num_workers=4))
    with pytest.raises(
        ConfigError, match=r"asks for 4 x 1 CPU next to tune\.max_concurrent_trials asks for 1 x 0\.1 CPU"
    ):
        run_tune(crowd, overwrite=True)
