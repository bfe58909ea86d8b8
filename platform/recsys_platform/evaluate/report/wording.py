"""How figures, methods and verdicts are put into words; used by every part of a report.

An unknown figure is a dash and never `nan`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Entry = Mapping[str, float | None]
"""`{"value", "low", "high"}`; the limits are None where there is no sample behind the figure."""
Metrics = Mapping[str, Mapping[str, Entry]]
"""Method -> metric -> entry."""

UNKNOWN = "-"
MODEL = "recsysllm"
TAKEN = "taken"
"""Stands for what the users really took, where methods are compared by what they recommend."""
LOWER_IS_BETTER = frozenset({"rmse", "mae"})
"""Metrics that are errors."""

METHOD_TITLES: dict[str, str] = {
    "recsysllm": "RecSysLLM",
    "sasrec": "SASRec",
    "last_item": "last item alone (SASRec without blocks)",
    "co_occurrence": "last-item co-occurrence",
    "popularity": "popularity",
    "item_knn": "item-based neighbours",
    "ease": "EASE (cornac)",
    "most_popular": "most popular, users counted (cornac)",
    "mf": "matrix factorization (cornac)",
    "bpr": "BPR (cornac)",
    "gru4rec": "GRU4Rec (cornac)",
    "sasrec_cornac": "SASRec (cornac)",
    "bert4rec": "BERT4Rec (cornac)",
    "best_reachable": "best reachable (the shop's own probabilities)",
}
"""Method -> how a reader meets it, in the order of the table."""

_UPPERCASE = frozenset({"hr", "ndcg", "rmse", "mae", "mse", "auc", "bleu", "rouge", "mrr"})


def title_of(method: str) -> str:
    """Return how a reader meets a method; its own name where it has no title.

    Example:
        >>> title_of("popularity"), title_of("most_pop")
        ('popularity', 'most pop')
    """
    return METHOD_TITLES.get(method, method.replace("_", " "))


def method_title(report: Mapping[str, Any], method: str) -> str:
    """Return how a reader meets a method."""
    return report.get("method_titles", {}).get(method) or title_of(method)


def in_order(report: Mapping[str, Any], methods: Iterable[str]) -> list[str]:
    """Return methods as tables list them: the model, baselines in the order of their titles, what is best reachable."""
    known = [*report.get("method_titles", {}), *METHOD_TITLES]
    places = {method: known.index(method) for method in known}
    return sorted(methods, key=lambda name: (name == "best_reachable", name != MODEL, places.get(name, len(known))))


def metric_title(name: str) -> str:
    """Return a metric as it is printed.

    Example:
        >>> [metric_title(name) for name in ("hr_at_10", "rmse", "bleu_4", "rouge_l", "accuracy")]
        ['HR@10', 'RMSE', 'BLEU-4', 'ROUGE-L', 'accuracy']
    """
    kind, at, k = name.partition("_at_")
    if at:
        return f"{kind.upper()}@{k}"
    first, *rest = name.split("_")
    return "-".join(part.upper() for part in (first, *rest)) if first in _UPPERCASE else " ".join([first, *rest])


def number(value: float | None, *, sign: bool = False) -> str:
    """Return a figure with four decimals, two above ten; a dash where it is unknown or not finite.

    Example:
        >>> number(0.12345), number(23.456), number(None), number(float("nan")), number(0.01, sign=True)
        ('0.1235', '23.46', '-', '-', '+0.0100')
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN
    return f"{value:{'+' if sign else ''}.{2 if abs(value) >= 10 else 4}f}"


def estimate(entry: Entry | None, *, sign: bool = False) -> str:
    """Return a figure with its interval.

    Example:
        >>> estimate({"value": 0.5, "low": 0.4, "high": 0.6}), estimate({"value": 0.5, "low": None, "high": None})
        ('0.5000 (0.4000 to 0.6000)', '0.5000')
    """
    if entry is None or number(entry["value"]) == UNKNOWN:
        return UNKNOWN
    limits = [number(entry.get(name), sign=sign) for name in ("low", "high")]
    value = number(entry["value"], sign=sign)
    return value if UNKNOWN in limits else f"{value} ({limits[0]} to {limits[1]})"


def verdict(metric: str, difference: Entry) -> str:
    """Return what a paired difference, the model minus another method, says: its interval decides.

    Example:
        >>> verdict("hr_at_10", {"value": 0.2, "low": 0.1, "high": 0.3}), verdict("rmse", {"value": 0.2, "low": 0.1, "high": 0.3})
        ('better', 'worse')
        >>> verdict("hr_at_10", {"value": 0.2, "low": -0.1, "high": 0.3})
        'cannot be told apart'
    """
    low, high = difference.get("low"), difference.get("high")
    if low is None or high is None or not low <= high or low <= 0.0 <= high:
        return "cannot be told apart"
    is_better = (low > 0.0) != (metric in LOWER_IS_BETTER)
    return "better" if is_better else "worse"


def percent(share: float | None) -> str:
    """Return a share in per cent with one decimal; a dash where it is unknown.

    Example:
        >>> percent(0.6063), percent(None)
        ('60.6 %', '-')
    """
    return UNKNOWN if share is None or not math.isfinite(share) else f"{100 * share:.1f} %"


def listed(words: Sequence[str]) -> str:
    """Return words as they are listed in a sentence.

    Example:
        >>> listed(["a"]), listed(["a", "b", "c"])
        ('a', 'a, b and c')
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
