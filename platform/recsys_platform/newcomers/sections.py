"""The sections of the new-items report, as blocks of plain text."""

from collections.abc import Mapping
from typing import Any

from recsys_model.evaluation.metrics import METRIC_NAMES
from recsys_platform.evaluate.report.document import Bullets, Code, Document, Fold, Paragraph, Section, Table
from recsys_platform.evaluate.report.measured import MeasuredValue, Metrics
from recsys_platform.evaluate.report.wording import (
    CANNOT_TELL,
    CHIEF_METRIC,
    MODEL_TITLE,
    UNKNOWN,
    estimate,
    metric_title,
    number,
    percent,
    verdict,
)

NewItemsReport = Mapping[str, Any]
"""Name, statements, configuration, versions, and the result of `metrics.build_figures`."""

_HEAD = ["method", *map(metric_title, METRIC_NAMES)]


def build_document(report: NewItemsReport) -> Document:
    """Return the document of the report with all sections in order."""
    sections = [_summary, _protocol, _seconds, _recall, _shown, _others, _settings]
    return Document(f"New items of {report['name']}", [build(report) for build in sections])


def summarize(report: NewItemsReport) -> list[str]:
    """Return the summary of the measurement, one sentence per entry."""
    recall, shown, seconds = report["recall"], report["shown"], report["seconds"]
    after = recall["after"][CHIEF_METRIC]
    lines = [
        f"{report['items']['new']:,} new items, {percent(report['items']['new_share'])} of the catalogue, were added by "
        f"POST /v1/items. {_replicas(seconds['replicas'])} recommended from them after {seconds['all_replicas']:.2f} s; "
        f"{_first_shown(seconds['first_shown'])}.",
        f"The next item of {report['users']['of_new']:,} users is one of them: recall@10 is {estimate(after)}; before the "
        f"edit it is {number(recall['before'][CHIEF_METRIC].value)}, for a model of item ids alone 0, for ten random items "
        f"{number(recall['chance_hr_at_10'])}.",
        f"New items take {percent(shown['of_new']['place_share'].value)} of the places shown to these users"
        + (f" and {percent(shown['others']['place_share'].value)} of those shown to others" if shown["others"] else "")
        + ".",
    ]
    if seconds["pending"]:
        lines.append(
            f"Replicas without the edit after the timeout: {seconds['pending']}; some answers may lack the new items."
        )
    return lines


def _replicas(count: int) -> str:
    return "The one replica" if count == 1 else f"All {count} replicas"


def _first_shown(seconds: float | None) -> str:
    return "no user was shown one" if seconds is None else f"the first answer with one came after {seconds:.2f} s"


def _summary(report: NewItemsReport) -> Section:
    return Section("Summary", [Bullets(summarize(report))])


def _protocol(report: NewItemsReport) -> Section:
    return Section("What was measured", [Bullets(report["statements"])])


def _seconds(report: NewItemsReport) -> Section:
    seconds = report["seconds"]
    first = UNKNOWN if seconds["first_shown"] is None else f"{seconds['first_shown']:.2f}"
    rows = [
        ["all replicas recommend from the new catalogue", f"{seconds['all_replicas']:.2f}"],
        ["the first answer contains a new item", first],
    ]
    text = (
        "Times are counted from the request that adds all items. A second client sent requests one after the other in "
        "the meantime, so the resolution of the second time is one request."
    )
    return Section(
        "Seconds until they are recommended",
        [Paragraph(text), Table("Seconds since the POST was sent", ["until", "seconds"], rows)],
    )


def _recall(report: NewItemsReport) -> Section:
    recall, among = report["recall"], report["among_new"]
    chance = {CHIEF_METRIC: MeasuredValue.exact(recall["chance_hr_at_10"])}
    among_chance = {CHIEF_METRIC: MeasuredValue.exact(among["chance_hr_at_10"])}
    zeros = {name: MeasuredValue.exact(0.0) for name in METRIC_NAMES}
    rows = [
        _row(f"{MODEL_TITLE}, items added", recall["after"]),
        _row(f"{MODEL_TITLE}, before the items were added", recall["before"]),
        _row("a model of item ids alone", zeros),
        _row("ten items at random", chance),
    ]
    among_rows = [_row(MODEL_TITLE, among["metrics"]), _row("ten new items at random", among_chance)]
    text = (
        "A model of item ids alone, such as SASRec, and counts of events cannot recommend an item without events: their "
        "recall is 0 by construction, not by measurement."
    )
    among_text = (
        "Only the new items are allowed. This measures how well their texts distinguish them, independent of the scores "
        "of other items."
    )
    return Section(
        "Recall of users whose next item is a new one",
        [
            Paragraph(text),
            Table("Among all items", _HEAD, rows),
            Paragraph(among_text),
            Table("Among the new items alone", _HEAD, among_rows),
        ],
    )


def _shown(report: NewItemsReport) -> Section:
    kinds = [("users whose next item is a new one", "of_new"), ("other users", "others")]
    rows = [
        [title, estimate(shown["place_share"]), estimate(shown["user_share"]), number(shown["item_share"])]
        for title, kind in kinds
        if (shown := report["shown"][kind]) is not None
    ]
    text = (
        f"New items are {percent(report['items']['new_share'])} of the catalogue. If they were shown as often as other "
        "items, this would be their share of the places."
    )
    head = ["shown to", "share of the places", "share of users who see one", "share of new items that any user sees"]
    return Section(
        "How often they are shown", [Paragraph(text), Table("Shares of new items, ten places a user", head, rows)]
    )


def _others(report: NewItemsReport) -> Section:
    others = report["others"]
    if others is None:
        text = "The dataset has no users whose next item is not a new one."
        return Section("Effect on other users", [Paragraph(text)])
    rows = [
        _row("before the items were added", others["before"]),
        _row("after", others["after"]),
        ["after minus before", *(estimate(others["difference"][name], sign=True) for name in METRIC_NAMES)],
    ]
    word = verdict(CHIEF_METRIC, others["difference"][CHIEF_METRIC])
    finding = "cannot be told apart from 0" if word == CANNOT_TELL else f"is {word} after the edit"
    text = f"The next item of these users is not a new one. The paired difference of HR@10 {finding}."
    table = Table("Users whose next item is not a new one", _HEAD, rows)
    return Section("Effect on other users", [Paragraph(text), table])


def _settings(report: NewItemsReport) -> Section:
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    lines = "\n".join(f"{name}: {values}" for name, values in report["config"].items())
    return Section("Settings", [Paragraph(versions), Fold("All settings of the run", [Code(lines)])])


def _row(title: str, metrics: Metrics) -> list[str]:
    return [title, *(estimate(metrics.get(name)) for name in METRIC_NAMES)]
