"""The sections of a report on how well items are ranked: summary, protocol, tables and comparisons."""

from collections.abc import Iterable

from recsys_model.evaluation.metrics import METRIC_NAMES
from recsys_platform.evaluate.report.content import Report
from recsys_platform.evaluate.report.document import Block, Heading, Items, Paragraph, Picture, Section, Table
from recsys_platform.evaluate.report.measured import Competitors, Difference, MeasuredValue, Metrics, RankingTable
from recsys_platform.evaluate.report.wording import (
    CANNOT_TELL,
    CHIEF_METRIC,
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

_PHRASES: dict[str, str] = {
    "better": "is better",
    "worse": "is worse",
    CANNOT_TELL: "cannot be told apart from it",
}
_COMPETITORS: dict[Competitors, str] = {
    "catalogue": "against the whole catalogue",
    "sampled": "among sampled negatives",
    "given": "among given candidates",
}


def summary_section(report: Report) -> Section:
    """Return how well the model ranks, how that compares with the best other method, and whether others fall short."""
    if not report.rankings:
        text = (
            f"No ranking of next items was measured. {len(report.tasks)} evaluations of task families are listed below."
        )
        return Section("Summary", [Paragraph(text)])
    ranking = report.rankings[0]
    figure = ranking.metrics[MODEL][CHIEF_METRIC]
    first = (
        f"{method_title(report, MODEL)} has the item that a user took next among its first ten for "
        f"{percent(figure.value)} of {report.num_users:,} users{_interval_in_percent(figure)}, "
        f"ranked {_COMPETITORS[ranking.competitors]}."
    )
    blocks: list[Block] = [Paragraph(f"{first} {_comparison(report, ranking)}")]
    warnings = report.baselines.warnings
    return Section("Summary", blocks + ([Items(warnings, title="Warnings")] if warnings else []))


def protocol_section(report: Report) -> Section:
    """Return what was measured, one sentence a line."""
    counts = f"{report.num_users:,} of {report.num_users_in_split:,} users, {report.num_items:,} items."
    statements = [*report.statements, counts, "Intervals are of 95 %; differences are paired over the same users."]
    return Section("What was measured", [Items(statements)])


def ranking_section(report: Report) -> Section:
    """Return, for each protocol of ranking, the table of every method, a plot and the paired differences."""
    blocks: list[Block] = []
    for place, ranking in enumerate(report.rankings, start=1):
        blocks += [Heading(ranking.title)]
        own = [sentence for sentence in ranking.statements if sentence not in report.statements]
        blocks += [Items(own)] if own else []
        text = f"HR@10 of every method with its 95 % interval ({ranking.title})."
        blocks += [_metrics_table(report, ranking), Picture(f"methods_{place}", text)]
        blocks += _differences(report, ranking)
    if report.breakdowns is not None and report.rankings:
        text = f"Hit rate over the number of items looked at ({report.rankings[0].title})."
        blocks += [Picture("hit_rate_over_k", text)]
    return Section("Ranking", blocks or [Paragraph("No ranking of next items was measured.")])


def _metrics_table(report: Report, ranking: RankingTable) -> Table:
    names = _metric_names(ranking.metrics.values())
    rows = [
        [method_title(report, method), *(estimate(ranking.metrics[method].get(name)) for name in names)]
        for method in in_order(report, ranking.metrics)
    ]
    return Table(f"{ranking.title}: figures with 95 % intervals", ["method", *map(metric_title, names)], rows)


def _metric_names(tables: Iterable[Metrics]) -> list[str]:
    """Return the metrics that occur, those of every ranking first."""
    names = dict.fromkeys(name for metrics in tables for name in metrics)
    return [name for name in METRIC_NAMES if name in names] + [name for name in names if name not in METRIC_NAMES]


def _differences(report: Report, ranking: RankingTable) -> list[Block]:
    """Return the paired differences as a table and as sentences."""
    if not ranking.differences:
        return []
    names = _metric_names(difference.metrics for difference in ranking.differences)
    rows = [
        [
            method_title(report, difference.baseline),
            *(estimate(difference.metrics.get(name), sign=True) for name in names),
        ]
        for difference in ranking.differences
    ]
    caption = f"{ranking.title}: {method_title(report, MODEL)} minus each other method, paired over the same users"
    sentences = [_verdicts(report, difference) for difference in ranking.differences]
    return [Table(caption, ["compared with", *map(metric_title, names)], rows), Items(sentences)]


def _verdicts(report: Report, difference: Difference) -> str:
    """Return one sentence on all metrics against one baseline."""
    words: dict[str, list[str]] = {}
    for name, figure in difference.metrics.items():
        words.setdefault(verdict(name, figure), []).append(metric_title(name))
    phrases = [f"{_PHRASES[word]} in {listed(names)}" for word, names in words.items()]
    other = method_title(report, difference.baseline)
    return f"Compared with {other}, {method_title(report, MODEL)} {listed(phrases)}."


def _interval_in_percent(figure: MeasuredValue) -> str:
    if figure.interval is None:
        return ""
    low, high = figure.interval
    return f" (95 % interval {percent(low)} to {percent(high)})"


def _comparison(report: Report, ranking: RankingTable) -> str:
    """Return one sentence on the strongest of the methods that the model was compared with."""
    if not ranking.differences:
        return "No other method was measured on the same users."
    strongest = max(ranking.differences, key=lambda each: ranking.metrics[each.baseline][CHIEF_METRIC].value)
    difference = strongest.metrics[CHIEF_METRIC]
    word = verdict(CHIEF_METRIC, difference)
    says = f"That {CANNOT_TELL} from" if word == CANNOT_TELL else f"That is {word} than"
    theirs = percent(ranking.metrics[strongest.baseline][CHIEF_METRIC].value)
    limits = f"{number(difference.low, sign=True)} to {number(difference.high, sign=True)}"
    return (
        f"{says} the best other method, {method_title(report, strongest.baseline)} ({theirs}): the paired difference "
        f"of HR@10 is {number(difference.value, sign=True)} ({limits})."
    )
