"""Joins the Ray cluster that `RAY_ADDRESS` names, or starts a private one on this machine."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import ray

logger = logging.getLogger(__name__)


@contextmanager
def connected(num_cpus: int | None) -> Iterator[None]:
    """Keep this process connected to Ray while the block runs.

    With `RAY_ADDRESS` set, as inside a Ray job, the running cluster is joined and left as it was.
    Otherwise a cluster of `num_cpus` logical CPUs is started and ended with the block.
    """
    if ray.is_initialized():
        yield
        return
    if os.environ.get("RAY_ADDRESS"):
        ray.init(log_to_driver=True)
        logger.info("joined the Ray cluster at %s", os.environ["RAY_ADDRESS"])
    else:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(address="local", num_cpus=num_cpus, include_dashboard=False, log_to_driver=True)
        logger.info("started a local Ray with %s logical CPUs", ray.cluster_resources().get("CPU", 0))
    try:
        yield
    finally:
        ray.shutdown()
