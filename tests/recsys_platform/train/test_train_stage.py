import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from recsys_model.errors import CheckpointError, ConfigError
from recsys_platform.artifacts import check_parent, open_artifact
from recsys_platform.checkpoints import load_trained_model
from recsys_platform.config.run import RunConfig
from recsys_platform.file_names import METRICS_FILE
from recsys_platform.json_lines import read_json_lines
from recsys_platform.train.plan import RUN_FOLDER
from recsys_platform.train.stage import can_resume, run_train
from tests.recsys_platform.tiny_dataset import tiny_config, write_tiny_dataset

TRAIN = {"epochs": 2, "log_every_steps": 1, "validate_every_steps": 2, "max_failures": 0}
OPTIMIZER = {"learning_rate": 0.01}


@pytest.fixture(scope="module")
def one_worker(ray_cluster, tmp_path_factory) -> tuple[RunConfig, dict]:
    """A finished run of one worker, ZeRO 0, and what the stage returned."""
    train = TRAIN | {"num_workers": 1, "batch_size": 4, "accumulation_steps": 2, "zero_stage": 0}
    config = tiny_config(tmp_path_factory.mktemp("train"), train=train, optimizer=OPTIMIZER)
    write_tiny_dataset(config)
    return config, run_train(config)


def beside(config: RunConfig, name: str, **changes) -> RunConfig:
    """Return another run on the same dataset."""
    return dataclasses.replace(config, name=name, dataset=str(config.dataset_folder), **changes)


def curve(config: RunConfig, name: str) -> dict[int, float]:
    """Return step -> value of one metric."""
    lines = read_json_lines(config.checkpoint_folder / METRICS_FILE)
    return {line["step"]: line[name] for line in lines if name in line}


def test_the_checkpoint_holds_weights_metrics_curve_and_report(one_worker):
    config, result = one_worker
    manifest = open_artifact(config.checkpoint_folder, "checkpoint")

    check_parent(manifest, open_artifact(config.dataset_folder, "dataset"))
    names = {name for name in manifest.files if not name.startswith("tensorboard/events")}
    assert names == {
        "weights/config.json",
        "weights/model.safetensors",
        "metrics.jsonl",
        "learning_curve.png",
        "report.json",
    }
    assert len(manifest.files) == len(names) + 1
    report = json.loads((config.checkpoint_folder / "report.json").read_text())
    assert result == {"checkpoint": str(config.checkpoint_folder), **report}
    assert (result["steps"], result["epochs"], result["resumed"]) == (6, 2.0, 0)
    model = load_trained_model(config.checkpoint_folder)
    assert result["num_parameters"] == result["num_trainable_parameters"] == sum(p.numel() for p in model.parameters())
    assert not (config.folder / RUN_FOLDER).exists()


def test_a_run_that_uses_the_checkpoint_of_another_run_is_not_trained(tmp_path):
    config = tiny_config(tmp_path, checkpoint=str(tmp_path / "other" / "checkpoint"))
    write_tiny_dataset(config)
    with pytest.raises(ConfigError, match="other/checkpoint, a trained model to use as it is"):
        run_train(config)


def test_the_loss_falls(one_worker):
    config, result = one_worker
    losses = curve(config, "train/loss")

    assert list(losses) == [1, 2, 3, 4, 5, 6]
    assert list(curve(config, "eval/loss")) == [2, 3, 4, 6]
    assert losses[6] < losses[1] - 0.5
    assert result["metrics"]["eval/loss"] == curve(config, "eval/loss")[6]


def test_two_workers_with_zero_1_train_like_one_worker_without(one_worker):
    alone, _ = one_worker
    train = dataclasses.replace(alone.train, num_workers=2, accumulation_steps=1, zero_stage=1)
    shared = beside(alone, "shared", train=train)

    run_train(shared)

    for name in ("train/loss", "eval/loss", "train/learning_rate"):
        assert curve(shared, name) == pytest.approx(curve(alone, name), rel=1e-5), name
    assert curve(shared, "train/grad_norm") == pytest.approx(curve(alone, "train/grad_norm"), rel=1e-4)
    ours, theirs = (load_trained_model(run.checkpoint_folder).word_embeddings.weight for run in (shared, alone))
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_adapters_are_trained_on_a_checkpoint_and_leave_it_as_it_was(one_worker):
    base, _ = one_worker
    before = open_artifact(base.checkpoint_folder, "checkpoint").digest
    config = beside(
        base,
        "adapters",
        model=dataclasses.replace(base.model, weights=str(base.checkpoint_folder)),
        lora=dataclasses.replace(base.lora, enabled=True, rank=2),
        train=dataclasses.replace(base.train, precision="bf16", zero_stage=2, num_workers=2),
    )

    result = run_train(config)

    assert open_artifact(base.checkpoint_folder, "checkpoint").digest == before
    # one layer of width 16: four linears with rank 2 on both sides
    assert result["num_trainable_parameters"] == 2 * ((16 + 48) + (16 + 16) + (16 + 64) + (64 + 16))
    assert {path.name for path in config.checkpoint_folder.iterdir()} >= {"adapter", "base.json"}
    assert not (config.checkpoint_folder / "weights").exists()
    merged, whole = load_trained_model(config.checkpoint_folder), load_trained_model(base.checkpoint_folder)
    name = "transformer.layers.0.attention.dense.weight"
    assert not torch.equal(merged.get_parameter(name), whole.get_parameter(name))
    assert torch.equal(merged.word_embeddings.weight, whole.word_embeddings.weight)


def test_the_clock_ends_a_run_that_has_steps_left(one_worker):
    base, _ = one_worker
    config = beside(base, "clock", train=dataclasses.replace(base.train, epochs=100_000, max_minutes=0.05))

    result = run_train(config)

    assert result["steps"] < 100_000
    assert result["minutes"] >= 0.05
    # the schedule follows the clock: it has come down although hardly any of the steps are done
    assert list(curve(config, "train/learning_rate").values())[-1] < 0.01


def test_a_diverging_loss_ends_a_run_at_its_first_start_and_leaves_nothing_in_the_way(one_worker, monkeypatch):
    base, _ = one_worker
    train = dataclasses.replace(base.train, max_failures=3)
    config = beside(base, "diverging", train=train, optimizer=dataclasses.replace(base.optimizer, learning_rate=1e30))
    starts = []
    remove = shutil.rmtree

    def count_starts(folder: Path, **options: bool) -> None:
        if (folder / "starts.jsonl").is_file():
            starts.extend(read_json_lines(folder / "starts.jsonl"))
        remove(folder, **options)

    monkeypatch.setattr(shutil, "rmtree", count_starts)

    with pytest.raises(ConfigError, match=r"diverged at step \d: .*lower optimizer\.learning_rate\ncorrect it"):
        run_train(config)

    assert starts == [{"step": 0}]
    assert not (config.folder / RUN_FOLDER).exists()


def test_more_workers_than_the_cluster_can_ever_hold_are_refused_at_once(one_worker):
    base, _ = one_worker
    config = beside(base, "crowd", train=dataclasses.replace(base.train, num_workers=9))

    with pytest.raises(
        ConfigError, match=r"train\.num_workers asks for 9 x 1 CPU, but the Ray cluster has 1 node with 4"
    ):
        run_train(config)
    assert not config.folder.exists()


def test_a_finished_or_unfinished_run_is_not_overwritten_unasked(one_worker):
    config, _ = one_worker

    with pytest.raises(CheckpointError, match="exists already; pass --overwrite"):
        run_train(config)
    with pytest.raises(CheckpointError, match="exists already; pass --overwrite"):
        run_train(config, resume=True)
    unfinished = beside(config, "unfinished")
    (unfinished.folder / RUN_FOLDER).mkdir(parents=True)
    with pytest.raises(CheckpointError, match="pass --resume to continue it"):
        run_train(unfinished)
    assert not can_resume(unfinished)


@pytest.mark.parametrize(
    ("section", "changes", "message"),
    [
        ("lora", {"enabled": True}, "lora.enabled needs model.weights"),
        ("text", {"max_tokens": 97}, "text.max_tokens must be at most the model's max_sequence_length 96, got 97"),
        ("text", {"language": "zh"}, "text.language is zh, but the dataset was made with en; run the data stage again"),
        ("model", {"max_sequence_length": 50}, "max_sequence_length 50, got 96"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_before_anything_is_written(
    one_worker, section, changes, message
):
    base, _ = one_worker
    config = beside(base, "contradiction", **{section: dataclasses.replace(getattr(base, section), **changes)})

    with pytest.raises(ConfigError, match=message):
        run_train(config)
    assert not config.folder.exists()


def test_a_tokenizer_that_is_too_large_for_the_weights_is_refused(one_worker, tmp_path):
    base, _ = one_worker
    weights = tmp_path / "model"
    shutil.copytree(base.checkpoint_folder / "weights", weights)
    document = json.loads((weights / "config.json").read_text())
    (weights / "config.json").write_text(json.dumps(document | {"vocab_size": 100}))
    tensors = load_file(weights / "model.safetensors")
    tensors["word_embeddings.weight"] = tensors["word_embeddings.weight"][:100].clone()
    save_file(tensors, weights / "model.safetensors")
    config = beside(base, "small", model=dataclasses.replace(base.model, weights=str(weights)))

    with pytest.raises(ConfigError, match=r"tokens and the model only 100; set tokenizer\.path"):
        run_train(config)


def test_an_adapter_is_no_base_to_train_on(one_worker, tmp_path):
    base, _ = one_worker
    adapter = Path(shutil.copytree(base.checkpoint_folder, tmp_path / "adapter"))
    shutil.rmtree(adapter / "weights")
    config = beside(base, "second", model=dataclasses.replace(base.model, weights=str(adapter)))

    with pytest.raises(CheckpointError, match="holds an adapter, not a whole model"):
        run_train(config)
