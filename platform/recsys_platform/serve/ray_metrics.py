"""RayMeter: sends the metrics of an endpoint to Prometheus through the metrics port of each Ray node."""

from typing import cast

from ray.serve.metrics import Counter, Gauge, Histogram

from recsys_platform.serve.metrics import METRICS, Metric


class RayMeter:
    """Metrics of one replica; make it inside of the replica, whose name becomes a label."""

    def __init__(self) -> None:
        self._instruments = {metric.name: _instrument_of(metric) for metric in METRICS}

    def record(self, metric: Metric, value: float, **labels: str) -> None:
        """Add `value` to a counter, observe it in a histogram, or set a gauge to it."""
        instrument = self._instruments[metric.name]
        if isinstance(instrument, Counter):
            # Ray refuses 0
            if value > 0:
                instrument.inc(value, labels)
        elif isinstance(instrument, Gauge):
            instrument.set(value, labels)
        else:
            instrument.observe(value, labels)


def _instrument_of(metric: Metric) -> Counter | Gauge | Histogram:
    # Ray annotates a tuple of any length as a tuple of one
    labels = cast(tuple[str], metric.labels)
    if metric.kind == "histogram":
        return Histogram(metric.name, metric.description, boundaries=list(metric.buckets), tag_keys=labels)
    return {"counter": Counter, "gauge": Gauge}[metric.kind](metric.name, metric.description, tag_keys=labels)
