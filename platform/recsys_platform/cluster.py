"""Joins the Ray cluster that `RAY_ADDRESS` names, or starts a private one on this machine; reads results of its tasks."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.exceptions import RayTaskError

from recsys_model.errors import RecsysError

logger = logging.getLogger(__name__)


class ClusterError(RecsysError, ConnectionError):
    """Ray could not be reached or started."""


@contextmanager
def connected(num_cpus: int | None) -> Iterator[None]:
    """Keep this process connected to Ray while the block runs.

    With `RAY_ADDRESS` set, as inside a Ray job, the running cluster is joined and left as it was.
    Otherwise a cluster of `num_cpus` logical CPUs is started and ended with the block.

    Raises:
        ClusterError: the cluster cannot be reached, or none can be started here.
    """
    if ray.is_initialized():
        yield
        return
    _connect(num_cpus)
    try:
        yield
    finally:
        ray.shutdown()


def result_of(task: ray.ObjectRef) -> Any:
    """Return the result of a finished task; one of our own errors comes without the call stack of the worker."""
    try:
        return ray.get(task)
    except RayTaskError as error:
        raise error.cause if isinstance(error.cause, RecsysError) else error from None


def _connect(num_cpus: int | None) -> None:
    address = os.environ.get("RAY_ADDRESS")
    try:
        if address:
            ray.init(log_to_driver=True)
            logger.info("joined the Ray cluster at %s", address)
        else:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            ray.init(address="local", num_cpus=num_cpus, include_dashboard=False, log_to_driver=True)
            logger.info("started a local Ray with %s logical CPUs", ray.cluster_resources().get("CPU", 0))
    # where a node takes longer than half a minute to come up, Ray raises a plain Exception
    except Exception as error:
        ray.shutdown()
        if address:
            way_out = "check that the cluster runs; without RAY_ADDRESS a local Ray is started"
            raise ClusterError(f"RAY_ADDRESS {address} cannot be joined: {error}; {way_out}") from error
        way_out = "a machine busy with other work, or short of memory or disk, is the usual reason"
        raise ClusterError(f"no local Ray could be started: {error}; {way_out}") from error
