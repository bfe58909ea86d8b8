"""The report sections after the rankings: exposure, user groups, training, speed, examples, settings."""

import json
from collections.abc import Sequence

from recsys_platform.evaluate.report.content import ExampleCase, LearningCurve, Report
from recsys_platform.evaluate.report.document import (
    Block,
    Bullets,
    Code,
    Fold,
    Paragraph,
    Picture,
    Section,
    Table,
)
from recsys_platform.evaluate.report.measured import Breakdowns, Exposure, GroupRates
from recsys_platform.evaluate.report.wording import TAKEN, estimate, in_order, method_title, number, percent

_EXPOSURE_HEAD = (
    "method",
    "catalogue coverage@10",
    "Gini index of exposure",
    "mean popularity, training events",
    "share of long-tail items",
)
_POPULARITY_TEXT = "HR@10 by popularity of the target item, in tenths of the catalogue by training events"
_HISTORY_TEXT = "HR@10 by length of the history"
_TIMES_TEXT = "HR@10 of all users, and of users whose held-out event has a time of its own"
_TIES = (
    "An event has a time of its own if no other event of the user has the same time. Among events with equal times, "
    "data.tie_order decides which one is held out, so a method can predict it from the order of the table."
)


def exposure_section(report: Report) -> Section:
    """Return coverage and popularity bias of each method's recommendations and of the items that users took."""
    exposure, title = report.exposure, "Coverage and popularity bias"
    if not exposure:
        return Section(title, [Paragraph("Exposure was not measured.")])
    methods = [method for method in in_order(report, exposure) if method != TAKEN]
    rows = [[method_title(report, method), *_exposure_cells(exposure[method])] for method in methods]
    rows += [["the items that users took", *_exposure_cells(exposure[TAKEN])]] if TAKEN in exposure else []
    table = Table("The first ten items of each method", _EXPOSURE_HEAD, rows)
    return Section(title, [table, *_bullets(report.exposure_statements)])


def groups_section(report: Report) -> Section:
    """Return hit rates by ties in time, by popularity of the target and by length of the history."""
    blocks = [] if report.breakdowns is None else _groups(report, report.breakdowns)
    return Section("Hit rates of groups", blocks or [Paragraph("Hit rates of groups were not measured.")])


def training_section(report: Report) -> Section:
    """Return the learning curve."""
    title, curve = "Training", report.learning_curve
    if curve is None:
        return Section(title, [Paragraph("The checkpoint has no record of its training.")])
    pictures = [Picture("learning_curve", "Loss over optimiser steps.")]
    if curve.families:
        pictures.append(Picture("family_losses", "Validation loss of each task family over optimiser steps."))
    return Section(title, [Paragraph(_end_of_training(curve)), *pictures])


def speed_section(report: Report) -> Section:
    """Return the seconds of the evaluation and the users per second."""
    workers = report.config.get("evaluate", {}).get("num_workers")
    on = f" on {workers} workers" if workers else ""
    text = (
        f"The evaluation took {report.seconds:.0f} s. Recommending took {report.seconds_recommending:.0f} s of them: "
        f"{report.users_per_second:.1f} users per second{on}, including the start of the workers."
    )
    return Section("Speed", [Paragraph(text)])


def examples_section(report: Report) -> Section:
    """Return examples: a user's history, the next item and the recommended items."""
    rule: list[Block] = [Paragraph(report.examples_statement)] if report.examples_statement else []
    cases: list[Block] = [_example(example) for example in report.examples]
    return Section("Examples", [*rule, *(cases or [Paragraph("There are no examples.")])])


def settings_section(report: Report) -> Section:
    """Return the full configuration and the versions of packages."""
    config = json.dumps(report.config, indent=1, ensure_ascii=False)
    versions = [[name, version] for name, version in report.versions.items()]
    return Section(
        "Configuration and versions",
        [
            Fold("Full configuration of the run", [Code(config)]),
            Fold("Versions of packages", [Table("Installed versions", ["package", "version"], versions)]),
        ],
    )


def _exposure_cells(exposure: Exposure) -> list[str]:
    return [
        percent(exposure.coverage),
        number(exposure.gini),
        f"{exposure.mean_popularity:.1f}",
        percent(exposure.long_tail_share),
    ]


def _groups(report: Report, breakdowns: Breakdowns) -> list[Block]:
    blocks: list[Block] = []
    if report.rankings:
        blocks += [Paragraph(f'The ranking is "{report.rankings[0].title}". Intervals are 95 % Wilson intervals.')]
    if breakdowns.times is not None:
        blocks += [Paragraph(_TIES), _group_table(report, breakdowns.times, "group", _TIMES_TEXT)]
    tenths = _group_table(report, breakdowns.popularity, "tenth of the catalogue (10: most popular)", _POPULARITY_TEXT)
    lengths = _group_table(report, breakdowns.history, "events in the history", _HISTORY_TEXT)
    for name, table in (("popularity", tenths), ("history", lengths)):
        blocks += [Picture(name, f"{table.caption}."), Fold(f"{table.caption}: table", [table])]
    return blocks


def _group_table(report: Report, rates: GroupRates, column: str, caption: str) -> Table:
    methods = in_order(report, rates.methods)
    rows = [
        [group.name, f"{group.num_users:,}", *(estimate(rates.methods[method][place]) for method in methods)]
        for place, group in enumerate(rates.groups)
    ]
    return Table(caption, [column, "users", *(method_title(report, method) for method in methods)], rows)


def _end_of_training(curve: LearningCurve) -> str:
    """Return one sentence with the last step, the minutes and the last losses."""
    curves = [("training", curve.train), ("validation", curve.eval)]
    losses = [f"{name} loss {number(points[-1][1])}" for name, points in curves if points]
    last_step = max(points[-1][0] for _, points in curves if points)
    minutes = f" after {curve.minutes:.1f} minutes" if curve.minutes is not None else ""
    return f"Training ended at step {last_step:,}{minutes}: {', '.join(losses)} (mean per target token, in nats)."


def _bullets(statements: Sequence[str]) -> list[Block]:
    return [Bullets(statements)] if statements else []


def _example(example: ExampleCase) -> Fold:
    rank = f"at rank {example.rank}" if example.rank else "not among the first ten"
    num_earlier = example.num_history - len(example.history)
    history = (
        f"history, oldest first ({num_earlier:,} earlier events not shown)" if num_earlier else "history, oldest first"
    )
    marked = frozenset(index for index, title in enumerate(example.recommended) if title == example.truth)
    return Fold(
        f"User {example.user_id} took {example.truth}: {rank}",
        [
            Bullets(example.history, title=history),
            Bullets([example.truth], title="took next", marked=frozenset({0})),
            Bullets(example.recommended, title="recommended, best first", is_numbered=True, marked=marked),
        ],
    )
