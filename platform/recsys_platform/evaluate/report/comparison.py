"""The typed content of `compare.json`, a comparison of two models on the same users, and its Markdown."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from recsys_platform.evaluate.report.document import Table
from recsys_platform.evaluate.report.markdown import escape, format_table
from recsys_platform.evaluate.report.measured import LEFT_OUT, Competitors, Metrics
from recsys_platform.evaluate.report.wording import OWN_TIME, estimate, metric_title


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparedRun:
    """One of the two runs."""

    name: str
    """Name of the run."""
    folder: str
    """Folder of its evaluation artifact."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparedMetrics:
    """Metrics of both models on the same users."""

    first: Metrics
    """HR@k and NDCG@k of the first model, 0 to 1."""
    second: Metrics
    """The same of the second model."""
    difference: Metrics
    """The first minus the second, -1 to 1; the interval is that of the paired difference."""
    verdicts: Mapping[str, str]
    """Maps a metric to the verdict on the first model."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparedGroup(ComparedMetrics):
    """Metrics of both models on some of the users."""

    num_users: int
    """Number of these users, at least 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparedRanking(ComparedMetrics):
    """Metrics of both models on all users under one protocol."""

    title: str
    """Title of the protocol."""
    competitors: Competitors
    """Candidate set of the protocol: the items that compete with the held-out one."""
    own_time: ComparedGroup | None = field(default=None, metadata=LEFT_OUT)
    """Users whose held-out event has a time of its own; absent if these are all users or none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """The models of two runs on the same users."""

    first: ComparedRun
    """The first run; differences are the first minus the second."""
    second: ComparedRun
    """The second run."""
    num_users: int
    """Number of users, the same in both, at least 1."""
    statements: tuple[str, ...]
    """Sentences that hold for all rankings."""
    rankings: tuple[ComparedRanking, ...]
    """One entry per protocol."""


def format_comparison(comparison: Comparison) -> str:
    """Return a comparison as Markdown; the terminal shows the same text."""
    first, second = _names(comparison)
    parts = [
        f"# {escape(first)} compared with {escape(second)}",
        f"{comparison.num_users:,} users, the same in both. Brackets show 95 % intervals. A difference is the first "
        "minus the second, paired over the same users. If its interval contains 0, the two cannot be told apart.",
        "\n".join(f"- {escape(statement)}" for statement in comparison.statements),
    ]
    head = ["metric", first, second, "difference", f"{first} is"]
    for ranking in comparison.rankings:
        parts += [f"## {escape(ranking.title)}", format_table(Table(ranking.title, head, _rows(ranking)))]
        if ranking.own_time is not None:
            group = f"Users with a {OWN_TIME}: {ranking.own_time.num_users:,} of {comparison.num_users:,}"
            parts += [f"### {group}", format_table(Table(group, head, _rows(ranking.own_time)))]
    return "\n\n".join(parts)


def _rows(metrics: ComparedMetrics) -> list[list[str]]:
    """Return one row per metric: both values, the difference and the verdict."""
    return [
        [
            metric_title(metric),
            estimate(metrics.first[metric]),
            estimate(metrics.second[metric]),
            estimate(difference, sign=True),
            metrics.verdicts[metric],
        ]
        for metric, difference in metrics.difference.items()
    ]


def _names(comparison: Comparison) -> tuple[str, str]:
    """Return the names of the runs, with (A) and (B) if they are equal."""
    first, second = comparison.first.name, comparison.second.name
    return (first, second) if first != second else (f"{first} (A)", f"{second} (B)")
