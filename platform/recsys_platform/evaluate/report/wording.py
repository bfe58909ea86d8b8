"""The one vocabulary of reports: names and titles of methods and metrics, figures and verdicts in words.

An unknown figure is a dash and never `nan`.
"""

import math
from collections.abc import Iterable, Sequence

from recsys_platform.evaluate.report.content import Report
from recsys_platform.evaluate.report.measured import MeasuredValue

UNKNOWN = "-"
MODEL = "recsysllm"
"""Name of the evaluated model among the methods."""
MODEL_TITLE = "RecSysLLM"
BEST_REACHABLE = "best_reachable"
"""Method that ranks by the demo shop's own probabilities."""
TAKEN = "taken"
"""Stands for what the users took, where methods are compared by what they recommend."""
OWN_TIME = "held-out event with a time of its own"
"""Group of users whose held-out event shares its time with no other event of theirs."""
CHIEF_METRIC = "hr_at_10"
"""The metric that summaries quote."""
LOWER_IS_BETTER = frozenset({"rmse", "mae"})
"""Metrics that are errors."""
CANNOT_TELL = "cannot be told apart"
"""Verdict on a difference whose interval holds 0."""

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
"""Method of a ranking -> title, in the order of the table."""
TASK_METHOD_TITLES: dict[str, str] = {
    MODEL: MODEL_TITLE,
    "item_mean": "mean rating of the item",
    "mean_rating": "mean rating",
    "co_occurrence": METHOD_TITLES["co_occurrence"],
    "popularity": METHOD_TITLES["popularity"],
    "same_item": "training text of the same item",
    "most_frequent": "most frequent training text",
    "review_lead": "first words of the review",
}
"""Method of a task -> title, in the order of the table."""

_EFFECTIVE = "_effective"
_UPPERCASE = frozenset({"hr", "ndcg", "rmse", "mae", "mse", "auc", "bleu", "rouge", "mrr"})


def titles_of(methods: Iterable[str]) -> dict[str, str]:
    """Return the titles for a report: those of the methods of its rankings, then those of all tasks.

    Example:
        >>> list(titles_of(["popularity", "recsysllm", "unheard_of"]))[:3]
        ['recsysllm', 'popularity', 'item_mean']
    """
    ranked = set(methods)
    return {method: title for method, title in METHOD_TITLES.items() if method in ranked} | TASK_METHOD_TITLES


def title_of(method: str) -> str:
    """Return the title of a method; its own name where it has none.

    Example:
        >>> title_of("popularity"), title_of("most_pop")
        ('popularity', 'most pop')
    """
    return METHOD_TITLES.get(method, method.replace("_", " "))


def method_title(report: Report, method: str) -> str:
    """Return the title of a method in a report."""
    return report.method_titles.get(method) or title_of(method)


def in_order(report: Report, methods: Iterable[str]) -> list[str]:
    """Return methods as tables list them: the model, baselines in the order of their titles, what is best reachable."""
    titled = list(dict.fromkeys([*report.method_titles, *METHOD_TITLES]))
    places = {method: place for place, method in enumerate(titled)}
    return sorted(methods, key=lambda name: (name == BEST_REACHABLE, name != MODEL, places.get(name, len(titled))))


def metric_title(name: str) -> str:
    """Return a metric as it is printed.

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
    """Return a figure with four decimals, two above ten; a dash where it is unknown or not finite.

    Example:
        >>> number(0.12345), number(23.456), number(None), number(float("nan")), number(0.01, sign=True)
        ('0.1235', '23.46', '-', '-', '+0.0100')
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN
    return f"{value:{'+' if sign else ''}.{2 if abs(value) >= 10 else 4}f}"


def estimate(figure: MeasuredValue | None, *, sign: bool = False) -> str:
    """Return a figure with its interval.

    Example:
        >>> estimate(MeasuredValue(value=0.5, low=0.4, high=0.6)), estimate(MeasuredValue.exact(0.5)), estimate(None)
        ('0.5000 (0.4000 to 0.6000)', '0.5000', '-')
    """
    if figure is None or number(figure.value) == UNKNOWN:
        return UNKNOWN
    low, high = number(figure.low, sign=sign), number(figure.high, sign=sign)
    value = number(figure.value, sign=sign)
    return value if UNKNOWN in (low, high) else f"{value} ({low} to {high})"


def verdict(metric: str, difference: MeasuredValue) -> str:
    """Return what a paired difference, the model minus another method, says: its interval decides.

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
