"""Several runs on one Ray: two endpoints side by side, refusals at once, and starts that fail or are interrupted."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import ray
import yaml
from ray import serve

from recsys_model.bundle import Bundle, write_bundle
from recsys_model.errors import ConfigError, RecsysError
from recsys_platform.artifacts import open_artifact, write_artifact
from recsys_platform.config.run import RunConfig, build_config, config_to_dict
from recsys_platform.serve.client import ask
from recsys_platform.serve.stage import start_endpoint, stop_endpoint
from tests.e2e.ports import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("ray_cluster"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, shop_bundle: Bundle) -> Callable[..., RunConfig]:
    """Make a run with a bundle on disk; all of them ask for the same port."""
    storage, port = tmp_path_factory.mktemp("runs"), free_port()
    table = {"path": "/nowhere/table.csv"}

    def make(name: str, /, **settings: object) -> RunConfig:
        run = build_config(
            {
                "name": name,
                "storage": str(storage),
                "input": {"interactions": table, "items": table},
                "decoding": {"num_beams": 10},
                "serve": {"port": port, "max_replicas": 1, "cpus_per_replica": 0.5, **settings},
            }
        )
        if not run.bundle_folder.exists():
            with write_artifact(run.bundle_folder, "bundle", {"name": name}) as (folder, _):
                write_bundle(
                    folder, shop_bundle.model, shop_bundle.tokenizer, shop_bundle.catalog, shop_bundle.settings
                )
                (folder / "name.txt").write_text(name)
        return run

    return make


@pytest.fixture(scope="module")
def first(runs: Callable[..., RunConfig]) -> Iterator[str]:
    """The URL of the first endpoint, which answers at the root and must not notice any of the others."""
    run = runs("a")
    yield start_endpoint(run)
    stop_endpoint(run)


def model_digest(url: str) -> str:
    return httpx.get(f"{url}/healthz", timeout=30.0).raise_for_status().json()["model"]["digest"]


def bundle_digest(run: RunConfig) -> str:
    return open_artifact(run.bundle_folder, "bundle").digest


def test_two_runs_are_served_side_by_side_each_at_its_own_path(first: str, runs: Callable[..., RunConfig]):
    second = runs("b", route_prefix="/b")

    url = start_endpoint(second)
    try:
        assert url == f"{first}/b"
        assert (model_digest(first), model_digest(url)) == (bundle_digest(runs("a")), bundle_digest(second))
        assert len(ask(url, {"k": 3, "time": 0})["items"]) == 3
        assert httpx.get(f"{url}/openapi.json", timeout=30.0).status_code == 200
    finally:
        stop_endpoint(second)
    assert model_digest(first) == bundle_digest(runs("a"))
    assert set(serve.status().applications) == {"a"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, r"the application 'a' of this cluster answers at / already; .*serve\.route_prefix=/c"),
        ({"name": "a", "route_prefix": "/c"}, "an application 'a' runs on this cluster already"),
        ({"route_prefix": "/c", "host": "::1"}, r"Ray Serve already runs on this cluster at 127\.0\.0\.1:\d+, and"),
        (
            {"route_prefix": "/c", "cpus_per_replica": 64},
            r"serve\.min_replicas asks for 1 x 64 CPU, but the Ray cluster has 1 node with 4 CPU; lower serve\.cpus",
        ),
        ({"route_prefix": "/c", "use_gpu": True}, "asks for 1 x 0.5 CPU and 1 GPU, but the Ray cluster has"),
    ],
)
def test_what_cannot_be_served_here_is_refused_at_once_and_the_other_one_goes_on(
    first: str, runs: Callable[..., RunConfig], settings: dict, message: str
):
    with pytest.raises(ConfigError, match=message):
        start_endpoint(runs("c", **settings))
    assert set(serve.status().applications) == {"a"}
    assert model_digest(first) == bundle_digest(runs("a"))


def test_a_start_that_fails_leaves_no_application_behind(first: str, runs: Callable[..., RunConfig], tmp_path: Path):
    broken = dataclasses.replace(runs("broken", route_prefix="/broken"), storage=str(tmp_path))
    with write_artifact(broken.bundle_folder, "bundle", {"name": "broken"}) as (folder, _):
        without_manifest = shutil.ignore_patterns("manifest.json")
        shutil.copytree(runs("broken").bundle_folder, folder, ignore=without_manifest, dirs_exist_ok=True)
        (folder / "catalog.jsonl").write_text(json.dumps({"no": "item"}) + "\n")

    with pytest.raises(RecsysError, match=r"the endpoint did not start: .*"):
        start_endpoint(broken)

    assert set(serve.status().applications) == {"a"}
    assert model_digest(first) == bundle_digest(runs("a"))


@ray.remote(num_cpus=3)
class Occupant:
    """Holds CPUs, so that a replica has to wait."""

    def is_there(self) -> bool:
        return True


def test_ctrl_c_ends_a_waiting_start_without_a_traceback_and_without_an_application(
    first: str, runs: Callable[..., RunConfig], tmp_path: Path
):
    run = runs("waiting", route_prefix="/waiting", cpus_per_replica=2)
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(config_to_dict(run)))
    occupant = Occupant.remote()
    assert ray.get(occupant.is_there.remote())
    environment = os.environ | {"RAY_ADDRESS": ray.get_runtime_context().gcs_address}
    command = subprocess.Popen(
        [sys.executable, "-m", "recsys_platform.cli", "serve", str(path)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 240
        while "waiting" not in serve.status().applications:
            assert command.poll() is None, command.stderr and command.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.5)
        command.send_signal(signal.SIGINT)
        _, errors = command.communicate(timeout=120)
    finally:
        command.kill()
        ray.kill(occupant)

    assert command.returncode == 130, errors
    assert "recsys serve: interrupted" in errors
    assert "Traceback" not in errors
    assert set(serve.status().applications) == {"a"}
    assert model_digest(first) == bundle_digest(runs("a"))
