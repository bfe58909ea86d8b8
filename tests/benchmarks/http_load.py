"""A small load generator for keep-alive HTTP/1.1 on asyncio streams; a heavy client would be the bottleneck on two cores."""

import asyncio
import json
import time
from typing import Any


def encode_request(host: str, method: str, path: str, payload: Any | None = None) -> bytes:
    body = b"" if payload is None else json.dumps(payload).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n"
    return (head + "Content-Type: application/json\r\n\r\n").encode() + body


class Connection:
    """One connection, one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, host: str, port: int) -> "Connection":
        return cls(*await asyncio.open_connection(host, port))

    async def send(self, request: bytes) -> tuple[int, bytes]:
        """Return status and body."""
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status, length = int(head.split(" ", 2)[1]), -1
        for line in head.split("\r\n"):
            if line.startswith("content-length:"):
                length = int(line.partition(":")[2])
        return status, await (self._reader.readexactly(length) if length >= 0 else self._chunks())

    async def _chunks(self) -> bytes:
        body = b""
        while size := int(await self._reader.readline(), 16):
            body += await self._reader.readexactly(size)
            await self._reader.readline()
        await self._reader.readline()
        return body

    def close(self) -> None:
        self._writer.close()


async def latencies(host: str, port: int, request: bytes, count: int, warm_up: int) -> list[float]:
    """Return the seconds of each of `count` requests, one after the other on one connection.

    Raises:
        RuntimeError: an answer is not 200.
    """
    connection = await Connection.open(host, port)
    latencies_s: list[float] = []
    for _ in range(warm_up + count):
        start = time.perf_counter()
        status, body = await connection.send(request)
        latencies_s.append(time.perf_counter() - start)
        if status != 200:
            raise RuntimeError(f"answered {status}: {body[:300]!r}")
    connection.close()
    return latencies_s[warm_up:]


async def requests_per_second(host: str, port: int, request: bytes, connections: int, duration_s: float) -> float:
    """Return how many requests per second come back with 200 on that many connections, after a second of warming up.

    Raises:
        RuntimeError: an answer is not 200.
    """
    begin = time.perf_counter() + 1.0
    end = begin + duration_s

    async def client() -> int:
        connection = await Connection.open(host, port)
        count = 0
        while (now := time.perf_counter()) < end:
            status, body = await connection.send(request)
            if status != 200:
                raise RuntimeError(f"answered {status}: {body[:300]!r}")
            count += now >= begin
        connection.close()
        return count

    return sum(await asyncio.gather(*(client() for _ in range(connections)))) / duration_s
