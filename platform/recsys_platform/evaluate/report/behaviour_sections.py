"""The sections of a report behind the figures: exposure, groups of users, training, speed, cases, settings."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from recsys_platform.evaluate.report.document import (
    Block,
    Code,
    Fold,
    Items,
    Paragraph,
    Picture,
    Section,
    Table,
)
from recsys_platform.evaluate.report.wording import TAKEN, UNKNOWN, estimate, in_order, method_title, number, percent

Report = Mapping[str, Any]
"""As in report.json."""

_EXPOSURE: dict[str, tuple[str, Callable[[float | None], str]]] = {
    "coverage": ("catalogue coverage@10", percent),
    "gini": ("Gini index of exposure", number),
    "mean_popularity": ("mean popularity, training events", lambda value: UNKNOWN if value is None else f"{value:.1f}"),
    "long_tail_share": ("share of long-tail items", percent),
}
_BREAKDOWNS = {
    "popularity": (
        "tenth of the catalogue (10: most popular)",
        "HR@10 by popularity of the item that was taken, in tenths of the catalogue by training events",
    ),
    "history": ("events in the history", "HR@10 by length of the history"),
}
_TIMES = "HR@10 of users whose held-out event has a time of its own, beside all users"
_TIES = (
    "An event has a time of its own if no other event of the user has the same time. Which of several events with one "
    "time is held out depends on data.tie_order, so a method can score on them by the order of the table."
)


def exposure_section(report: Report) -> Section:
    """Return coverage and popularity bias of what is recommended, beside what users really took."""
    exposure, title = report["exposure"], "Coverage and popularity bias"
    if not exposure:
        return Section(title, [Paragraph("Exposure was not measured.")])
    methods = [method for method in in_order(report, exposure) if method != TAKEN]
    names = [(method, method_title(report, method)) for method in methods]
    names += [(TAKEN, "what users really took")] if TAKEN in exposure else []
    rows = [
        [shown, *(write(exposure[method].get(key)) for key, (_, write) in _EXPOSURE.items())] for method, shown in names
    ]
    head = ["method", *(heading for heading, _ in _EXPOSURE.values())]
    table = Table("The ten items that each method puts first", head, rows)
    return Section(title, [table, *_bullets(report.get("exposure_statements", []))])


def groups_section(report: Report) -> Section:
    """Return hit rates by ties in time as a table, by popularity of the target and length of the history with plots."""
    breakdowns, title = report.get("breakdowns", {}), "Where it hits"
    blocks: list[Block] = []
    if breakdowns and report["rankings"]:
        blocks += [Paragraph(f'Of the ranking "{report["rankings"][0]["title"]}"; intervals are Wilson\'s, of 95 %.')]
    if "times" in breakdowns:
        blocks += [Paragraph(_TIES), _group_table(report, breakdowns["times"], "group", _TIMES)]
    for name, (column, text) in _BREAKDOWNS.items():
        if name in breakdowns:
            table = _group_table(report, breakdowns[name], column, text)
            blocks += [Picture(name, f"{text}."), Fold(f"{text}: the figures", [table])]
    return Section(title, blocks or [Paragraph("Hit rates of groups were not measured.")])


def training_section(report: Report) -> Section:
    """Return the learning curve."""
    curve = report.get("learning_curve")
    if not curve:
        return Section("Training", [Paragraph("The checkpoint holds no record of its training.")])
    ends = [f"{name} loss {number(curve[key][-1][1])}" for key, name in _CURVES.items() if curve[key]]
    minutes = f" after {curve['minutes']:.1f} minutes" if curve.get("minutes") is not None else ""
    last = max(points[-1][0] for points in (curve["train"], curve["eval"]) if points)
    text = f"Ended at step {last:,}{minutes}: {', '.join(ends)} (mean of a target token, in nats)."
    pictures = [Picture("learning_curve", "Loss over the steps of the optimiser.")]
    if curve["families"]:
        pictures.append(Picture("family_losses", "Validation loss of each family of tasks over the steps."))
    return Section("Training", [Paragraph(text), *pictures])


def speed_section(report: Report) -> Section:
    """Return how long the evaluation took and how many users it served."""
    workers = report["config"].get("evaluate", {}).get("num_workers")
    on = f" on {workers} workers" if workers else ""
    text = (
        f"The evaluation took {report['seconds']:.0f} s, of which {report['seconds_recommending']:.0f} s went into "
        f"recommending: {report['users_per_second']:.1f} users a second{on}, their start included."
    )
    return Section("Speed", [Paragraph(text)])


def examples_section(report: Report) -> Section:
    """Return cases to read: what a user had, what came next, what was recommended."""
    blocks: list[Block] = []
    for example in report["examples"]:
        found = f"found at rank {example['rank']}" if example["rank"] else "not found among the first ten"
        blocks += [Fold(f"User {example['user_id']} took {example['truth']}: {found}", _example(example))]
    rule = report.get("examples_statement")
    return Section("Examples", [*([Paragraph(rule)] if rule else []), *(blocks or [Paragraph("There are none.")])])


def settings_section(report: Report) -> Section:
    """Return the full configuration and the versions of packages."""
    config = json.dumps(report["config"], indent=1, ensure_ascii=False)
    versions = [[name, version] for name, version in report["versions"].items()]
    return Section(
        "Configuration and versions",
        [
            Fold("Full configuration of the run", [Code(config)]),
            Fold("Versions of packages", [Table("Installed versions", ["package", "version"], versions)]),
        ],
    )


_CURVES = {"train": "training", "eval": "validation"}


def _bullets(statements: list[str]) -> list[Block]:
    return [Items(statements)] if statements else []


def _group_table(report: Report, groups: Mapping[str, Any], column: str, caption: str) -> Table:
    methods = in_order(report, groups["methods"])
    rows = [
        [group["name"], f"{group['num_users']:,}", *(estimate(groups["methods"][method][place]) for method in methods)]
        for place, group in enumerate(groups["groups"])
    ]
    return Table(caption, [column, "users", *(method_title(report, method) for method in methods)], rows)


def _example(example: Mapping[str, Any]) -> list[Block]:
    earlier = example["num_history"] - len(example["history"])
    history = f"history, oldest first ({earlier:,} earlier events not shown)" if earlier else "history, oldest first"
    truth = example["truth"]
    marked = frozenset(place for place, title in enumerate(example["recommended"]) if title == truth)
    return [
        Items(example["history"], title=history),
        Items([truth], title="took next", marked=frozenset({0})),
        Items(example["recommended"], title="recommended, best first", is_numbered=True, marked=marked),
    ]
