"""The address of an endpoint is tried before anything is started."""

import socket
import threading

import pytest

from recsys_model.errors import ConfigError
from recsys_platform.serve.address import check_port
from tests.e2e.ports import free_port

HOST = "127.0.0.1"


def listening(port: int) -> socket.socket:
    listener = socket.socket()
    listener.bind((HOST, port))
    listener.listen()
    return listener


def test_a_port_that_is_let_go_of_soon_is_waited_for() -> None:
    port = free_port()
    listener = listening(port)
    threading.Timer(0.5, listener.close).start()
    check_port(HOST, port, patience_s=30.0)


def test_a_port_that_another_program_keeps_is_refused_with_what_to_do() -> None:
    port = free_port()
    with listening(port), pytest.raises(ConfigError, match=rf"port {port} cannot be bound.*--set serve.port"):
        check_port(HOST, port, patience_s=0.3)


def test_a_host_of_another_machine_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match=r"serve\.host 192\.0\.2\.1"):
        check_port("192.0.2.1", free_port(), patience_s=3600.0)
