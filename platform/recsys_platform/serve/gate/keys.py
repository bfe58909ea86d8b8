"""API keys: who may send which requests, and how the key of a request is compared with them.

A key is 32 random bytes, so its SHA-256 is stored without salt or a slow hash: those protect passwords, which can be
guessed. 2**256 keys cannot, and a slow hash would cost every request the time that it costs an attacker.
"""

import hashlib
import hmac
import math
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from recsys_model.config import require

Scope = Literal["read", "edit", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "edit", "admin")
KEY_PREFIX = "recsys_"
"""Lets scanners of source code recognise a key that was committed."""
KEY_BYTES = 32
MAX_NAME = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiKey:
    """A key as it is stored: its digest and what it allows, never the key itself."""

    name: str
    """Name in logs and for `recsys keys revoke`; letters, digits, '.', '-' and '_'."""
    sha256: str
    """SHA-256 of the key, in hexadecimal."""
    scopes: tuple[Scope, ...]
    """`read` asks for recommendations and lists items, `edit` changes the catalogue, `admin` may do everything."""
    rate_per_s: float | None = None
    """Requests a second, on average; none: unlimited."""
    burst: int | None = None
    """Requests that may come at once; none: `rate_per_s`, rounded up."""
    created: str = ""
    """When the key was made, UTC."""

    def __post_init__(self) -> None:
        is_name = 0 < len(self.name) <= MAX_NAME and all(c.isascii() and (c.isalnum() or c in ".-_") for c in self.name)
        require(
            is_name,
            f"the name of a key must have 1 to {MAX_NAME} letters, digits, '.', '-' and '_', got {self.name!r}",
        )
        is_digest = len(self.sha256) == 64 and not set(self.sha256) - set("0123456789abcdef")
        require(
            is_digest, f"sha256 of the key {self.name} must be 64 hexadecimal digits; make it with `recsys keys create`"
        )
        require(len(self.scopes) > 0, f"scopes of the key {self.name} must name at least one of {', '.join(SCOPES)}")
        rate = self.rate_per_s
        require(
            rate is None or (math.isfinite(rate) and rate > 0.0),
            f"rate_per_s of the key {self.name} must be above 0, got {rate}; leave it out for no limit",
        )
        require(self.burst is None or rate is not None, f"burst of the key {self.name} needs a rate_per_s")
        require(
            self.burst is None or self.burst >= 1, f"burst of the key {self.name} must be at least 1, got {self.burst}"
        )

    @property
    def capacity(self) -> int:
        """Number of requests that may come at once."""
        return self.burst or math.ceil(self.rate_per_s or 1.0)

    def allows(self, scope: Scope) -> bool:
        """Return whether a request that needs `scope` may be sent with this key."""
        return scope in self.scopes or "admin" in self.scopes


def new_secret() -> str:
    """Return a new random key, as a client sends it."""
    return KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)


def digest_of(secret: str) -> str:
    """Return the digest under which a key is stored.

    Example:
        >>> digest_of("abc")[:16]
        'ba7816bf8f01cfea'
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def find_key(secret: str, keys: Iterable[ApiKey]) -> ApiKey | None:
    """Return the stored key of `secret`; compares with all of them, each in constant time."""
    digest = digest_of(secret)
    found = None
    for key in keys:
        if hmac.compare_digest(key.sha256, digest):
            found = key
    return found


def check_names(keys: Sequence[ApiKey], source: str) -> None:
    """Raise unless all names and all digests differ.

    Raises:
        ConfigError: Two keys share a name, or one key is there under two names.
    """
    for kind, values in (("name", [key.name for key in keys]), ("sha256", [key.sha256 for key in keys])):
        twice = sorted({value for value in values if values.count(value) > 1})
        require(not twice, f"{source} has two keys of the {kind} {', '.join(twice)}; revoke one of them")
