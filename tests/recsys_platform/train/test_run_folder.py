import dataclasses
import json
import logging

import pytest

from recsys_model.config import OptimizerConfig
from recsys_model.errors import CheckpointError
from recsys_platform.config.run import build_config
from recsys_platform.config.stages import TrainConfig
from recsys_platform.train.runs import FREE_SETTINGS, RUN_FILE, check_run_folder, identity_of_run, open_run_folder


@pytest.fixture
def config(tmp_path):
    tables = {"interactions": {"path": "a.csv"}, "items": {"path": "b.csv"}}
    return build_config({"name": "r", "storage": str(tmp_path), "input": tables})


def test_a_run_is_started_once_and_gone_on_with_on_request_only(tmp_path, config):
    identity = identity_of_run(config, "d1", None)
    open_run_folder(tmp_path / "run", identity, resume=False, overwrite=False)

    with pytest.raises(CheckpointError, match="pass --resume to continue it, or --overwrite"):
        open_run_folder(tmp_path / "run", identity, resume=False, overwrite=False)
    open_run_folder(tmp_path / "run", identity, resume=True, overwrite=False)
    assert json.loads((tmp_path / "run" / RUN_FILE).read_text()) == identity


def test_overwriting_starts_from_an_empty_folder(tmp_path, config):
    open_run_folder(tmp_path / "run", identity_of_run(config, "d1", None), resume=False, overwrite=False)
    (tmp_path / "run" / "old").touch()

    open_run_folder(tmp_path / "run", identity_of_run(config, "d2", None), resume=False, overwrite=True)

    assert [path.name for path in (tmp_path / "run").iterdir()] == [RUN_FILE]


def test_resuming_nothing_is_refused(tmp_path, config):
    with pytest.raises(CheckpointError, match="no unfinished training to resume; start it without --resume"):
        open_run_folder(tmp_path / "run", identity_of_run(config, "d", None), resume=True, overwrite=False)


def test_a_run_is_not_resumed_with_other_settings_or_data(tmp_path, config):
    open_run_folder(tmp_path / "run", identity_of_run(config, "d1", None), resume=False, overwrite=False)
    changed = dataclasses.replace(config, optimizer=OptimizerConfig(learning_rate=0.5))

    with pytest.raises(CheckpointError) as error:
        open_run_folder(tmp_path / "run", identity_of_run(changed, "d2", None), resume=True, overwrite=False)

    message = str(error.value)
    assert "dataset_digest: started with 'd1', now 'd2'" in message
    assert "optimizer.learning_rate: started with 1e-05, now 0.5" in message
    assert message.count("started with") == 2


def test_settings_of_later_stages_may_change_before_a_resume(tmp_path, config):
    open_run_folder(tmp_path / "run", identity_of_run(config, "d", None), resume=False, overwrite=False)
    changed = dataclasses.replace(config, serve=dataclasses.replace(config.serve, port=9000))

    open_run_folder(tmp_path / "run", identity_of_run(changed, "d", None), resume=True, overwrite=False)

    assert json.loads((tmp_path / "run" / RUN_FILE).read_text()) == identity_of_run(config, "d", None)


def started(tmp_path, config) -> None:
    open_run_folder(tmp_path / "run", identity_of_run(config, "d", None), resume=False, overwrite=False)


def resume(tmp_path, config) -> None:
    open_run_folder(tmp_path / "run", identity_of_run(config, "d", None), resume=True, overwrite=False)


def with_train(config, **changes):
    return dataclasses.replace(config, train=dataclasses.replace(config.train, **changes))


def test_a_training_can_be_made_longer_and_logged_otherwise_when_it_is_resumed(tmp_path, config, caplog):
    started(tmp_path, config)
    changed = with_train(config, epochs=16, max_minutes=5.0, log_every_steps=3, validate_every_steps=50, max_failures=9)

    with caplog.at_level(logging.INFO):
        resume(tmp_path, changed)

    assert "train.epochs: started with 8, now 16" in caplog.text
    assert "the schedule of the learning rate runs to the new end" in caplog.text
    assert json.loads((tmp_path / "run" / RUN_FILE).read_text()) == identity_of_run(changed, "d", None)
    # and the record of the change is what the next resume is compared with
    caplog.clear()
    resume(tmp_path, changed)
    assert "changed setting" not in caplog.text


@pytest.mark.parametrize(
    "changes",
    [
        {"num_workers": 3},
        {"batch_size": 5},
        {"accumulation_steps": 2},
        {"zero_stage": 2},
        {"precision": "bf16"},
        {"use_gpu": True},
    ],
)
def test_settings_that_shape_the_steps_so_far_are_refused_by_name(tmp_path, config, changes):
    started(tmp_path, config)
    (name,) = changes

    with pytest.raises(CheckpointError, match=rf"train\.{name}: started with .*, now .*\nrestore these settings"):
        resume(tmp_path, with_train(config, **{**changes, "epochs": 99}))
    with pytest.raises(CheckpointError) as error:
        resume(tmp_path, with_train(config, **{**changes, "epochs": 99}))
    assert "epochs" not in str(error.value)


def test_another_seed_is_refused_and_the_record_stays(tmp_path, config):
    started(tmp_path, config)

    with pytest.raises(CheckpointError, match="seed: started with 0, now 1"):
        resume(tmp_path, dataclasses.replace(config, seed=1))
    assert json.loads((tmp_path / "run" / RUN_FILE).read_text()) == identity_of_run(config, "d", None)


def test_the_ranking_that_selects_the_best_weights_may_not_change(tmp_path, config):
    best = with_train(config, keep="best")
    started(tmp_path, best)
    other = dataclasses.replace(best, evaluate=dataclasses.replace(best.evaluate, exclude_seen=True))

    with pytest.raises(CheckpointError, match=r"evaluate\.exclude_seen: started with False, now True"):
        resume(tmp_path, other)


def test_every_free_setting_is_a_setting_of_the_training():
    names = {f"train.{field.name}" for field in dataclasses.fields(TrainConfig)}
    assert set(FREE_SETTINGS) <= names
    assert {"train.batch_size", "train.num_workers", "train.keep"}.isdisjoint(FREE_SETTINGS)


def test_checking_a_run_folder_writes_nothing(tmp_path, config):
    check_run_folder(tmp_path / "run", identity_of_run(config, "d", None), resume=False, overwrite=False)
    assert not (tmp_path / "run").exists()
