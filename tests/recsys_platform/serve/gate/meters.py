"""A meter for tests."""

from recsys_platform.serve.metrics import Metric


class KeptMeter:
    """Keeps all values."""

    def __init__(self) -> None:
        self.values: list[tuple[str, float, dict[str, str]]] = []

    def record(self, metric: Metric, value: float, **labels: str) -> None:
        assert set(labels) == set(metric.labels)
        self.values.append((metric.name, value, labels))

    def of(self, metric: Metric) -> list[tuple[float, dict[str, str]]]:
        return [(value, labels) for name, value, labels in self.values if name == metric.name]
