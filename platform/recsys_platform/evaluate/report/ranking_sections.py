"""The sections of a report that tell how well items are ranked: summary, protocol, tables and comparisons."""

from collections.abc import Mapping
from typing import Any

from recsys_model.evaluation.metrics import METRIC_NAMES
from recsys_platform.evaluate.report.document import Block, Heading, Items, Paragraph, Picture, Section, Table
from recsys_platform.evaluate.report.wording import (
    MODEL,
    estimate,
    in_order,
    listed,
    method_title,
    metric_title,
    number,
    percent,
    verdict,
)

Report = Mapping[str, Any]
"""As in report.json."""

_CHIEF = "hr_at_10"
_PHRASES: dict[str, str] = {
    "better": "is better",
    "worse": "is worse",
    "cannot be told apart": "cannot be told apart from it",
}
_COMPETITORS = {
    "catalogue": "against the whole catalogue",
    "sampled": "among sampled negatives",
    "given": "among given candidates",
}


def summary_section(report: Report) -> Section:
    """Return how well the model ranks, how that compares with the best other method, and whether others fall short."""
    if not report["rankings"]:
        text = f"No ranking of next items was measured. {len(report['tasks'])} evaluations of task families are listed below."
        return Section("Summary", [Paragraph(text)])
    ranking = report["rankings"][0]
    entry = ranking["metrics"][MODEL][_CHIEF]
    first = (
        f"{method_title(report, MODEL)} has the item that a user took next among its first ten for "
        f"{percent(entry['value'])} of {report['num_users']:,} users{_interval_in_percent(entry)}, "
        f"ranked {_COMPETITORS[ranking['competitors']]}."
    )
    blocks: list[Block] = [Paragraph(f"{first} {_comparison(report, ranking)}")]
    warnings = report.get("baselines", {}).get("warnings", [])
    return Section("Summary", blocks + ([Items(warnings, title="Warnings")] if warnings else []))


def protocol_section(report: Report) -> Section:
    """Return what was measured, one sentence a line."""
    counts = f"{report['num_users']:,} of {report['num_users_in_split']:,} users, {report['num_items']:,} items."
    statements = [*report["statements"], counts, "Intervals are of 95 %; differences are paired over the same users."]
    return Section("What was measured", [Items(statements)])


def ranking_section(report: Report) -> Section:
    """Return, for each protocol of ranking, the table of every method, a plot and the paired differences."""
    blocks: list[Block] = []
    for place, ranking in enumerate(report["rankings"], start=1):
        blocks += [Heading(ranking["title"])]
        own = [sentence for sentence in ranking["statements"] if sentence not in report["statements"]]
        blocks += [Items(own)] if own else []
        blocks += [_metrics_table(report, ranking), Picture(f"methods_{place}", _methods_text(ranking))]
        blocks += _differences(report, ranking)
    if "hit_rate_over_k" in report.get("breakdowns", {}):
        title = report["rankings"][0]["title"]
        blocks += [Picture("hit_rate_over_k", f"Hit rate over the number of items looked at ({title}).")]
    return Section("Ranking", blocks or [Paragraph("No ranking of next items was measured.")])


def _metrics_table(report: Report, ranking: Mapping[str, Any]) -> Table:
    metrics = ranking["metrics"]
    names = _metric_names(metrics)
    rows = [
        [method_title(report, method), *(estimate(metrics[method].get(name)) for name in names)]
        for method in in_order(report, metrics)
    ]
    return Table(f"{ranking['title']}: figures with 95 % intervals", ["method", *map(metric_title, names)], rows)


def _metric_names(metrics: Mapping[str, Mapping[str, Any]]) -> list[str]:
    found = dict.fromkeys(name for entries in metrics.values() for name in entries)
    return [name for name in METRIC_NAMES if name in found] + [name for name in found if name not in METRIC_NAMES]


def _methods_text(ranking: Mapping[str, Any]) -> str:
    return f"HR@10 of every method with its 95 % interval ({ranking['title']})."


def _differences(report: Report, ranking: Mapping[str, Any]) -> list[Block]:
    """Return the paired differences as a table and as sentences."""
    differences = ranking["differences"]
    if not differences:
        return []
    names = _metric_names({entry["baseline"]: entry["metrics"] for entry in differences})
    rows = [
        [
            method_title(report, entry["baseline"]),
            *(estimate(entry["metrics"].get(name), sign=True) for name in names),
        ]
        for entry in differences
    ]
    caption = f"{ranking['title']}: {method_title(report, MODEL)} minus each other method, paired over the same users"
    sentences = [_verdicts(report, entry) for entry in differences]
    return [Table(caption, ["compared with", *map(metric_title, names)], rows), Items(sentences)]


def _verdicts(report: Report, difference: Mapping[str, Any]) -> str:
    """Return one sentence on all metrics against one baseline."""
    words: dict[str, list[str]] = {}
    for name, entry in difference["metrics"].items():
        words.setdefault(verdict(name, entry), []).append(metric_title(name))
    phrases = [f"{_PHRASES[word]} in {listed(names)}" for word, names in words.items()]
    other = method_title(report, difference["baseline"])
    return f"Compared with {other}, {method_title(report, MODEL)} {listed(phrases)}."


def _interval_in_percent(entry: Mapping[str, float | None]) -> str:
    low, high = entry.get("low"), entry.get("high")
    return "" if low is None or high is None else f" (95 % interval {percent(low)} to {percent(high)})"


def _comparison(report: Report, ranking: Mapping[str, Any]) -> str:
    """Return one sentence on the strongest of the methods that the model was compared with."""
    if not ranking["differences"]:
        return "No other method was measured on the same users."
    strongest = max(ranking["differences"], key=lambda entry: ranking["metrics"][entry["baseline"]][_CHIEF]["value"])
    difference = strongest["metrics"][_CHIEF]
    word = verdict(_CHIEF, difference)
    says = "That cannot be told apart from" if word.startswith("cannot") else f"That is {word} than"
    theirs = percent(ranking["metrics"][strongest["baseline"]][_CHIEF]["value"])
    limits = f"{number(difference['low'], sign=True)} to {number(difference['high'], sign=True)}"
    return (
        f"{says} the best other method, {method_title(report, strongest['baseline'])} ({theirs}): the paired difference "
        f"of HR@10 is {number(difference['value'], sign=True)} ({limits})."
    )
