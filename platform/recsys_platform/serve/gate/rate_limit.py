"""Rate limits of API keys: one token bucket a key, in the memory of one replica, so several replicas allow several times the rate."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from recsys_platform.serve.gate.keys import ApiKey


@dataclass(slots=True)
class Bucket:
    """The requests that a key may still send at once."""

    key: ApiKey
    """The key as it was stored when the bucket was filled; a changed limit begins a new bucket."""
    tokens: float
    filled_at: float
    """In seconds of the limiter's clock."""


class RateLimiter:
    """Counts the requests of each key. `clock` returns seconds, monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, Bucket] = {}

    def wait_s(self, key: ApiKey) -> float:
        """Count one request; return 0, or for a request above the limit, which is not counted, the seconds to wait."""
        if key.rate_per_s is None:
            self._buckets.pop(key.name, None)
            return 0.0
        now = self._clock()
        bucket = self._buckets.get(key.name)
        if bucket is None or bucket.key != key:
            bucket = self._buckets[key.name] = Bucket(key, float(key.capacity), now)
        bucket.tokens = min(key.capacity, bucket.tokens + (now - bucket.filled_at) * key.rate_per_s)
        bucket.filled_at = now
        if bucket.tokens < 1.0:
            return (1.0 - bucket.tokens) / key.rate_per_s
        bucket.tokens -= 1.0
        return 0.0
