"""The vocabulary of a report: methods, impossible figures, the protocol in words, cases, and the table of the terminal.

Knows no Ray and no model.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from recsys_model.evaluation.audit import check_possible
from recsys_model.evaluation.metrics import METRIC_NAMES
from recsys_platform.splits import DatasetSplit, HeldOut, moment

Metrics = Mapping[str, Mapping[str, Mapping[str, float | None]]]
"""Method -> metric -> `{"value", "low", "high"}`; the limits are None where there is no sample behind the figure."""

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

NUM_EXAMPLES = 20
_MAX_HISTORY_TITLES = 8


def title_of(method: str) -> str:
    """Return how a reader meets a method; its own name where it has no title.

    Example:
        >>> title_of("popularity"), title_of("most_pop")
        ('popularity', 'most pop')
    """
    return METHOD_TITLES.get(method, method.replace("_", " "))


def refuse_impossible(metrics: Metrics) -> None:
    """Refuse figures that no ranking with one positive per case can have.

    Raises:
        DataError: with the method and the bound that is broken.
    """
    for method, entries in metrics.items():
        values = {name: entry["value"] for name, entry in entries.items()}
        check_possible(title_of(method), {name: value for name, value in values.items() if value is not None})


def format_table(metrics: Metrics) -> str:
    """Return a table for the terminal, one row a method; the interval is that of HR@10.

    Example:
        >>> print(format_table({"popularity": {"hr_at_10": {"value": 0.25, "low": 0.2, "high": 0.3}}}))
        method      HR@1  HR@5   HR@10  NDCG@5  NDCG@10  95 % of HR@10
        popularity     -     -  0.2500       -        -  0.2000-0.3000
    """
    head = ["method", *(_metric_title(name) for name in METRIC_NAMES), "95 % of HR@10"]
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
        f"{_metric_title(name)} {entry['value']:+.4f} [{entry['low']:+.4f}, {entry['high']:+.4f}]"
        for name, entry in difference["metrics"].items()
    ]
    title = title_of(difference["baseline"])
    return f"RecSysLLM minus {title}, paired over the same users: {', '.join(parts)}."


def describe_cases(
    split: HeldOut, dataset_split: DatasetSplit, num_users: int, num_users_in_split: int, seed: int
) -> list[str]:
    """Return what all tables of a report have in common, one sentence each."""
    which = "All" if num_users == num_users_in_split else f"{num_users:,}, drawn with seed {seed}, of the"
    trained = (
        "every user's events but the last two"
        if dataset_split.kind == "leave_one_out"
        else f"all events before {moment(dataset_split.valid_from)}"
    )
    return [
        f"{which} {num_users_in_split:,} users of the {split} split.",
        *dataset_split.describe(split),
        f"The baselines rank the same cases and count what the model was trained on, {trained}.",
    ]


def build_example(
    user_id: str, history: Sequence[str], truth: str, recommended: Sequence[str], rank: int
) -> dict[str, Any]:
    """Return one user's case with titles in place of numbers; `rank` is 0 if the truth was not returned."""
    return {
        "user_id": user_id,
        "num_history": len(history),
        "history": list(history[-_MAX_HISTORY_TITLES:]),
        "truth": truth,
        "rank": rank,
        "recommended": list(recommended),
    }


def _metric_title(name: str) -> str:
    kind, _, k = name.partition("_at_")
    return f"{kind.upper()}@{k}"


def _cell(entry: Mapping[str, float | None] | None) -> str:
    return "-" if entry is None else f"{entry['value']:.4f}"


def _interval(entries: Mapping[str, Mapping[str, float | None]]) -> str:
    entry = entries.get("hr_at_10")
    return "-" if entry is None or entry["low"] is None else f"{entry['low']:.4f}-{entry['high']:.4f}"
