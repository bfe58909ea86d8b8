"""The report sections on rankings: summary, protocol, tables of metrics, paired differences."""

from collections.abc import Iterable

from recsys_model.evaluation.metrics import METRIC_NAMES
from recsys_platform.evaluate.report.content import Report
from recsys_platform.evaluate.report.document import Block, Bullets, Heading, Paragraph, Picture, Section, Table
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
    """Return the model's HR@10, its paired difference to the best other method, and warnings on weak baselines."""
    if not report.rankings:
        text = (
            f"No ranking of next items was measured. The report has {len(report.tasks)} evaluations of task families."
        )
        return Section("Summary", [Paragraph(text)])
    ranking = report.rankings[0]
    hit_rate = ranking.metrics[MODEL][CHIEF_METRIC]
    sentence = (
        f"The first ten items of {method_title(report, MODEL)} include the next item of "
        f"{percent(hit_rate.value)} of {report.num_users:,} users{_interval_in_percent(hit_rate)}, "
        f"ranked {_COMPETITORS[ranking.competitors]}."
    )
    blocks: list[Block] = [Paragraph(f"{sentence} {_comparison(report, ranking)}")]
    warnings = report.baselines.warnings
    return Section("Summary", blocks + ([Bullets(warnings, title="Warnings")] if warnings else []))


def protocol_section(report: Report) -> Section:
    """Return the protocol, one sentence per line."""
    counts = f"{report.num_users:,} of {report.num_users_in_split:,} users, {report.num_items:,} items."
    statements = [
        *report.statements,
        counts,
        "Intervals are 95 % intervals. Differences are paired over the same users.",
    ]
    return Section("What was measured", [Bullets(statements)])


def ranking_section(report: Report) -> Section:
    """Return for each protocol the table of all methods, a plot and the paired differences."""
    blocks: list[Block] = []
    for place, ranking in enumerate(report.rankings, start=1):
        blocks += [Heading(ranking.title)]
        own = [sentence for sentence in ranking.statements if sentence not in report.statements]
        blocks += [Bullets(own)] if own else []
        text = f"HR@10 of every method with its 95 % interval ({ranking.title})."
        blocks += [_metrics_table(report, ranking), Picture(f"methods_{place}", text)]
        blocks += _differences(report, ranking)
    if report.breakdowns is not None and report.rankings:
        text = f"Hit rate over the number of recommended items k ({report.rankings[0].title})."
        blocks += [Picture("hit_rate_over_k", text)]
    return Section("Ranking", blocks or [Paragraph("No ranking of next items was measured.")])


def _metrics_table(report: Report, ranking: RankingTable) -> Table:
    names = _metric_names(ranking.metrics.values())
    rows = [
        [method_title(report, method), *(estimate(ranking.metrics[method].get(name)) for name in names)]
        for method in in_order(report, ranking.metrics)
    ]
    return Table(f"{ranking.title}: metrics with 95 % intervals", ["method", *map(metric_title, names)], rows)


def _metric_names(tables: Iterable[Metrics]) -> list[str]:
    """Return the names of all metrics in some tables, HR and NDCG first."""
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
    return [Table(caption, ["compared with", *map(metric_title, names)], rows), Bullets(sentences)]


def _verdicts(report: Report, difference: Difference) -> str:
    """Return one sentence on all metrics against one baseline."""
    words: dict[str, list[str]] = {}
    for name, measured in difference.metrics.items():
        words.setdefault(verdict(name, measured), []).append(metric_title(name))
    phrases = [f"{_PHRASES[word]} in {listed(names)}" for word, names in words.items()]
    other = method_title(report, difference.baseline)
    return f"Compared with {other}, {method_title(report, MODEL)} {listed(phrases)}."


def _interval_in_percent(measured: MeasuredValue) -> str:
    if measured.interval is None:
        return ""
    low, high = measured.interval
    return f" (95 % interval {percent(low)} to {percent(high)})"


def _comparison(report: Report, ranking: RankingTable) -> str:
    """Return one sentence that compares the model with the best other method."""
    if not ranking.differences:
        return "No other method was measured on the same users."
    strongest = max(ranking.differences, key=lambda each: ranking.metrics[each.baseline][CHIEF_METRIC].value)
    difference = strongest.metrics[CHIEF_METRIC]
    word = verdict(CHIEF_METRIC, difference)
    comparison = f"This {CANNOT_TELL} from" if word == CANNOT_TELL else f"This is {word} than"
    baseline_rate = percent(ranking.metrics[strongest.baseline][CHIEF_METRIC].value)
    limits = f"{number(difference.low, sign=True)} to {number(difference.high, sign=True)}"
    return (
        f"{comparison} the best other method, {method_title(report, strongest.baseline)} ({baseline_rate}): "
        f"the paired difference "
        f"of HR@10 is {number(difference.value, sign=True)} ({limits})."
    )
