"""The ablation in Markdown: sentences, one row a variant, and generation with and without the trie."""

from collections.abc import Mapping, Sequence
from typing import Any

from recsys_platform.ablate.results import DECIDING

HEAD = (
    *("variant", "what is changed", "HR@10", "NDCG@10", "HR@10 minus base, users"),
    *("NDCG@10 minus base, users", "over seeds", "verdict"),
)
GENERATION_HEAD = ("generation", "HR@1", "HR@5", "HR@10", "invalid of all", "invalid of the first")
NONE = "-"


def format_ablation(report: Mapping[str, Any], plot_file: str) -> str:
    """Return the whole ablation as Markdown."""
    parts = [
        f"# Ablation of {report['name']}",
        "\n".join(f"- {line}" for line in report["statements"]),
        format_rows(report["rows"]),
        f"![NDCG@10 of every variant minus the base]({plot_file})",
    ]
    if report["free_generation"] is not None:
        parts += ["## Without the trie", format_free_generation(report["free_generation"])]
    return "\n\n".join(parts) + "\n"


def format_rows(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the table, one row a variant."""
    return _format_table(HEAD, [_cells(row) for row in rows])


def format_free_generation(free: Mapping[str, Any]) -> str:
    """Return how often free generation misses the catalogue, and both ways of generating side by side."""
    if not free["seeds"]:
        return "No seed has both ways of generating."
    deciding = free["differences"][DECIDING]
    sentences = (
        f"The same trained models ({free['source']}) write ten texts for each user by beam search over the whole "
        "vocabulary, with as many beams. A text that equals no text of the catalogue is invalid and keeps its place. "
        f"Without the trie minus with it, NDCG@10: {_interval(deciding)} over users, "
        f"{_interval(deciding['over_seeds'])} over seeds; verdict on leaving the trie out: {free['verdict']}."
    )
    invalid = [f"{free[name]:.1%}" for name in ("invalid_share", "invalid_first_share")]
    rows = [
        [title, *(_mean(free["metrics"][way][metric]) for metric in ("hr_at_1", "hr_at_5", "hr_at_10")), *shares]
        for way, title, shares in (("guided", "trie-guided", ["0.0%", "0.0%"]), ("free", "free", invalid))
    ]
    return f"{sentences}\n\n{_format_table(GENERATION_HEAD, rows)}"


def _cells(row: Mapping[str, Any]) -> list[str]:
    changes = ", ".join(f"`{name}: {value}`" for name, value in row["changes"].items())
    metrics, differences = row["metrics"], row["differences"]
    deciding = None if differences is None else differences[DECIDING]
    return [
        row["variant"],
        f"{row['title']}; {changes}" if changes else row["title"],
        *(NONE if metrics is None else _mean(metrics[name]) for name in ("hr_at_10", DECIDING)),
        NONE if differences is None else _interval(differences["hr_at_10"]),
        _interval(deciding),
        _limits(None if deciding is None else deciding["over_seeds"]),
        row["verdict"] or NONE,
    ]


def _mean(metric: Mapping[str, Any]) -> str:
    spread = metric["sd_over_seeds"]
    return f"{metric['mean']:.4f}" if spread is None else f"{metric['mean']:.4f} ± {spread:.4f}"


def _interval(entry: Mapping[str, Any] | None) -> str:
    return NONE if entry is None else f"{entry['value']:+.4f} {_limits(entry)}"


def _limits(entry: Mapping[str, Any] | None) -> str:
    return NONE if entry is None else f"[{entry['low']:+.4f}, {entry['high']:+.4f}]"


def _format_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])
