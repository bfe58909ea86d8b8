"""An endpoint that is meant for this machine alone does not open ports to the network by way of its proxy."""

import pytest

from recsys_model.errors import ConfigError
from recsys_platform.serve.address import HAPROXY_PORTS, HAPROXY_SWITCH, check_proxy


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "10.0.0.7"])
def test_haproxy_mode_is_refused_where_the_address_is_not_open_to_all(host: str):
    with pytest.raises(ConfigError, match="8404 and 9999 on every interface.*serve.host=0.0.0.0"):  # noqa: RUF043
        check_proxy(host, {HAPROXY_SWITCH: "1", "RAY_SERVE_HAPROXY_METRICS_PORT": "9999"})


@pytest.mark.parametrize(("host", "switch"), [("0.0.0.0", "1"), ("::", "1"), ("127.0.0.1", "0"), ("127.0.0.1", None)])
def test_other_proxies_and_open_addresses_are_left_alone(host: str, switch: str | None):
    check_proxy(host, {} if switch is None else {HAPROXY_SWITCH: switch})


def test_ray_still_has_these_switches_and_these_ports():
    from ray.serve._private import constants, haproxy_templates

    assert hasattr(constants, HAPROXY_SWITCH)
    assert [getattr(constants, name) for name in HAPROXY_PORTS] == [int(port) for port in HAPROXY_PORTS.values()]
    lines = {line.strip() for line in haproxy_templates.HAPROXY_CONFIG_TEMPLATE.splitlines()}
    assert {"bind *:{{ config.stats_port }}", "bind :{{ config.metrics_port }}"} <= lines
