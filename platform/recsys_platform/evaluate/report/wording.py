"""Names and titles of methods and metrics, and the format of numbers, intervals and verdicts, for all reports.

An unknown value is written as a dash, never as `nan`.
"""

import math
from collections.abc import Iterable, Sequence

from recsys_platform.evaluate.report.content import Report
from recsys_platform.evaluate.report.measured import MeasuredValue

UNKNOWN = "-"
MODEL = "recsysllm"
"""Name of the evaluated model among the methods."""
MODEL_TITLE = "RecSysLLM"
EXPECTED_RATING = "expected_rating"
"""Task method: the mean of the ratings 1 to 5 under the model's probabilities."""
MOST_LIKELY_RATING = "most_likely_rating"
"""Task method: the rating that the model holds most probable."""
BEST_REACHABLE = "best_reachable"
"""Method that ranks by the demo shop's own probabilities."""
TAKEN = "taken"
"""Pseudo-method for the items that users took, in comparisons of what methods recommend."""
OWN_TIME = "held-out event with a time of its own"
"""Name of the group of users whose held-out event has a time that no other event of the user has."""
CHIEF_METRIC = "hr_at_10"
"""The metric that summaries quote."""
LOWER_IS_BETTER = frozenset({"rmse", "mae"})
"""Metrics that are errors."""
CANNOT_TELL = "cannot be told apart"
"""Verdict on a difference whose interval contains 0."""

METHOD_TITLES: dict[str, str] = {
    MODEL: MODEL_TITLE,
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
    BEST_REACHABLE: "best reachable (the shop's own probabilities)",
}
"""Maps a method of a ranking to its title, in the order of the tables."""
TASK_METHOD_TITLES: dict[str, str] = {
    MODEL: MODEL_TITLE,
    EXPECTED_RATING: f"{MODEL_TITLE}, expected rating",
    MOST_LIKELY_RATING: f"{MODEL_TITLE}, most likely rating",
    "item_mean": "mean rating of the item",
    "mean_rating": "mean rating",
    "co_occurrence": METHOD_TITLES["co_occurrence"],
    "popularity": METHOD_TITLES["popularity"],
    "same_item": "training text of the same item",
    "most_frequent": "most frequent training text",
    "review_lead": "first words of the review",
}
"""Maps a method of a task to its title, in the order of the tables."""

_EFFECTIVE = "_effective"
_UPPERCASE = frozenset({"hr", "ndcg", "rmse", "mae", "mse", "auc", "bleu", "rouge", "mrr"})


def titles_of(methods: Iterable[str]) -> dict[str, str]:
    """Return the titles for a report: those of its ranking methods, then those of all task methods.

    Example:
        >>> list(titles_of(["popularity", "recsysllm", "unheard_of"]))[:3]
        ['recsysllm', 'popularity', 'expected_rating']
    """
    ranked = set(methods)
    return {method: title for method, title in METHOD_TITLES.items() if method in ranked} | TASK_METHOD_TITLES


def title_of(method: str) -> str:
    """Return the title of a method, or its name if it has no title.

    Example:
        >>> title_of("popularity"), title_of("most_pop")
        ('popularity', 'most pop')
    """
    return METHOD_TITLES.get(method, method.replace("_", " "))


def method_title(report: Report, method: str) -> str:
    """Return the title of a method in a report."""
    return report.method_titles.get(method) or title_of(method)


def in_order(report: Report, methods: Iterable[str]) -> list[str]:
    """Return methods in the order of the tables: the model, baselines in the order of their titles, best reachable."""
    titled = list(dict.fromkeys([*report.method_titles, *METHOD_TITLES]))
    positions = {method: position for position, method in enumerate(titled)}
    return sorted(methods, key=lambda name: (name == BEST_REACHABLE, name != MODEL, positions.get(name, len(titled))))


def metric_title(name: str) -> str:
    """Return the printed name of a metric.

    Example:
        >>> [metric_title(name) for name in ("hr_at_10", "rmse", "bleu_4_effective", "rouge_l", "accuracy")]
        ['HR@10', 'RMSE', 'BLEU-4 (effective order)', 'ROUGE-L', 'accuracy']
    """
    if name.endswith(_EFFECTIVE):
        return f"{metric_title(name.removesuffix(_EFFECTIVE))} (effective order)"
    kind, at, k = name.partition("_at_")
    if at:
        return f"{kind.upper()}@{k}"
    first, *rest = name.split("_")
    return "-".join(part.upper() for part in (first, *rest)) if first in _UPPERCASE else " ".join([first, *rest])


def number(value: float | None, *, sign: bool = False) -> str:
    """Return a number with four decimals, two from 10 on; a dash if it is unknown or not finite.

    Example:
        >>> number(0.12345), number(23.456), number(None), number(float("nan")), number(0.01, sign=True)
        ('0.1235', '23.46', '-', '-', '+0.0100')
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN
    return f"{value:{'+' if sign else ''}.{2 if abs(value) >= 10 else 4}f}"


def estimate(measured: MeasuredValue | None, *, sign: bool = False) -> str:
    """Return a value with its interval.

    Example:
        >>> estimate(MeasuredValue(value=0.5, low=0.4, high=0.6)), estimate(MeasuredValue.exact(0.5)), estimate(None)
        ('0.5000 (0.4000 to 0.6000)', '0.5000', '-')
    """
    if measured is None or number(measured.value) == UNKNOWN:
        return UNKNOWN
    low, high = number(measured.low, sign=sign), number(measured.high, sign=sign)
    value = number(measured.value, sign=sign)
    return value if UNKNOWN in (low, high) else f"{value} ({low} to {high})"


def verdict(metric: str, difference: MeasuredValue) -> str:
    """Return the verdict on a paired difference, the model minus another method: its interval decides.

    Example:
        >>> won = MeasuredValue(value=0.2, low=0.1, high=0.3)
        >>> verdict("hr_at_10", won), verdict("rmse", won)
        ('better', 'worse')
        >>> verdict("hr_at_10", MeasuredValue(value=0.2, low=-0.1, high=0.3))
        'cannot be told apart'
    """
    if difference.interval is None:
        return CANNOT_TELL
    low, high = difference.interval
    if not low <= high or low <= 0.0 <= high:
        return CANNOT_TELL
    is_better = (low > 0.0) != (metric in LOWER_IS_BETTER)
    return "better" if is_better else "worse"


def percent(share: float | None) -> str:
    """Return a share in per cent with one decimal; a dash if it is unknown.

    Example:
        >>> percent(0.6063), percent(None)
        ('60.6 %', '-')
    """
    return UNKNOWN if share is None or not math.isfinite(share) else f"{100 * share:.1f} %"


def listed(words: Sequence[str]) -> str:
    """Return words as a list in a sentence.

    Example:
        >>> listed(["a"]), listed(["a", "b", "c"])
        ('a', 'a, b and c')
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
