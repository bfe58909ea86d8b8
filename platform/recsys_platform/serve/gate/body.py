"""Read the body of a request within its limit, and hand it to the API again."""

import asyncio

from starlette.types import Message, Receive, Scope


class BodyTooLargeError(Exception):
    """The body has more bytes than the endpoint takes."""


class ClientGoneError(Exception):
    """The client closed the connection before it had its answer."""


def declared_bytes(scope: Scope) -> int:
    """Return the size that a request declares in `Content-Length`, or 0."""
    value = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    return int(value) if value.isdigit() else 0


async def read_body(receive: Receive, max_bytes: int) -> bytes:
    """Return the whole body.

    Raises:
        BodyTooLargeError: It has more than `max_bytes`; what follows is not read.
        ClientGoneError: The client closed the connection.
    """
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGoneError
        part = message.get("body", b"")
        size += len(part)
        if size > max_bytes:
            raise BodyTooLargeError
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


class Replay:
    """An ASGI receive that gives a body that was read before, and then waits for the end of the connection."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self._is_given = False
        self.gone = asyncio.Event()
        """Set when the client has closed the connection."""

    async def __call__(self) -> Message:
        """Return the body, and at the second call the disconnect as soon as it comes."""
        if not self._is_given:
            self._is_given = True
            return {"type": "http.request", "body": self.body, "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def watch(self, receive: Receive) -> None:
        """Return when the client closes the connection."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self.gone.set()
