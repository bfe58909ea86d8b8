"""Start and stop the HTTP endpoint of a run on the current Ray cluster."""

import dataclasses
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import ray
from ray import serve
from ray.exceptions import RayTaskError
from ray.serve.exceptions import RayServeException
from ray.serve.schema import ApplicationStatus, ApplicationStatusOverview

from recsys_model.bundle import load_settings
from recsys_model.config import require
from recsys_model.errors import CheckpointError, RecsysError
from recsys_platform.artifacts import MANIFEST_NAME, Manifest, open_artifact, read_manifest
from recsys_platform.capacity import Demand, check_room, room_for
from recsys_platform.checkpoints import check_scoring
from recsys_platform.config.run import RunConfig
from recsys_platform.serve.address import check_port, check_proxy, endpoint_url
from recsys_platform.serve.app import KEEPER_CPUS, build_app, serve_config
from recsys_platform.serve.bundling import run_bundle
from recsys_platform.serve.gate.access import check_access
from recsys_platform.serve.neighbours import check_place, read_running_serve

logger = logging.getLogger(__name__)

START_TIMEOUT_S = 120.0
POLL_INTERVAL_S = 0.5
REBUILD = "build it again with `recsys bundle --overwrite`"
LOG_INTERVAL_S = 30.0
"""How often a waiting start is logged."""
QUIET = {"log_level": "WARNING"}
"""At Ray Serve's default level, each process logs every step and request to the terminal."""


@contextmanager
def serving(config: RunConfig, bundle: Path | None = None) -> Iterator[str]:
    """Yield the URL of the run's healthy endpoint, and stop it at the end of the block; see `start_endpoint`."""
    url = start_endpoint(config, bundle)
    try:
        yield url
    finally:
        stop_endpoint(config)


def start_endpoint(config: RunConfig, bundle: Path | None = None) -> str:
    """Serve the run's bundle and return the URL as soon as it is healthy.

    Ray must be initialised. `bundle` is what `ensure_bundle` returned; without it, that is called. The endpoint runs
    until `stop_endpoint` or the end of the cluster. A start that fails, or that Ctrl-C ends, leaves no application.

    Raises:
        ConfigError: The address cannot be bound, or is public and there are no keys; the cluster can never hold the
            replicas, or has an application of this name or route.
        CheckpointError: Bundle and checkpoint are missing, or one is damaged.
        RecsysError: The application does not become healthy within `serve.start_timeout_s`.
    """
    check_access(config.serve, os.environ)
    bundle = bundle or ensure_bundle(config)
    check_endpoint(config)
    name = application_name(config)
    document = serve_config(bundle, config.serve, name)
    _prepare_serve(name, document["http_options"])
    url = endpoint_url(config.serve.host, config.serve.port, config.serve.route_prefix)
    (application,) = document["applications"]
    is_up = False
    try:
        _deploy(application)
        _wait_until_running(name, config.serve.start_timeout_s)
        wait_until_healthy(url)
        is_up = True
    finally:
        if not is_up:
            stop_endpoint(config)
    return url


def stop_endpoint(config: RunConfig) -> None:
    """Delete the run's application; shut Ray Serve down unless it has other applications."""
    stop_application(application_name(config))


def stop_application(name: str) -> None:
    """Delete an application, if it is there; shut Ray Serve down unless it has other applications."""
    if name in serve.status().applications:
        serve.delete(name)
    if not serve.status().applications:
        serve.shutdown()


def check_endpoint(config: RunConfig) -> None:
    """Raise unless the cluster can hold the endpoint next to what Ray Serve already runs there; Ray must be initialised.

    Raises:
        ConfigError: It never has the resources, or the name, the route or the address is taken.
    """
    replicas = Demand(
        setting="serve.min_replicas",
        count=config.serve.min_replicas,
        num_cpus=config.serve.cpus_per_replica,
        num_gpus=int(config.serve.use_gpu),
        way_out="lower serve.cpus_per_replica or serve.min_replicas",
    )
    num_keepers = 1 if config.serve.catalog_edits else 0
    keeper = Demand(setting="the keeper", count=num_keepers, num_cpus=KEEPER_CPUS, way_out=replicas.way_out)
    check_room([replicas, keeper] if num_keepers else [replicas])
    room = room_for(dataclasses.replace(replicas, count=config.serve.max_replicas))
    if room < config.serve.max_replicas:
        logger.warning("serve.max_replicas is %d; the nodes that are up hold %d", config.serve.max_replicas, room)
    running = read_running_serve()
    if running is not None:
        check_place(config.serve, application_name(config), running)


def application_name(config: RunConfig) -> str:
    """Return the name of the run's application in Ray Serve."""
    return config.serve.name or config.name


def ensure_bundle(config: RunConfig) -> Path:
    """Return the folder of the run's verified bundle; a missing one is built from the checkpoint. Ray is not needed.

    Raises:
        ConfigError: The bundle was built with another `decoding` than the configuration asks for.
        CheckpointError: The bundle is damaged, has the settings of another version, was built from another checkpoint
            than the run has now, or cannot be built.
    """
    if not (config.bundle_folder / MANIFEST_NAME).is_file():
        logger.info("no bundle at %s yet; building it from the checkpoint", config.bundle_folder)
        run_bundle(config)
    manifest = open_artifact(config.bundle_folder, "bundle")
    # a replica would raise the same error, but only into its own log file
    settings = load_settings(config.bundle_folder)
    require(
        settings.decoding == config.decoding,
        f"{config.bundle_folder} was built with {settings.decoding}, and the run now asks for {config.decoding}; restore "
        f"these settings, or {REBUILD}",
    )
    check_scoring(config.bundle_folder, settings.decoding)
    _check_checkpoint(config, manifest)
    if "compared_users" not in manifest.counts:
        logger.warning(
            "an earlier version built %s and may have rounded its weights; %s", config.bundle_folder, REBUILD
        )
    return config.bundle_folder


def _check_checkpoint(config: RunConfig, bundle: Manifest) -> None:
    """Raise if the run has been trained again since its bundle was built."""
    built_from = bundle.parents.get("checkpoint")
    if built_from is None or not (config.checkpoint_folder / MANIFEST_NAME).is_file():
        return
    if read_manifest(config.checkpoint_folder, "checkpoint").digest != built_from:
        raise CheckpointError(
            f"{config.bundle_folder} was built from another checkpoint than {config.checkpoint_folder} is now; {REBUILD}"
        )


def wait_until_healthy(url: str, timeout_s: float = START_TIMEOUT_S) -> dict[str, Any]:
    """Poll `/healthz` and return its answer as soon as the status is 200.

    Raises:
        RecsysError: There is no such answer within `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            response = httpx.get(f"{url}/healthz", timeout=POLL_INTERVAL_S * 40)
            if response.status_code == httpx.codes.OK:
                return response.json()
            reason = f"it answered {response.status_code}"
        except httpx.HTTPError as error:
            reason = f"{type(error).__name__}: {error}"
        if time.monotonic() > deadline:
            raise RecsysError(
                f"{url}/healthz was not healthy within {timeout_s:g} s, {reason}; if its proxy is another one, set "
                "serve.host and serve.port to the address of Ray Serve on this cluster, or run `serve shutdown`"
            )
        time.sleep(POLL_INTERVAL_S)


def _prepare_serve(name: str, http_options: dict[str, Any]) -> None:
    """Start Ray Serve unless it runs on the cluster; delete what a failed start of this application has left."""
    running = read_running_serve()
    if running is None:
        check_proxy(http_options["host"], os.environ)
        check_port(http_options["host"], http_options["port"])
        serve.start(http_options=http_options, logging_config=QUIET)
        return
    logger.info("Ray Serve already runs on this cluster; its proxy is used")
    if name in running.stopped:
        logger.warning("the application %s is there from a start that failed; it is deleted first", name)
        serve.delete(name)


def _deploy(application: Mapping[str, Any]) -> None:
    """Hand the application over to Ray Serve, and do not wait for its replicas."""
    target = serve.RunTarget(
        target=build_app(application["args"]),
        name=application["name"],
        route_prefix=application["route_prefix"],
        logging_config=QUIET,
    )
    try:
        serve.run_many([target], wait_for_applications_running=False)
    except (RuntimeError, RayServeException, RayTaskError) as error:
        raise RecsysError(f"the endpoint did not start: {error}") from error


def _wait_until_running(name: str, timeout_s: float) -> None:
    """Wait until all deployments have their replicas.

    Raises:
        RecsysError: A replica cannot be made, the application is deleted, or it takes longer than `timeout_s`.
    """
    started = logged = time.monotonic()
    while True:
        application = serve.status().applications.get(name)
        if application is None:
            raise RecsysError(f"the endpoint did not start: its application {name!r} was deleted meanwhile")
        if application.status == ApplicationStatus.RUNNING:
            return
        if application.status == ApplicationStatus.DEPLOY_FAILED:
            raise RecsysError(f"the endpoint did not start: {application.message}")
        now = time.monotonic()
        if now - started > timeout_s:
            raise RecsysError(
                f"the endpoint did not start within serve.start_timeout_s {timeout_s:g}: {_reason(application)}"
            )
        if now - logged > LOG_INTERVAL_S:
            logger.info("waiting for the endpoint: %s", _reason(application))
            logged = now
        time.sleep(POLL_INTERVAL_S)


def _reason(application: ApplicationStatusOverview) -> str:
    """Return what the deployments wait for, and what is free."""
    total, free = ray.cluster_resources(), ray.available_resources()
    room = ", ".join(
        f"{free.get(name, 0):g} of {total[name]:g} {name} are free" for name in ("CPU", "GPU") if name in total
    )
    messages = [f"{name}: {each.message}" for name, each in application.deployments.items() if each.message]
    return "; ".join([*messages, room])
