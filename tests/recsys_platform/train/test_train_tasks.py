"""The training stage with questions, on a real Ray."""

import pytest

from recsys_platform.file_names import METRICS_FILE
from recsys_platform.json_lines import read_json_lines
from recsys_platform.train.stage import run_train
from tests.recsys_platform.tiny_tasks import FAMILIES, tiny_task_config, write_tiny_tasks

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("ray_cluster")]


def test_a_run_trains_all_families_and_logs_a_loss_of_each(tmp_path):
    train = {"epochs": 16, "num_workers": 2, "batch_size": 6, "log_every_steps": 20, "validate_every_steps": 40}
    config = tiny_task_config(tmp_path, train=train, optimizer={"learning_rate": 0.01})
    write_tiny_tasks(config)

    result = run_train(config)

    lines = [line for line in read_json_lines(config.checkpoint_folder / METRICS_FILE) if "eval/loss" in line]
    names = ["eval/loss", *(f"eval/loss_{family}" for family in FAMILIES)]
    for name in names:
        assert lines[-1][name] < lines[0][name], name
        assert result["metrics"][name] == lines[-1][name]
