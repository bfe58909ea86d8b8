"""Ports for servers of tests."""

import random
import socket

FIRST, LAST = 20_000, 32_000
"""Above those that Ray gives to its workers, below those that the system gives to clients, which take them at any time."""


def free_port() -> int:
    """Return a port that nothing uses."""
    while True:
        port = random.randint(FIRST, LAST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
