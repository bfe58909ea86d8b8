"""One Ray cluster for all end-to-end tests: starting one takes longer than most tests."""

import os
from collections.abc import Iterator

import pytest
import ray


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """A private local cluster with four logical CPUs."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if ray.is_initialized():  # by the fixture of the same name in the other folder
        yield
        return
    ray.init(address="local", num_cpus=4, include_dashboard=False)
    yield
    ray.shutdown()
