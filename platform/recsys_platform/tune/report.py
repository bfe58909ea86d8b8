"""The result of the search as a table and as a picture like Figure 3 of the paper."""

import csv
import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from recsys_platform.evaluate.report.document import Table
from recsys_platform.evaluate.report.markdown import format_table
from recsys_platform.evaluate.report.plot_style import LIGHT, Theme, line_style, to_png
from recsys_platform.evaluate.report.wording import metric_title, number
from recsys_platform.tune.trial import RankResult

PAPER_RANK_TO_HR_AT_1 = {2: 0.3709, 4: 0.4276, 8: 0.4965, 16: 0.4989, 32: 0.462}
"""Figure 3: GLM-10B on Alipay data, one of the candidates; not comparable in height."""
_HIT_RATE = metric_title("hr_at_1")
HEAD = ("LoRA rank", "trainable parameters", _HIT_RATE, "95 % interval", "eval loss", "minutes")
CSV_FILE = "ranks.csv"
MARKDOWN_FILE = "ranks.md"
PLOT_FILE = "hr_at_1.png"


def best_of(results: Sequence[RankResult]) -> RankResult:
    """Return the result with the highest HR@1; of equals the lower loss, then the lower rank."""
    return min(results, key=lambda result: (-result.hr_at_1, result.eval_loss, result.rank))


def write_tables(folder: Path, results: Sequence[RankResult], num_users: int) -> None:
    """Write the table as CSV and as Markdown."""
    with (folder / CSV_FILE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=[item.name for item in dataclasses.fields(RankResult)])
        writer.writeheader()
        writer.writerows(dataclasses.asdict(result) for result in results)
    (folder / MARKDOWN_FILE).write_text(format_ranks(results, num_users), encoding="utf-8")


def format_ranks(results: Sequence[RankResult], num_users: int) -> str:
    """Return the table in Markdown, the best rank in bold."""
    best = best_of(results)
    marked = frozenset(place for place, result in enumerate(results) if result is best)
    table = Table("LoRA ranks", HEAD, [_cells(result) for result in results], marked)
    note = f"{_HIT_RATE} on {num_users} validation users against the whole catalogue; best rank: {best.rank}."
    return f"{format_table(table)}\n\n{note}\n"


def draw_plot(path: Path, results: Sequence[RankResult]) -> None:
    """Draw HR@1 against the rank, and the paper's values in a plot of their own."""
    path.write_bytes(to_png(functools.partial(_figure_of, results), LIGHT))


def _cells(result: RankResult) -> list[str]:
    return [
        str(result.rank),
        f"{result.num_trainable_parameters:,}",
        number(result.hr_at_1),
        f"{number(result.hr_at_1_low)}-{number(result.hr_at_1_high)}",
        f"{result.eval_loss:.4f}",
        f"{result.minutes:.2f}",
    ]


def _figure_of(results: Sequence[RankResult], theme: Theme) -> Figure:
    figure = Figure(figsize=(9, 4), layout="constrained")
    ours, paper = figure.subplots(1, 2)
    ranks = [result.rank for result in results]
    below = [result.hr_at_1 - result.hr_at_1_low for result in results]
    above = [result.hr_at_1_high - result.hr_at_1 for result in results]
    hit_rates = [result.hr_at_1 for result in results]
    ours.errorbar(ranks, hit_rates, yerr=[below, above], capsize=3, **line_style(theme, 0))
    _label(ours, ranks, "this run, with 95 % intervals")
    paper_ranks = list(PAPER_RANK_TO_HR_AT_1)
    paper.plot(paper_ranks, list(PAPER_RANK_TO_HR_AT_1.values()), **line_style(theme, 1))
    _label(paper, paper_ranks, "paper, Figure 3 (GLM-10B, Alipay)")
    return figure


def _label(axes: Axes, ranks: Sequence[int], title: str) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(ranks, [str(rank) for rank in ranks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("LoRA rank")
    axes.set_ylabel(_HIT_RATE)
    axes.set_title(title)
