"""Answers that the gate gives itself, in the API's own form: JSON with `detail`."""

from collections.abc import Mapping
from typing import Literal

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

Reason = Literal[
    "unauthorized",
    "forbidden",
    "rate",
    "timeout_header",
    "body",
    "slow_body",
    "deadline",
    "client_gone",
    "error",
    "invalid",
    "queue",
    "unavailable",
]
"""Why a request was refused, given up or failed, in logs and metrics."""
REASON = "recsys.refusal"
"""Key of an ASGI scope under which the reason of a refusal is kept for logs and metrics."""


def set_reason(scope: Scope, reason: Reason) -> None:
    """Keep the word by which logs and metrics name why a request was not answered."""
    scope[REASON] = reason


async def refuse(
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    status: int,
    reason: Reason,
    detail: str,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Answer a request in place of the API.

    Args:
        scope: ASGI scope of the request.
        receive: Its ASGI receive.
        send: Its ASGI send.
        status: HTTP status.
        reason: A word for logs and metrics.
        detail: What the client reads: the rule, and the way out.
        headers: Further headers.
    """
    set_reason(scope, reason)
    await JSONResponse({"detail": detail}, status_code=status, headers=headers)(scope, receive, send)
