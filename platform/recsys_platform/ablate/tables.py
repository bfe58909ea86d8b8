"""The ablation in Markdown: sentences, one row a variant, and generation with and without the trie."""

from collections.abc import Mapping, Sequence
from typing import Any

from recsys_platform.ablate.results import DECIDING
from recsys_platform.evaluate.report.document import Table
from recsys_platform.evaluate.report.markdown import escape, format_table
from recsys_platform.evaluate.report.measured import MeasuredValue
from recsys_platform.evaluate.report.wording import CHIEF_METRIC, UNKNOWN, estimate, metric_title, number

_CHIEF, _DECIDING = metric_title(CHIEF_METRIC), metric_title(DECIDING)
CHANGED = "what is changed"
HEAD = (
    *("variant", CHANGED, _CHIEF, _DECIDING, f"{_CHIEF} minus base, users"),
    *(f"{_DECIDING} minus base, users", "over seeds", "verdict"),
)
GENERATION_METRICS = ("hr_at_1", "hr_at_5", "hr_at_10")
GENERATION_HEAD = ("generation", *map(metric_title, GENERATION_METRICS), "invalid of all", "invalid of the first")


def format_ablation(report: Mapping[str, Any], plot_file: str) -> str:
    """Return the whole ablation as Markdown."""
    parts = [
        f"# Ablation of {escape(report['name'])}",
        "\n".join(f"- {line}" for line in report["statements"]),
        format_rows(report["rows"]),
        f"![{_DECIDING} of every variant minus the base]({plot_file})",
        *(_format_group(group) for group in report["groups"]),
    ]
    if report["free_generation"] is not None:
        parts += ["## Without the trie", format_free_generation(report["free_generation"])]
    return "\n\n".join(parts) + "\n"


def format_rows(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the table, one row a variant."""
    return format_table(Table("Variants", HEAD, [_cells(row) for row in rows]))


def _format_group(group: Mapping[str, Any]) -> str:
    """Return the rows of some of the users, without what is changed, which the first table says."""
    kept = [place for place, title in enumerate(HEAD) if title != CHANGED]
    rows = [[cells[place] for place in kept] for cells in map(_cells, group["rows"])]
    table = format_table(Table("Variants", [HEAD[place] for place in kept], rows))
    return f"## {group['num_users']:,} {group['title']}\n\n{table}"


def format_free_generation(free: Mapping[str, Any]) -> str:
    """Return how often free generation misses the catalogue, and both ways of generating side by side."""
    if not free["seeds"]:
        return "No seed has both ways of generating."
    deciding = free["differences"][DECIDING]
    sentences = (
        f"The same trained models ({free['source']}) write ten texts for each user by beam search over the whole "
        "vocabulary, with as many beams. A text that equals no text of the catalogue is invalid and keeps its place. "
        f"Without the trie minus with it, {_DECIDING}: {_difference(deciding)} over users, "
        f"{_difference(deciding['over_seeds'])} over seeds; verdict on leaving the trie out: {free['verdict']}."
    )
    invalid = [f"{free[name]:.1%}" for name in ("invalid_share", "invalid_first_share")]
    rows = [
        [title, *(_mean(free["metrics"][way][metric]) for metric in GENERATION_METRICS), *shares]
        for way, title, shares in (("guided", "trie-guided", ["0.0%", "0.0%"]), ("free", "free", invalid))
    ]
    return f"{sentences}\n\n{format_table(Table('Ways of generating', GENERATION_HEAD, rows))}"


def _cells(row: Mapping[str, Any]) -> list[str]:
    changes = ", ".join(f"{name}: {value}" for name, value in row["changes"].items())
    metrics, differences = row["metrics"], row["differences"]
    chief, deciding = (None if differences is None else differences[name] for name in (CHIEF_METRIC, DECIDING))
    return [
        row["variant"],
        f"{row['title']}; {changes}" if changes else row["title"],
        *(UNKNOWN if metrics is None else _mean(metrics[name]) for name in (CHIEF_METRIC, DECIDING)),
        _difference(chief),
        _difference(deciding),
        _limits(None if deciding is None else deciding["over_seeds"]),
        row["verdict"] or UNKNOWN,
    ]


def _mean(metric: Mapping[str, Any]) -> str:
    spread = metric["sd_over_seeds"]
    return number(metric["mean"]) if spread is None else f"{number(metric['mean'])} ± {number(spread)}"


def _difference(entry: Mapping[str, Any] | None) -> str:
    if entry is None:
        return UNKNOWN
    return estimate(MeasuredValue(value=entry["value"], low=entry["low"], high=entry["high"]), sign=True)


def _limits(entry: Mapping[str, Any] | None) -> str:
    return UNKNOWN if entry is None else f"{number(entry['low'], sign=True)} to {number(entry['high'], sign=True)}"
