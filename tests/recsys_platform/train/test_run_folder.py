import dataclasses
import json

import pytest

from recsys_model.config import OptimizerConfig
from recsys_model.errors import CheckpointError
from recsys_platform.config.run import build_config
from recsys_platform.train.runs import RUN_FILE, identity_of_run, open_run_folder


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
