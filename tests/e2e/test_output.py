"""What `recsys train` writes where standard error is a file: its own lines, and nothing of Ray in a run that goes well."""

import os
import re
import subprocess
import sys

import pytest
import yaml

from recsys_platform.config.run import config_to_dict
from tests.recsys_platform.tiny_dataset import tiny_config, write_tiny_dataset

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


def test_a_training_writes_plain_lines_without_prefixes_into_a_file(tmp_path):
    train = {"num_workers": 1, "batch_size": 4, "epochs": 2, "log_every_steps": 1}
    config = tiny_config(tmp_path, train=train)
    write_tiny_dataset(config)
    config_file = tmp_path / "run.yaml"
    config_file.write_text(yaml.safe_dump(config_to_dict(config) | {"num_cpus": 4}))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}

    command = [sys.executable, "-m", "recsys_platform.cli", "train", str(config_file)]
    with (tmp_path / "err.log").open("wb") as err:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=err, env=environment, text=True, check=False)

    written = (tmp_path / "err.log").read_text()
    assert done.returncode == 0, written
    lines = written.splitlines()
    # on a slow machine Ray may have warnings, of which none is about a training
    own = [line for line in lines if re.match(r"\d\d:\d\d:\d\d ", line)]
    *_, last = [line for line in own if " training: " in line]
    assert re.search(r" training: 100 %, epoch 2\.0 of 2, step \d+, loss \S+, in \d+ s, \S+ tokens/s, validation", last)
    assert own[0].endswith("started a local Ray with 4.0 logical CPUs")
    for stray in ("\x1b", "\r", "(RayTrainWorker", "PreemptionWatcher", "Started a local Ray instance", "Token auth"):
        assert stray not in written + done.stdout
    assert done.stdout.splitlines()[-1].startswith("checkpoint: ")
