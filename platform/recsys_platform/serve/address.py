"""The address of an endpoint: its URL, and checks before anything is started."""

import errno
import ipaddress
import socket
import time
from collections.abc import Mapping

from recsys_model.errors import ConfigError

PORT_PATIENCE_S = 5.0
"""How long to wait for a port that the proxy of a stopped endpoint still holds."""
HAPROXY_SWITCH = "RAY_SERVE_ENABLE_HA_PROXY"
HAPROXY_PORTS = {"RAY_SERVE_HAPROXY_STATS_PORT": "8404", "RAY_SERVE_HAPROXY_METRICS_PORT": "9101"}
"""Maps an environment variable to Ray's default port."""
OPEN_HOSTS = ("0.0.0.0", "::")


def endpoint_url(host: str, port: int, route_prefix: str = "/") -> str:
    """Return the URL by which this machine reaches the endpoint.

    Example:
        >>> endpoint_url("0.0.0.0", 8000), endpoint_url("::", 8000, "/shop")
        ('http://127.0.0.1:8000', 'http://[::1]:8000/shop')
    """
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    bracketed = f"[{reachable}]" if ":" in reachable else reachable
    return f"http://{bracketed}:{port}{route_prefix.rstrip('/')}"


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an endpoint that binds `host`.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("10.0.0.7")
        (True, True, False, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


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
        "or open the endpoint to the network, with keys and behind a firewall, with --set serve.host=0.0.0.0"
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
