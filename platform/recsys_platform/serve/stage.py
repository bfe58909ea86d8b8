"""Start and stop the HTTP endpoint of a run on the current Ray cluster."""

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
"""How long to wait for a port that the proxy of a stopped endpoint still holds."""
HAPROXY_SWITCH = "RAY_SERVE_ENABLE_HA_PROXY"
HAPROXY_PORTS = {"RAY_SERVE_HAPROXY_STATS_PORT": "8404", "RAY_SERVE_HAPROXY_METRICS_PORT": "9101"}
"""Maps an environment variable to Ray's default port."""
OPEN_HOSTS = ("0.0.0.0", "::")
QUIET = {"log_level": "WARNING"}
"""At Ray Serve's default level, each process logs every step and request to the terminal."""


def start_endpoint(config: RunConfig) -> str:
    """Serve the run's bundle and return the URL as soon as it is healthy; a missing bundle is built first.

    Ray must be initialised. The endpoint runs until `stop_endpoint` or the end of the cluster.

    Raises:
        ConfigError: The address cannot be bound.
        CheckpointError: Bundle and checkpoint are missing, or one is damaged.
        RecsysError: The application does not become healthy.
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
        raise RecsysError(f"the endpoint did not start: {error}") from error
    url = endpoint_url(config.serve.host, config.serve.port)
    wait_until_healthy(url)
    return url


def stop_endpoint() -> None:
    """Delete the application; shut Ray Serve down unless it has other applications."""
    if APP_NAME in serve.status().applications:
        serve.delete(APP_NAME)
    if not serve.status().applications:
        serve.shutdown()


def ensure_bundle(config: RunConfig) -> Path:
    """Return the folder of the run's verified bundle; a missing one is built from the checkpoint.

    Raises:
        CheckpointError: The bundle is damaged, has the settings of another version, or cannot be built.
    """
    if not (config.bundle_folder / MANIFEST_NAME).is_file():
        logger.info("no bundle at %s yet; building it from the checkpoint", config.bundle_folder)
        run_bundle(config)
    open_artifact(config.bundle_folder, "bundle")
    # a replica would raise the same error, but only into its own log file
    load_settings(config.bundle_folder)
    return config.bundle_folder


def endpoint_url(host: str, port: int) -> str:
    """Return the URL by which this machine reaches the endpoint.

    Example:
        >>> endpoint_url("0.0.0.0", 8000)
        'http://127.0.0.1:8000'
    """
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


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
                f"{url}/healthz was not healthy within {timeout_s:g} s, {reason}; if Ray Serve already ran on this "
                "cluster, its proxy keeps its old address: run `serve shutdown`, or set serve.host and serve.port to it"
            )
        time.sleep(POLL_INTERVAL_S)


def _start_proxy(http_options: dict[str, Any]) -> None:
    """Start Ray Serve with this address, unless it already runs on the cluster."""
    if serve.status().proxies:
        logger.info("Ray Serve already runs on this cluster; its proxy and its address are used")
        return
    check_proxy(http_options["host"], os.environ)
    check_port(http_options["host"], http_options["port"])
    serve.start(http_options=http_options, logging_config=QUIET)


def check_proxy(host: str, environment: Mapping[str, str]) -> None:
    """Refuse HAProxy mode if it would listen on more interfaces than `host`.

    Ray 2.60 binds the endpoint to `host`. However, it binds HAProxy's statistics, which name routes and replicas, and
    its metrics to every interface. Ray has no setting for this.

    Raises:
        ConfigError: The environment enables HAProxy mode, but `host` is not open to the network.
    """
    if environment.get(HAPROXY_SWITCH) != "1" or host in OPEN_HOSTS:
        return
    ports = " and ".join(environment.get(name, default) for name, default in HAPROXY_PORTS.items())
    raise ConfigError(
        f"{HAPROXY_SWITCH}=1 would open HAProxy's ports {ports} on every interface, but serve.host is {host}; unset it, "
        "or open the endpoint to the network, behind a firewall, with --set serve.host=0.0.0.0"
    )


def check_port(host: str, port: int, patience_s: float = PORT_PATIENCE_S) -> None:
    """Check that this machine can listen on the address; wait up to `patience_s` seconds for a port in use.

    Raises:
        ConfigError: The port stays in use, or the host is not an address of this machine.
    """
    deadline = time.monotonic() + patience_s
    while (error := _bind_error(host, port)) is not None:
        if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
            raise ConfigError(
                f"serve.host {host} and serve.port {port} cannot be bound: {error.strerror}; stop the program that "
                "uses the port, or choose another one with --set serve.port=8001"
            ) from error
        time.sleep(0.2)


def _bind_error(host: str, port: int) -> OSError | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error
    return None
