"""Kills with SIGKILL: of a training worker, and of the driver. Both runs come to their end."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from recsys_platform.config.run import RunConfig, config_to_dict
from recsys_platform.file_names import METRICS_FILE
from recsys_platform.json_lines import read_json_lines
from recsys_platform.train.plan import RUN_FOLDER
from recsys_platform.train.records import WORKERS_FILE
from recsys_platform.train.stage import run_train
from tests.recsys_platform.tiny_dataset import tiny_config, write_tiny_dataset

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

NUM_STEPS = 36
KILL_AFTER_STEP = 9
DEADLINE_S = 400.0


def long_config(storage: Path) -> RunConfig:
    """A run of 36 steps with a checkpoint after every third: long enough to be killed in the middle."""
    train = {"num_workers": 2, "batch_size": 4, "epochs": NUM_STEPS // 3, "log_every_steps": 1, "max_failures": 2}
    config = tiny_config(storage, train=train, optimizer={"learning_rate": 0.003})
    write_tiny_dataset(config)
    return config


def reached_step(config: RunConfig) -> int:
    """Return the last step whose validation loss is on disk; the checkpoint before it is committed."""
    lines = read_json_lines(config.folder / RUN_FOLDER / METRICS_FILE)
    return max((line["step"] for line in lines if "eval/loss" in line), default=0)


def wait_for_step(config: RunConfig, step: int, is_alive: Callable[[], bool] = lambda: True) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while reached_step(config) < step:
        assert is_alive(), f"the run ended before step {step}"
        assert time.monotonic() < deadline, f"the run did not reach step {step} in {DEADLINE_S:.0f} s"
        time.sleep(0.02)


def steps_of(config: RunConfig, name: str) -> list[int]:
    return [line["step"] for line in read_json_lines(config.checkpoint_folder / METRICS_FILE) if name in line]


def check_report(config: RunConfig, result: dict[str, Any]) -> None:
    """Every step appears once, and the report says where the run went on."""
    assert result["resumed"] >= 1
    assert all(3 <= step < NUM_STEPS and step % 3 == 0 for step in result["resumed_at_steps"])
    assert result["steps"] == NUM_STEPS
    assert steps_of(config, "train/loss") == list(range(1, NUM_STEPS + 1))
    report = json.loads((config.checkpoint_folder / "report.json").read_text())
    assert (report["resumed"], report["resumed_at_steps"]) == (result["resumed"], result["resumed_at_steps"])


def test_a_killed_worker_is_replaced_and_the_run_goes_on_from_its_checkpoint(ray_cluster, tmp_path):
    config = long_config(tmp_path)
    killed: list[int] = []

    def kill_one_worker() -> None:
        wait_for_step(config, KILL_AFTER_STEP)
        workers = json.loads((config.folder / RUN_FOLDER / WORKERS_FILE).read_text())
        killed.append(workers[1]["pid"])
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_one_worker, daemon=True)
    killer.start()
    result = run_train(config)
    killer.join()

    assert len(killed) == 1
    check_report(config, result)


def train_command(config_file: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "recsys_platform.cli", "train", str(config_file), "--json", *options]


def own_environment() -> dict[str, str]:
    """Without the address of the tests' cluster, so that the command starts a Ray of its own."""
    return {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}


@contextlib.contextmanager
def driver(config_file: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `recsys train` in a session of its own, whose processes are ended with the context."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            train_command(config_file), stdout=output, stderr=output, start_new_session=True, env=own_environment()
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until_gone(pids: list[int]) -> None:
    """Ray's workers notice within seconds that their driver is gone."""
    deadline = time.monotonic() + DEADLINE_S
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < deadline, f"workers {pids} outlived their driver by {DEADLINE_S:.0f} s"
        time.sleep(0.1)


def test_after_a_killed_driver_the_command_goes_on_when_asked_and_refuses_when_not(tmp_path):
    config = long_config(tmp_path)
    config_file = tmp_path / "run.yaml"
    config_file.write_text(yaml.safe_dump(config_to_dict(config) | {"num_cpus": 4}))

    with driver(config_file, tmp_path / "driver.log") as process:
        wait_for_step(config, KILL_AFTER_STEP, is_alive=lambda: process.poll() is None)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        workers = json.loads((config.folder / RUN_FOLDER / WORKERS_FILE).read_text())
        wait_until_gone([worker["pid"] for worker in workers])

    refused = subprocess.run(train_command(config_file), capture_output=True, text=True, env=own_environment())
    assert refused.returncode == 1
    assert "pass --resume to continue it, or --overwrite to start over" in refused.stderr
    assert not config.checkpoint_folder.exists()

    resumed = subprocess.run(
        train_command(config_file, "--resume"), capture_output=True, text=True, env=own_environment()
    )
    assert resumed.returncode == 0, resumed.stderr[-4000:]
    result = json.loads(resumed.stdout.splitlines()[-1])
    check_report(config, result)
    assert len(result["resumed_at_steps"]) == 1
    assert not (config.folder / RUN_FOLDER).exists()
