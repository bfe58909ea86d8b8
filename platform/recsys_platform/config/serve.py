"""Settings of the HTTP endpoint."""

from dataclasses import dataclass
from typing import Literal

from recsys_model.config import require


@dataclass(frozen=True, kw_only=True, slots=True)
class ServeConfig:
    """The HTTP endpoint."""

    name: str | None = None
    """Name of the application in Ray Serve; none takes the name of the run."""
    route_prefix: str = "/"
    """Path below which the endpoint answers. A cluster has one address, which several applications share by their paths."""
    host: str = "127.0.0.1"
    """Address that the proxy binds; 0.0.0.0 opens it to the network, which needs `keys_file`."""
    port: int = 8000
    """Port of the proxy, outside 10002-19999, which Ray keeps for its workers."""
    max_batch_size: int = 8
    """Requests decoded together."""
    batch_wait_s: float = 0.0
    """How long a batch that is not full waits for further requests; those that arrive while one is decoded need no wait."""
    min_replicas: int = 1
    """Replicas when idle."""
    max_replicas: int = 2
    """Replicas under load."""
    target_ongoing_requests: int = 8
    """Requests in flight per replica above which the autoscaler adds one."""
    cpus_per_replica: float = 1.0
    """CPU cores of each replica."""
    use_gpu: bool = False
    """One GPU per replica."""
    max_queued_requests: int = 64
    """Requests that may wait in a replica; further ones are answered 429."""
    catalog_edits: bool = False
    """Whether items can be added and removed over HTTP, by whoever has a key with `edit`; kept beside the bundle."""
    keys_file: str | None = None
    """File of API keys that `recsys keys` writes, read again when it changes. None: the variable RECSYS_KEYS, which may
    hold the content of such a file, or an endpoint without keys, on a loopback address only."""
    max_body_mb: int = 64
    """Size of a request's body in 10^6 bytes; a larger one is answered 413."""
    request_timeout_s: float = 120.0
    """How long a request may take; one with the header X-Request-Timeout-Ms may take less."""
    protect_docs: bool = False
    """Whether /docs, /redoc and /openapi.json need a key as well."""
    request_log: Literal["file", "stderr", "off"] = "file"
    """Where each request is logged as a JSON line: `requests_*.jsonl` beside the logs of Ray Serve, or standard error."""
    log_requests: bool = False
    """Whether the log also holds the bodies of requests, with the users' features and histories."""
    cors_origins: tuple[str, ...] = ()
    """Origins, such as https://shop.example, whose pages may send requests from a browser; `*` stands for all."""
    start_timeout_s: float = 1800.0
    """Seconds within which all replicas must have loaded the bundle; nodes that must be added first count as well."""

    def __post_init__(self) -> None:
        self._check_place()
        self._check_capacity()
        self._check_gate()

    def _check_place(self) -> None:
        """Raise if the application cannot have its name, path or port."""
        is_name = self.name is None or (self.name != "" and all(part.isalnum() or part in "-_" for part in self.name))
        require(is_name, f"serve.name must consist of letters, digits, '-' and '_', got {self.name!r}")
        is_path = self.route_prefix.startswith("/") and (self.route_prefix == "/" or self.route_prefix[-1] != "/")
        require(
            is_path and not set("{}?# ") & set(self.route_prefix),
            f"serve.route_prefix must be a path such as / or /shop, without a slash at its end, got {self.route_prefix!r}",
        )
        require(1 <= self.port <= 65535, f"serve.port must be in 1..65535, got {self.port}")
        require(not 10002 <= self.port <= 19999, f"serve.port must lie outside Ray's 10002-19999, got {self.port}")

    def _check_capacity(self) -> None:
        """Raise if replicas, batches or queue have an impossible size."""
        require(self.start_timeout_s > 0.0, f"serve.start_timeout_s must be above 0, got {self.start_timeout_s}")
        require(self.max_batch_size >= 1, f"serve.max_batch_size must be at least 1, got {self.max_batch_size}")
        require(self.batch_wait_s >= 0.0, f"serve.batch_wait_s must not be negative, got {self.batch_wait_s}")
        require(
            1 <= self.min_replicas <= self.max_replicas,
            f"serve.min_replicas must be in 1..max_replicas, got {self.min_replicas} and {self.max_replicas}",
        )
        require(
            self.target_ongoing_requests >= 1,
            f"serve.target_ongoing_requests must be at least 1, got {self.target_ongoing_requests}",
        )
        require(self.cpus_per_replica > 0.0, f"serve.cpus_per_replica must be above 0, got {self.cpus_per_replica}")
        require(
            self.max_queued_requests >= 1,
            f"serve.max_queued_requests must be at least 1, got {self.max_queued_requests}",
        )

    def _check_gate(self) -> None:
        """Raise if the limits, the log or the origins of browsers are impossible."""
        require(
            not self.log_requests or self.request_log != "off",
            "serve.log_requests needs a log; set serve.request_log to file or stderr",
        )
        require(self.max_body_mb >= 1, f"serve.max_body_mb must be at least 1, got {self.max_body_mb}")
        require(
            0.001 <= self.request_timeout_s <= 86_400.0,
            f"serve.request_timeout_s must be in 0.001..86400, got {self.request_timeout_s}",
        )
        for origin in self.cors_origins:
            scheme, separator, rest = origin.partition("://")
            is_origin = scheme in ("http", "https") and separator != "" and rest != "" and not set(rest) & set("/?#*")
            require(
                origin == "*" or is_origin,
                f"serve.cors_origins must be origins such as https://shop.example, without a path, or *, got {origin!r}",
            )
