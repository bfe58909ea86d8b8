"""KeyGuard: lets a request through if its key allows it.

An answer never says what was wrong with a key: whether it is missing, misspelt, unknown or revoked looks the same.
"""

import math

from starlette.types import ASGIApp, Receive, Scope, Send

from recsys_platform.serve.gate.answers import refuse
from recsys_platform.serve.gate.key_file import KeySource
from recsys_platform.serve.gate.keys import ApiKey, find_key
from recsys_platform.serve.gate.rate_limit import RateLimiter
from recsys_platform.serve.gate.routes import Routes, scope_needed

KEY_NAME = "recsys.key"
"""Key of an ASGI scope under which the name of the request's API key is kept."""
UNAUTHORIZED = "a valid key is needed; send it as the header `Authorization: Bearer KEY`"
FORBIDDEN = "this key does not allow this request"


class KeyGuard:
    """ASGI middleware that checks keys, their scopes and their rate limits."""

    def __init__(
        self, app: ASGIApp, *, keys: KeySource, routes: Routes, limiter: RateLimiter, protect_docs: bool
    ) -> None:
        self._app = app
        self._keys = keys
        self._routes = routes
        self._limiter = limiter
        self._protect_docs = protect_docs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it 401, 403 or 429."""
        if scope["type"] == "websocket":
            # the API has none; one that is added must first get a rule of its own here
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        template = self._routes.template_of(scope)
        needed = scope_needed(scope["method"], template, protect_docs=self._protect_docs)
        if needed is None:
            await self._app(scope, receive, send)
            return
        key = self._key_of(scope)
        if key is None:
            challenge = {"WWW-Authenticate": "Bearer"}
            await refuse(
                scope, receive, send, status=401, reason="unauthorized", detail=UNAUTHORIZED, headers=challenge
            )
            return
        scope[KEY_NAME] = key.name
        if not key.allows(needed):
            await refuse(scope, receive, send, status=403, reason="forbidden", detail=FORBIDDEN)
        elif wait_s := self._limiter.wait_s(key):
            await _refuse_too_many(scope, receive, send, key, wait_s)
        else:
            await self._app(scope, receive, send)

    def _key_of(self, scope: Scope) -> ApiKey | None:
        """Return the valid key of a request; several `Authorization` headers are as none."""
        values = [value for name, value in scope["headers"] if name == b"authorization"]
        kind, _, secret = values[0].decode("latin-1").partition(" ") if len(values) == 1 else ("", "", "")
        if kind.lower() != "bearer":
            return None
        return find_key(secret.strip(), self._keys.current())


async def _refuse_too_many(scope: Scope, receive: Receive, send: Send, key: ApiKey, wait_s: float) -> None:
    detail = f"this key allows {key.rate_per_s:g} requests a second, {key.capacity} at once; retry later"
    headers = {"Retry-After": str(math.ceil(wait_s))}
    await refuse(scope, receive, send, status=429, reason="rate", detail=detail, headers=headers)
