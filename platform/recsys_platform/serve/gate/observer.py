"""Observer: gives each request an id, logs and counts it, and turns whatever fails into a 500 without a stack trace."""

import asyncio
import logging
import re
import uuid
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recsys_platform.serve.gate.answers import REASON, Reason, set_reason
from recsys_platform.serve.gate.authorization import KEY_NAME
from recsys_platform.serve.gate.notes import RequestNotes, begin_notes
from recsys_platform.serve.gate.request_log import RequestLog
from recsys_platform.serve.gate.routes import Routes
from recsys_platform.serve.metrics import IN_FLIGHT, REFUSALS, REQUEST_SECONDS, Meter

logger = logging.getLogger(__name__)

ID_HEADER = "X-Request-Id"
PLAIN_ID = re.compile(r"[A-Za-z0-9._:=+/-]{1,128}", re.ASCII)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD = "OTHER"
CLIENT_GONE = 499
"""Status in log and metrics of a request whose client did not wait; it is not sent."""
STATUS_TO_REASON: dict[int, Reason] = {422: "invalid", 429: "queue", 503: "unavailable"}
"""Reasons of refusals by the API itself."""
MAX_LOGGED_BODY = 10_000
"""Characters of a body in the log."""


class Observer:
    """The outermost ASGI middleware; it sees every request and every answer."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        routes: Routes,
        meter: Meter,
        log: RequestLog | None,
        log_bodies: bool,
        is_behind_serve: bool,
    ) -> None:
        """Take what is shared by all requests.

        Args:
            app: The next middleware.
            routes: Templates of paths.
            meter: Takes the metrics.
            log: The log of requests, or None.
            log_bodies: Whether the log holds the bodies of requests.
            is_behind_serve: Whether Ray Serve adds the id that it passed on to the answer.
        """
        self._app = app
        self._routes = routes
        self._meter = meter
        self._log = log
        self._log_bodies = log_bodies
        self._is_behind_serve = is_behind_serve
        self._num_in_flight = 0
        # from the start: a missing gauge means that the endpoint is gone
        self._count_in_flight(0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request and write down what became of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        notes = begin_notes()
        given = _given_id(scope)
        request_id = given or uuid.uuid4().hex
        answer = _Answer(send, request_id, adds_id=not (self._is_behind_serve and given))
        self._count_in_flight(1)
        try:
            await self._answer(scope, receive, answer, request_id)
        except asyncio.CancelledError:
            set_reason(scope, "client_gone")
            raise
        finally:
            self._count_in_flight(-1)
            self._write_down(scope, notes, request_id, answer.status)

    async def _answer(self, scope: Scope, receive: Receive, answer: "_Answer", request_id: str) -> None:
        try:
            await self._app(scope, receive, answer)
        except Exception:
            logger.exception("request %s failed", request_id)
            set_reason(scope, "error")
            if answer.status is None:
                detail = f"the endpoint failed; its log has the reason under the request id {request_id}"
                await JSONResponse({"detail": detail, "request_id": request_id}, 500)(scope, receive, answer)

    def _count_in_flight(self, change: int) -> None:
        self._num_in_flight += change
        self._meter.record(IN_FLIGHT, self._num_in_flight)

    def _write_down(self, scope: Scope, notes: RequestNotes, request_id: str, status: int | None) -> None:
        status = CLIENT_GONE if status is None else status
        method = scope["method"] if scope["method"] in METHODS else OTHER_METHOD
        path = self._routes.template_of(scope)
        seconds = notes.clock() - notes.started
        self._meter.record(REQUEST_SECONDS, seconds, path=path, method=method, status=str(status))
        reason = scope.get(REASON, STATUS_TO_REASON.get(status))
        if reason is not None:
            self._meter.record(REFUSALS, 1, reason=reason)
        if self._log is not None:
            line = {
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "request_id": request_id,
                "method": method,
                "path": path,
                "status": status,
                "reason": reason,
                "ms": _milliseconds(seconds),
                **_phases_of(notes, seconds),
                "key": scope.get(KEY_NAME),
                "model": notes.model_digest or None,
                "catalog_version": notes.catalog_version,
                "body_bytes": len(notes.body),
            }
            if self._log_bodies:
                line["body"] = notes.body.decode("utf-8", "replace")[:MAX_LOGGED_BODY]
            self._log.write(line)


class _Answer:
    """An ASGI send that keeps the status and adds the id of the request."""

    def __init__(self, send: Send, request_id: str, *, adds_id: bool) -> None:
        self._send = send
        self._request_id = request_id
        self._adds_id = adds_id
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self._adds_id:
                _add_header(message, ID_HEADER, self._request_id)
        await self._send(message)


def _given_id(scope: Scope) -> str | None:
    """Return the id that the request names, if it is a plain token; several are as none."""
    name = ID_HEADER.lower().encode()
    values = [value.decode("latin-1") for header, value in scope["headers"] if header == name]
    return values[0] if len(values) == 1 and PLAIN_ID.fullmatch(values[0]) else None


def _add_header(message: MutableMapping[str, Any], name: str, value: str) -> None:
    message["headers"] = [*message.get("headers", []), (name.lower().encode(), value.encode())]


def _phases_of(notes: RequestNotes, seconds: float) -> dict[str, float]:
    """Return how long the body took to arrive and the API to answer; nothing for a request that was refused before."""
    if notes.body_read is None:
        return {}
    reading = notes.body_read - notes.started
    return {"body_ms": _milliseconds(reading), "answer_ms": _milliseconds(seconds - reading)}


def _milliseconds(seconds: float) -> float:
    return round(1000 * seconds, 2)
