"""RequestLimits: how large a request may be, how long it may take, and what ends it before its answer."""

import asyncio
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recsys_platform.serve.gate.answers import refuse, set_reason
from recsys_platform.serve.gate.body import BodyTooLargeError, ClientGoneError, Replay, declared_bytes, read_body
from recsys_platform.serve.gate.notes import current_notes

TIMEOUT_HEADER = "X-Request-Timeout-Ms"
MB = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Deadline:
    """How long a request may take, and who set it."""

    seconds: float
    source: str
    """`1500 ms of X-Request-Timeout-Ms`, or the setting."""


class RequestLimits:
    """ASGI middleware with the limits of size and time.

    The API gets the whole body at once. It is cancelled at the deadline and when the client closes the connection, so a
    request that nobody waits for leaves the queue.
    """

    def __init__(self, app: ASGIApp, *, max_body_mb: int, request_timeout_s: float) -> None:
        self._app = app
        self._max_body_mb = max_body_mb
        self._request_timeout_s = request_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it 400, 413 or 504."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        deadline = self._deadline_of(scope)
        if deadline is None:
            most = round(1000 * self._request_timeout_s)
            detail = f"{TIMEOUT_HEADER} must be a whole number of milliseconds in 1..{most} (serve.request_timeout_s)"
            await refuse(scope, receive, send, status=400, reason="timeout_header", detail=detail)
        elif declared_bytes(scope) > self._max_body_mb * MB:
            await self._refuse_body(scope, receive, send)
        else:
            await self._answer_in_time(scope, receive, send, deadline)

    async def _answer_in_time(self, scope: Scope, receive: Receive, send: Send, deadline: Deadline) -> None:
        sending = _Sending(send)
        replay = None
        timer = asyncio.timeout(deadline.seconds)
        try:
            async with timer:
                replay = Replay(await read_body(receive, self._max_body_mb * MB))
                current_notes().note_body(replay.body)
                await self._answer(scope, receive, sending, replay)
        except BodyTooLargeError:
            await self._refuse_body(scope, receive, send)
        except ClientGoneError:
            set_reason(scope, "client_gone")
        except TimeoutError:
            # one of the API itself is not the deadline's
            if not timer.expired():
                raise
            await _refuse_late(scope, receive, sending, deadline, has_body=replay is not None)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, replay: Replay) -> None:
        """Let the API answer; cancel it if the client closes the connection first."""
        answering = asyncio.ensure_future(self._app(scope, replay, send))
        watching = asyncio.ensure_future(replay.watch(receive))
        try:
            await asyncio.wait((answering, watching), return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                raise ClientGoneError
            answering.result()
        finally:
            answering.cancel()
            watching.cancel()
            await asyncio.gather(answering, watching, return_exceptions=True)

    async def _refuse_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        detail = f"the body must have at most {self._max_body_mb} MB (serve.max_body_mb); send fewer items at once"
        await refuse(scope, receive, send, status=413, reason="body", detail=detail)

    def _deadline_of(self, scope: Scope) -> Deadline | None:
        """Return the deadline of a request, or None if its header is not valid."""
        name = TIMEOUT_HEADER.lower().encode()
        values = [value for header, value in scope["headers"] if header == name]
        if not values:
            return Deadline(
                seconds=self._request_timeout_s, source=f"{self._request_timeout_s:g} s of serve.request_timeout_s"
            )
        text = values[0].decode("latin-1").strip()
        is_number = len(values) == 1 and text.isascii() and text.isdigit() and len(text) < 10
        if not is_number or not 1 <= int(text) <= 1000 * self._request_timeout_s:
            return None
        return Deadline(seconds=int(text) / 1000, source=f"{int(text)} ms of {TIMEOUT_HEADER}")


class _Sending:
    """An ASGI send that knows whether the answer has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_begun = False

    async def __call__(self, message: Message) -> None:
        self.has_begun = True
        await self._send(message)


async def _refuse_late(scope: Scope, receive: Receive, send: _Sending, deadline: Deadline, *, has_body: bool) -> None:
    """Answer a request at its deadline; an answer that has begun is cut off, since its status is sent."""
    if send.has_begun:
        set_reason(scope, "deadline")
    elif has_body:
        detail = f"no answer within {deadline.source}: the request still waited or was being answered, and was given up"
        await refuse(scope, receive, send, status=504, reason="deadline", detail=detail)
    else:
        detail = f"no answer within {deadline.source}: the body of the request had not arrived"
        # not 408: behind a proxy, its hop may have taken the time, and clients send a 408 again by themselves
        await refuse(scope, receive, send, status=504, reason="slow_body", detail=detail)
