"""The figures of a ranking as a table for the terminal, and a paired difference as one line."""

from collections.abc import Mapping
from typing import Any

from recsys_model.evaluation.metrics import METRIC_NAMES
from recsys_platform.evaluate.report.wording import METHOD_TITLES, Metrics, metric_title, title_of


def format_table(metrics: Metrics) -> str:
    """Return a table for the terminal, one row a method; the interval is that of HR@10.

    Example:
        >>> print(format_table({"popularity": {"hr_at_10": {"value": 0.25, "low": 0.2, "high": 0.3}}}))
        method      HR@1  HR@5   HR@10  NDCG@5  NDCG@10  95 % of HR@10
        popularity     -     -  0.2500       -        -  0.2000-0.3000
    """
    head = ["method", *(metric_title(name) for name in METRIC_NAMES), "95 % of HR@10"]
    order = [
        *(name for name in METHOD_TITLES if name in metrics),
        *(name for name in metrics if name not in METHOD_TITLES),
    ]
    rows = [
        [title_of(method), *(_cell(metrics[method].get(name)) for name in METRIC_NAMES), _interval(metrics[method])]
        for method in order
    ]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in (head, *rows)
    )


def format_difference(difference: Mapping[str, Any]) -> str:
    """Return one line on how far the model lies from the best baseline, paired over the same users."""
    parts = [
        f"{metric_title(name)} {entry['value']:+.4f} [{entry['low']:+.4f}, {entry['high']:+.4f}]"
        for name, entry in difference["metrics"].items()
    ]
    title = title_of(difference["baseline"])
    return f"RecSysLLM minus {title}, paired over the same users: {', '.join(parts)}."


def _cell(entry: Mapping[str, float | None] | None) -> str:
    return "-" if entry is None else f"{entry['value']:.4f}"


def _interval(entries: Mapping[str, Mapping[str, float | None]]) -> str:
    entry = entries.get("hr_at_10")
    return "-" if entry is None or entry["low"] is None else f"{entry['low']:.4f}-{entry['high']:.4f}"
