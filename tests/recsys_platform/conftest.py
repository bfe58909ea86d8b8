"""One local Ray cluster for all tests of the platform."""

import os
from collections.abc import Iterator

import pytest
import ray


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """Four logical CPUs, so that two workers and what feeds them fit; joined by no other process."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if ray.is_initialized():  # by the fixture of the same name in the other folder
        yield
        return
    ray.init(address="local", num_cpus=4, include_dashboard=False)
    yield
    ray.shutdown()
