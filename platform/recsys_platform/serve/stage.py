"""Start and stop the endpoint of a run on the Ray cluster of the caller."""

import errno
import logging
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from ray import serve

from recsys_model.bundle import load_settings
from recsys_model.errors import ConfigError, RecsysError
from recsys_platform.artifacts import MANIFEST_NAME, open_artifact
from recsys_platform.config.run import RunConfig
from recsys_platform.serve.app import APP_NAME, build_app, serve_config
from recsys_platform.serve.bundling import run_bundle

logger = logging.getLogger(__name__)

START_TIMEOUT_S = 120.0
POLL_INTERVAL_S = 0.5
PORT_PATIENCE_S = 5.0
"""For so long, the proxy of an endpoint that was just stopped may hold its port."""
HAPROXY_SWITCH = "RAY_SERVE_ENABLE_HA_PROXY"
HAPROXY_PORTS = {"RAY_SERVE_HAPROXY_STATS_PORT": "8404", "RAY_SERVE_HAPROXY_METRICS_PORT": "9101"}
"""Environment variable -> default of Ray."""
OPEN_HOSTS = ("0.0.0.0", "::")
QUIET = {"log_level": "WARNING"}
"""Without it, every process of Ray Serve tells the terminal about every step and request."""


def start_endpoint(config: RunConfig) -> str:
    """Serve the run's bundle, made first where it is missing, and return the URL once it answers.

    Ray must be initialised. The endpoint lives until `stop_endpoint` or the end of the cluster.

    Raises:
        ConfigError: the address cannot be bound.
        CheckpointError: there is neither a bundle nor a checkpoint to make it from, or one is damaged.
        RecsysError: the application does not come up.
    """
    bundle = ensure_bundle(config)
    document = serve_config(bundle, config.serve)
    _start_proxy(document["http_options"])
    (application,) = document["applications"]
    try:
        serve.run(
            build_app(application["args"]),
            name=APP_NAME,
            route_prefix=application["route_prefix"],
            logging_config=QUIET,
        )
    except RuntimeError as error:
        raise RecsysError(f"the endpoint did not come up: {error}") from error
    url = endpoint_url(config.serve.host, config.serve.port)
    wait_until_healthy(url)
    return url


def stop_endpoint() -> None:
    """Take the endpoint down, and Ray Serve with it unless other applications use it."""
    if APP_NAME in serve.status().applications:
        serve.delete(APP_NAME)
    if not serve.status().applications:
        serve.shutdown()


def ensure_bundle(config: RunConfig) -> Path:
    """Return the run's bundle, checked; a missing one is made from the run's checkpoint.

    Raises:
        CheckpointError: it is damaged, its settings are those of another version, or it cannot be made.
    """
    if not (config.bundle_folder / MANIFEST_NAME).is_file():
        logger.info("no bundle at %s yet; making it from the checkpoint", config.bundle_folder)
        run_bundle(config)
    open_artifact(config.bundle_folder, "bundle")
    # a replica would find out as well, but what it says stands in its log alone
    load_settings(config.bundle_folder)
    return config.bundle_folder


def endpoint_url(host: str, port: int) -> str:
    """Return the URL under which this machine reaches the endpoint.

    Example:
        >>> endpoint_url("0.0.0.0", 8000)
        'http://127.0.0.1:8000'
    """
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def wait_until_healthy(url: str, timeout_s: float = START_TIMEOUT_S) -> dict[str, Any]:
    """Return what `/healthz` says as soon as it answers 200.

    Raises:
        RecsysError: it does not within `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            response = httpx.get(f"{url}/healthz", timeout=POLL_INTERVAL_S * 40)
            if response.status_code == httpx.codes.OK:
                return response.json()
            last = f"it answered {response.status_code}"
        except httpx.HTTPError as error:
            last = f"{type(error).__name__}: {error}"
        if time.monotonic() > deadline:
            raise RecsysError(
                f"{url}/healthz did not answer within {timeout_s:g} s, {last}; if Ray Serve ran on this cluster "
                "before, its proxy keeps its old address: run `serve shutdown` or set serve.host and serve.port to it"
            )
        time.sleep(POLL_INTERVAL_S)


def _start_proxy(http_options: dict[str, Any]) -> None:
    """Start Serve with this address, unless the cluster has a Serve already."""
    if serve.status().proxies:
        logger.info("Ray Serve runs on this cluster already; its proxy is used as it is")
        return
    check_proxy(http_options["host"], os.environ)
    check_port(http_options["host"], http_options["port"])
    serve.start(http_options=http_options, logging_config=QUIET)


def check_proxy(host: str, environment: Mapping[str, str]) -> None:
    """Raise unless the proxy that the environment asks for keeps to `host`.

    In HAProxy mode Ray 2.60 binds the endpoint to `host`, but HAProxy's page of statistics, which names routes and
    replicas, and its metrics to every interface, and has no setting for it.

    Raises:
        ConfigError: HAProxy mode is asked for with an address that is not open to the network.
    """
    if environment.get(HAPROXY_SWITCH) != "1" or host in OPEN_HOSTS:
        return
    ports = " and ".join(environment.get(name, default) for name, default in HAPROXY_PORTS.items())
    raise ConfigError(
        f"{HAPROXY_SWITCH}=1 would open HAProxy's ports {ports} on every interface, but serve.host is {host}; unset it, "
        "or ask for an endpoint that is open to the network with --set serve.host=0.0.0.0, behind a firewall"
    )


def check_port(host: str, port: int, patience_s: float = PORT_PATIENCE_S) -> None:
    """Raise unless this machine can listen on the address, or soon can.

    Raises:
        ConfigError: the port is taken, or the host is none of this machine's.
    """
    deadline = time.monotonic() + patience_s
    while (error := _why_not_bound(host, port)) is not None:
        if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
            raise ConfigError(
                f"serve.host {host} and serve.port {port} cannot be bound: {error.strerror}; stop the program that "
                "uses the port, or choose another one with --set serve.port=8001"
            ) from error
        time.sleep(0.2)


def _why_not_bound(host: str, port: int) -> OSError | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error
    return None
