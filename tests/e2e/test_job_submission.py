"""The data and train stages as Ray jobs, through the dashboard's job API of a head that the test starts."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ray.job_submission import JobStatus, JobSubmissionClient

from recsys_platform.artifacts import open_artifact
from recsys_platform.demo.shop import write_demo_shop
from tests.e2e.ports import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 420.0


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a head node with its dashboard in a process group of its own; yield the dashboard's address."""
    port, dashboard, agent = free_port(), free_port(), free_port()
    temp = tmp_path_factory.mktemp("r", numbered=True)
    environment = os.environ | {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    environment.pop("RAY_ADDRESS", None)
    command = [str(Path(sys.executable).parent / "ray"), "start", "--head", "--block", "--num-cpus=4"]
    command += [
        f"--port={port}",
        f"--dashboard-port={dashboard}",
        f"--dashboard-agent-listen-port={agent}",
        "--dashboard-host=127.0.0.1",
    ]
    log = (temp / "head.log").open("w")
    process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        yield f"http://127.0.0.1:{dashboard}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=60)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        log.close()


def connect(address: str) -> JobSubmissionClient:
    deadline = time.monotonic() + 240
    while True:
        try:
            return JobSubmissionClient(address)
        except ConnectionError:
            assert time.monotonic() < deadline, "the dashboard did not answer"
            time.sleep(1)


def submit(client: JobSubmissionClient, entrypoint: str) -> str:
    """Submit; right after the start of the head its job agent may not have registered yet."""
    deadline = time.monotonic() + 120
    while True:
        try:
            return client.submit_job(entrypoint=entrypoint, runtime_env={"working_dir": str(ROOT)})
        except RuntimeError as error:
            if "No available agent" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(1)


def run_job(client: JobSubmissionClient, entrypoint: str) -> dict:
    """Submit, wait, and return the JSON document on the last line of the job's output."""
    job = submit(client, entrypoint)
    deadline = time.monotonic() + DEADLINE_S
    while (status := client.get_job_status(job)) not in {JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.STOPPED}:
        assert time.monotonic() < deadline, client.get_job_logs(job)[-3000:]
        time.sleep(1)
    logs = client.get_job_logs(job)
    assert status == JobStatus.SUCCEEDED, logs[-3000:]
    documents = [line for line in logs.splitlines() if line.startswith('{"command"')]
    return json.loads(documents[-1])


def test_data_and_train_run_as_jobs_and_hand_over_through_the_storage(
    head: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    write_demo_shop(tmp_path / "demo-shop", num_users=40)
    document = yaml.safe_load((ROOT / "ray_configs/laptop/demo.yaml").read_text())
    assert document["name"] == "demo"
    client = connect(head)
    recsys = Path(sys.executable).parent / "recsys"
    settings = f"ray_configs/laptop/demo.yaml --set storage={tmp_path} --set train.epochs=1 --set train.max_minutes=null --json"
    data = run_job(client, f"{recsys} data {settings}")
    train = run_job(client, f"{recsys} train {settings}")
    assert data["counts"]["users"] == 40
    assert train["steps"] == 2, "40 users in 74 rows of up to 21 events, in batches of 2 workers x 32"
    dataset = open_artifact(tmp_path / "demo" / "dataset", "dataset")
    checkpoint = open_artifact(tmp_path / "demo" / "checkpoint", "checkpoint")
    assert checkpoint.parents["dataset"] == dataset.digest
