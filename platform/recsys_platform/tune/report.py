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
"""Figure 3, on Alipay data; its rank 8 is HR@1 of Table 9 (ChatGLM-6B, among candidates). Not comparable in height."""
COMPETITORS = {"catalogue": "against the whole catalogue", "candidates": "among the candidates that the question lists"}
"""Whom the item has to beat, in words."""
_HIT_RATE = metric_title("hr_at_1")
HEAD = ("LoRA rank", "alpha", "trainable parameters", _HIT_RATE, "95 % interval", "eval loss", "minutes")
CSV_FILE = "ranks.csv"
MARKDOWN_FILE = "ranks.md"
PLOT_FILE = "hr_at_1.png"


def best_of(results: Sequence[RankResult]) -> RankResult:
    """Return the result with the highest HR@1; of equals the lower loss, then the lower rank."""
    return min(results, key=lambda result: (-result.hr_at_1, result.eval_loss, result.rank))


def write_tables(folder: Path, results: Sequence[RankResult], competitors: str) -> None:
    """Write the table as CSV and as Markdown; `competitors` is a key of `COMPETITORS`."""
    with (folder / CSV_FILE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=[item.name for item in dataclasses.fields(RankResult)])
        writer.writeheader()
        writer.writerows(dataclasses.asdict(result) for result in results)
    (folder / MARKDOWN_FILE).write_text(format_ranks(results, competitors), encoding="utf-8")


def format_ranks(results: Sequence[RankResult], competitors: str) -> str:
    """Return the table in Markdown, the best rank in bold."""
    best = best_of(results)
    marked = frozenset(place for place, result in enumerate(results) if result is best)
    table = Table("LoRA ranks", HEAD, [_cells(result) for result in results], marked)
    measured = f"{_HIT_RATE} on {best.num_users} validation users {COMPETITORS[competitors]}; best rank: {best.rank}."
    note = f"{measured} {_scale_of(results)}"
    return f"{format_table(table)}\n\n{note}\n"


def draw_plot(path: Path, results: Sequence[RankResult]) -> None:
    """Draw HR@1 against the rank, and the paper's values in a plot of their own."""
    path.write_bytes(to_png(functools.partial(_figure_of, results), LIGHT))


def _scale_of(results: Sequence[RankResult]) -> str:
    """Return a sentence on alpha / rank, the scale of an update."""
    scales = {result.alpha / result.rank for result in results}
    if len(scales) == 1:
        return f"The update is scaled by alpha / rank, {scales.pop():g} at every rank."
    return (
        "The update is scaled by alpha / rank, which changes with the rank here: rank and step size change together. "
        "lora.alpha_per_rank keeps the scale."
    )


def _cells(result: RankResult) -> list[str]:
    return [
        str(result.rank),
        f"{result.alpha:g}",
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
    _label(paper, paper_ranks, "paper, Figure 3 (Alipay, candidates)")
    return figure


def _label(axes: Axes, ranks: Sequence[int], title: str) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(ranks, [str(rank) for rank in ranks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("LoRA rank")
    axes.set_ylabel(_HIT_RATE)
    axes.set_title(title)
