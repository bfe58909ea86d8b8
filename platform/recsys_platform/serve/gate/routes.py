"""The routes of the API: the template of a path, and the scope that a request needs."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.routing import compile_path

from recsys_platform.serve.gate.keys import Scope

OTHER = "other"
"""Stands for every path that the API does not have: logs and metrics must not grow with what clients make up."""
HEALTH = frozenset({"/healthz", "/readyz"})
"""Open to all: a load balancer has no key."""
DOCS = frozenset({"/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json"})
"""Open unless `serve.protect_docs`."""
READING = frozenset(
    {"/v1/recommend", "/v1/recommend:batch", "/v1/rank", "/v1/rate", "/v1/explain", "/v1/summarize", "/v1/items:search"}
)
"""Paths whose POST changes nothing."""
EDITING = frozenset({"/v1/items"})
"""Paths whose other methods change the catalogue."""
READING_METHODS = frozenset({"GET", "HEAD"})


class Routes:
    """The path templates of an API, by which requests are judged, logged and counted."""

    def __init__(self, templates: Iterable[str]) -> None:
        every = sorted({*templates, *HEALTH, *DOCS})
        self._plain = frozenset(each for each in every if "{" not in each)
        self._patterns: list[tuple[re.Pattern[str], str]] = [
            (compile_path(each)[0], each) for each in every if "{" in each
        ]

    def template_of(self, scope: Mapping[str, Any]) -> str:
        """Return the template that the path of an ASGI scope matches, or `OTHER`."""
        path = path_of(scope)
        if path in self._plain:
            return path
        return next((template for pattern, template in self._patterns if pattern.match(path)), OTHER)


def path_of(scope: Mapping[str, Any]) -> str:
    """Return the path below the prefix where the API is mounted, as Starlette's router sees it.

    Example:
        >>> path_of({"path": "/shop/v1/items", "root_path": "/shop"}), path_of({"path": "/shopping", "root_path": "/shop"})
        ('/v1/items', '/shopping')
    """
    path, root = scope["path"], scope.get("root_path", "")
    if not root or (path != root and not path.startswith(f"{root}/")):
        return path
    return path[len(root) :]


def scope_needed(method: str, template: str, *, protect_docs: bool) -> Scope | None:
    """Return the scope that a request needs, or None where no key is needed; what is not listed needs `admin`.

    Example:
        >>> scope_needed("POST", "/v1/recommend", protect_docs=False), scope_needed("PUT", "/v1/items", protect_docs=False)
        ('read', 'edit')
    """
    if method in READING_METHODS:
        is_open = template in HEALTH or (template in DOCS and not protect_docs)
        return None if is_open else "read"
    if method == "POST" and template in READING:
        return "read"
    return "edit" if template in EDITING else "admin"
