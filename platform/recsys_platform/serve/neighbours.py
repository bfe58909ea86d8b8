"""Other applications of Ray Serve on the same cluster, with which an endpoint shares the proxy and its address."""

from dataclasses import dataclass

from ray import serve
from ray.serve.schema import ApplicationStatus, ServeInstanceDetails

from recsys_model.config import require
from recsys_platform.config.serve import ServeConfig

STOPPED = (ApplicationStatus.DEPLOY_FAILED, ApplicationStatus.DELETING)
"""Statuses in which an application answers nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningApplication:
    """One application."""

    name: str
    """Its name in Ray Serve."""
    route_prefix: str | None
    """The path below which it answers; None if it has no HTTP, or Ray does not say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningServe:
    """Ray Serve as it runs on a cluster."""

    address: tuple[str, int] | None
    """Host and port of its proxies; None if Ray does not say."""
    applications: tuple[RunningApplication, ...] = ()
    """Applications that answer, or will soon."""
    stopped: tuple[str, ...] = ()
    """Names of applications that answer nothing, for example after a failed start."""


def read_running_serve() -> RunningServe | None:
    """Return what Ray Serve runs on the cluster; None where it does not run.

    Ray 2.60 has no public function for addresses and routes. If a later version has moved this one, `serve.status` gives
    the names alone, and Ray itself refuses a route that is taken.
    """
    status = serve.status()
    if not status.proxies and not status.applications:
        return None
    stopped = tuple(name for name, each in status.applications.items() if each.status in STOPPED)
    running = [name for name in status.applications if name not in stopped]
    details = _read_details()
    if details is None:
        applications = tuple(RunningApplication(name=name, route_prefix=None) for name in running)
        return RunningServe(address=None, applications=applications, stopped=stopped)
    routes = {name: each.route_prefix for name, each in details.applications.items()}
    applications = tuple(RunningApplication(name=name, route_prefix=routes.get(name)) for name in running)
    options = details.http_options
    address = None if options is None else (options.host, options.port)
    return RunningServe(address=address, applications=applications, stopped=stopped)


def check_place(config: ServeConfig, name: str, running: RunningServe) -> None:
    """Raise unless the application `name` can be added to those that run.

    Raises:
        ConfigError: Its name or its route is taken, or the proxies of the cluster have another address.
    """
    if running.address is not None:
        host, port = running.address
        require(
            (config.host, config.port) == (host, port),
            f"Ray Serve already runs on this cluster at {host}:{port}, and serve.host and serve.port ask for "
            f"{config.host}:{config.port}; a cluster has one address: set them to {host} and {port}, or unset "
            "RAY_ADDRESS to start a Ray of its own",
        )
    for other in running.applications:
        require(
            other.name != name,
            f"an application {name!r} runs on this cluster already; stop it first, or choose another name with "
            "--set serve.name=...",
        )
        require(
            other.route_prefix != config.route_prefix,
            f"the application {other.name!r} of this cluster answers at {config.route_prefix} already; choose a path of "
            f"its own with --set serve.route_prefix=/{name}",
        )


def _read_details() -> ServeInstanceDetails | None:
    try:
        from ray.serve.context import _get_global_client

        client = _get_global_client(raise_if_no_controller_running=False)
        return None if client is None else ServeInstanceDetails(**client.get_serve_details())
    except (ImportError, AttributeError):
        return None
