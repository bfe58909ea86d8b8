import dataclasses
from pathlib import Path

import pytest

from recsys_model.config import PLAIN_GLM
from recsys_platform.config.run import RunConfig, load_config

A100 = Path(__file__).resolve().parents[3] / "ray_configs" / "a100"


@pytest.mark.parametrize("name", ["glm-10b.yaml", "glm-10b-tune.yaml"])
def test_the_a100_runs_train_as_the_paper_did(name):
    config: RunConfig = load_config(A100 / name)
    train = config.train

    assert (config.model.preset, config.text.max_tokens, config.optimizer.learning_rate) == ("glm-10b", 1024, 1e-5)
    assert (train.num_workers, train.use_gpu, train.zero_stage, train.precision) == (4, True, 2, "bf16")
    assert (train.batch_size * train.accumulation_steps, train.epochs) == (32, 8)
    assert (config.lora.enabled, config.lora.rank) == (True, 8)
    assert (config.window.long_share, config.window.medium_share, config.window.short_share) == (0.1, 0.3, 0.6)


def test_the_search_tries_the_ranks_of_figure_3_on_the_dataset_of_the_training():
    search, training = load_config(A100 / "glm-10b-tune.yaml"), load_config(A100 / "glm-10b.yaml")

    assert search.tune.ranks == (2, 4, 8, 16, 32)
    assert search.dataset_folder == training.dataset_folder
    assert search.model == training.model


def test_the_laptop_search_reads_what_the_demo_leaves():
    laptop = A100.parent / "laptop"
    search, demo = load_config(laptop / "tune.yaml"), load_config(laptop / "demo.yaml")

    assert search.tune.ranks == (2, 8)
    assert search.dataset_folder == demo.dataset_folder
    assert search.model.weights == str(demo.checkpoint_folder)
    assert (search.text, search.objective, search.input) == (demo.text, demo.objective, demo.input)


def test_the_baseline_is_the_same_training_without_entities():
    baseline, training = load_config(A100 / "glm-10b-plain.yaml"), load_config(A100 / "glm-10b.yaml")

    assert baseline.objective == PLAIN_GLM
    assert baseline.dataset_folder == training.dataset_folder
    same = {"name": training.name, "dataset": training.dataset, "objective": training.objective}
    assert dataclasses.replace(baseline, **same) == training
