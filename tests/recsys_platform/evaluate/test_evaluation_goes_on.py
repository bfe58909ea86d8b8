"""An evaluation whose driver is killed with SIGKILL goes on where it was, to the same result."""

import contextlib
import dataclasses
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from recsys_platform.config.run import RunConfig, config_to_dict
from recsys_platform.evaluate.stage import run_evaluate
from tests.recsys_platform.evaluate.test_evaluate_stage import write_checkpoint
from tests.recsys_platform.tiny_dataset import SEQUENCES, tiny_config, write_tiny_dataset

pytestmark = pytest.mark.e2e
DEADLINE_S = 200.0


def small_batches(storage: Path) -> RunConfig:
    """A run that answers its users one by one, twice."""
    evaluate = {"num_workers": 1, "batch_size": 1, "competitors": ["catalogue", "sampled"], "num_negatives": 5}
    config = tiny_config(storage, evaluate=evaluate)
    write_tiny_dataset(config)
    write_checkpoint(config)
    return config


def kill_after_first_answers(config: RunConfig, config_file: Path) -> None:
    """Start the command on the tests' cluster and kill it as soon as answers are on disk."""
    log = (config_file.parent / "driver.log").open("wb")
    command = [sys.executable, "-m", "recsys_platform.cli", "evaluate", str(config_file)]
    process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    deadline = time.monotonic() + DEADLINE_S
    try:
        while not any(file.stat().st_size for file in config.folder.glob("evaluation.partial/*/ranked.jsonl")):
            assert process.poll() is None, (config_file.parent / "driver.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        log.close()


def test_after_a_killed_driver_the_same_command_goes_on_and_ends_as_if_nothing_had_been(ray_cluster, tmp_path, caplog):
    config = small_batches(tmp_path)
    config_file = tmp_path / "run.yaml"
    config_file.write_text(yaml.safe_dump(config_to_dict(config)))
    kill_after_first_answers(config, config_file)
    assert not config.evaluation_folder.exists()
    (answered,) = config.folder.glob("evaluation.partial/*/ranked.jsonl")
    num_before = answered.read_bytes().count(b"\n")

    with caplog.at_level(logging.INFO, logger="recsys_platform"):
        run_evaluate(config)

    assert f"{num_before} of {len(SEQUENCES)} batches were answered before, going on" in caplog.text
    assert not (config.folder / "evaluation.partial").exists()
    unbroken = dataclasses.replace(config, name="unbroken")
    unbroken.folder.mkdir()
    for stage in ("dataset", "checkpoint"):
        (unbroken.folder / stage).symlink_to(config.folder / stage)
    run_evaluate(unbroken)
    ranks = [pq.read_table(run.evaluation_folder / "ranks.parquet") for run in (config, unbroken)]
    assert ranks[0].equals(ranks[1])
