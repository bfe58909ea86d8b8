"""The metrics of an endpoint: their names, labels and buckets. `ray_metrics.py` sends them to Prometheus through Ray."""

from dataclasses import dataclass
from typing import Literal, Protocol

LATENCY_BUCKETS_S = (
    0.005,
    0.01,
    0.02,
    0.035,
    0.05,
    0.075,
    0.1,
    0.15,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    120.0,
)
BATCH_BUCKETS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """One metric. Prometheus shows it as `ray_NAME`; a counter has `_total` after it."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    description: str
    labels: tuple[str, ...] = ()
    """Names of the labels besides those of Ray Serve: application, deployment, replica."""
    buckets: tuple[float, ...] = ()
    """Upper bounds of the buckets of a histogram."""


REQUEST_SECONDS = Metric(
    name="recsys_request_seconds",
    kind="histogram",
    description="Seconds from the arrival of a request at the endpoint to its answer.",
    labels=("path", "method", "status"),
    buckets=LATENCY_BUCKETS_S,
)
IN_FLIGHT = Metric(name="recsys_requests_in_flight", kind="gauge", description="Requests that are being answered.")
REFUSALS = Metric(
    name="recsys_refusals",
    kind="counter",
    description="Requests that were refused or given up, by the reason.",
    labels=("reason",),
)
QUEUE_SECONDS = Metric(
    name="recsys_queue_seconds",
    kind="histogram",
    description="Seconds that a request waits at a replica until its batch is decoded.",
    buckets=LATENCY_BUCKETS_S,
)
DECODE_SECONDS = Metric(
    name="recsys_decode_seconds",
    kind="histogram",
    description="Seconds in which a batch is read and decoded.",
    buckets=LATENCY_BUCKETS_S,
)
BATCH_SIZE = Metric(
    name="recsys_batch_size", kind="histogram", description="Requests of a decoded batch.", buckets=BATCH_BUCKETS
)
WAITING = Metric(
    name="recsys_requests_waiting", kind="gauge", description="Requests at a replica whose batch is not decoded yet."
)
ITEMS = Metric(name="recsys_recommended_items", kind="counter", description="Items of all answers.")
INVALID_ITEMS = Metric(
    name="recsys_invalid_items",
    kind="counter",
    description="Items of answers that are there twice, were denied or are more than were asked for; always 0.",
)
CATALOG_VERSION = Metric(
    name="recsys_catalog_version", kind="gauge", description="Version of the catalogue that a replica answers from."
)
METRICS = (
    REQUEST_SECONDS,
    IN_FLIGHT,
    REFUSALS,
    QUEUE_SECONDS,
    DECODE_SECONDS,
    BATCH_SIZE,
    WAITING,
    ITEMS,
    INVALID_ITEMS,
    CATALOG_VERSION,
)


class Meter(Protocol):
    """Takes the values of metrics."""

    def record(self, metric: Metric, value: float, **labels: str) -> None:
        """Add `value` to a counter, observe it in a histogram, or set a gauge to it."""
        ...


class NoMeter:
    """Takes values and keeps none."""

    def record(self, metric: Metric, value: float, **labels: str) -> None:
        """Do nothing."""
