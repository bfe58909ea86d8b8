"""The metrics of a ranking as a table for the terminal, and a paired difference as one line."""

from recsys_model.evaluation.metrics import METRIC_NAMES
from recsys_platform.display_width import align
from recsys_platform.evaluate.report.measured import Difference, MeasuredValue, MethodMetrics
from recsys_platform.evaluate.report.wording import (
    CHIEF_METRIC,
    METHOD_TITLES,
    MODEL_TITLE,
    UNKNOWN,
    metric_title,
    title_of,
)


def format_table(metrics: MethodMetrics) -> str:
    """Return a table for the terminal, one row per method; the last column is the interval of HR@10.

    Example:
        >>> print(format_table({"popularity": {"hr_at_10": MeasuredValue(value=0.25, low=0.2, high=0.3)}}))
        method      HR@1  HR@5   HR@10  NDCG@5  NDCG@10  95 % of HR@10
        popularity     -     -  0.2500       -        -  0.2000-0.3000
    """
    head = ["method", *map(metric_title, METRIC_NAMES), f"95 % of {metric_title(CHIEF_METRIC)}"]
    order = [
        *(name for name in METHOD_TITLES if name in metrics),
        *(name for name in metrics if name not in METHOD_TITLES),
    ]
    rows = [
        [
            title_of(method),
            *(_value(metrics[method].get(name)) for name in METRIC_NAMES),
            _interval(metrics[method].get(CHIEF_METRIC)),
        ]
        for method in order
    ]
    return align([head, *rows])


def format_difference(difference: Difference) -> str:
    """Return one line with the paired difference of every metric, the model minus a baseline."""
    parts = [
        f"{metric_title(name)} {measured.value:+.4f} [{measured.low:+.4f}, {measured.high:+.4f}]"
        for name, measured in difference.metrics.items()
    ]
    title = title_of(difference.baseline)
    return f"{MODEL_TITLE} minus {title}, paired over the same users: {', '.join(parts)}."


def _value(measured: MeasuredValue | None) -> str:
    return UNKNOWN if measured is None else f"{measured.value:.4f}"


def _interval(measured: MeasuredValue | None) -> str:
    return UNKNOWN if measured is None or measured.interval is None else "{:.4f}-{:.4f}".format(*measured.interval)
