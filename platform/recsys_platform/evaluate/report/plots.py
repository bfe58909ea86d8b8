"""The plots of rankings: functions from a report to a matplotlib Figure, by the names of the report's pictures.

`loss_plots.py` has the plots of the training.
"""

import functools
from collections.abc import Callable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recsys_platform.evaluate.report.content import Report
from recsys_platform.evaluate.report.loss_plots import draw_family_losses, draw_learning_curve
from recsys_platform.evaluate.report.measured import GroupRates, MeasuredValue, RankingTable
from recsys_platform.evaluate.report.plot_style import (
    DARK,
    LIGHT,
    Drawing,
    LineStyle,
    Theme,
    add_legend,
    draw_png,
    label,
    line_style,
    new_figure,
    top_of_axis,
)
from recsys_platform.evaluate.report.wording import BEST_REACHABLE, CHIEF_METRIC, MODEL, in_order, method_title

_POPULARITY_AXIS = "tenth of the catalogue with the target item, by training events (10: most popular)"
_HISTORY_AXIS = "events in the user's history"
_MOST_WITH_INTERVALS = 3


def draw_plots(report: Report, names: list[str]) -> dict[str, tuple[Drawing, Drawing]]:
    """Return each named plot for light and for dark pages."""
    drawers = {name: _drawer(report, name) for name in names}
    return {name: (draw_png(draw, LIGHT), draw_png(draw, DARK)) for name, draw in drawers.items()}


def draw_methods(report: Report, ranking: RankingTable, theme: Theme) -> Figure:
    """Return HR@10 of every method of a ranking, one line each, with its 95 % interval; the model on top."""
    hit_rates = {name: metrics[CHIEF_METRIC] for name, metrics in ranking.metrics.items() if CHIEF_METRIC in metrics}
    methods = in_order(report, hit_rates)
    figure = Figure(figsize=(7.0, 1.1 + 0.42 * len(methods)), layout="constrained")
    axes = figure.subplots()
    for place, method in enumerate(methods):
        _draw_method(axes, place, hit_rates[method], theme, is_model=method == MODEL)
    axes.set_yticks(range(len(methods)), [label(method_title(report, method)) for method in methods])
    axes.set_ylim(len(methods) - 0.4, -0.6)
    axes.set_xlim(0.0, 1.12 * top_of_axis([_right_end(measured) for measured in hit_rates.values()]))
    axes.set_xlabel("HR@10, share of users")
    axes.set_title(f"{ranking.title}: HR@10 with 95 % intervals")
    axes.grid(visible=False, axis="y")
    return figure


def draw_hit_rate_over_k(report: Report, theme: Theme) -> Figure:
    """Return HR@k of every method over k; the report has breakdowns."""
    assert report.breakdowns is not None, "only a report with breakdowns has this picture"
    curves = report.breakdowns.hit_rate_over_k
    figure, axes = new_figure(height=4.4)
    for place, method in _places(in_order(report, curves.methods)):
        name, style = label(method_title(report, method)), line_style(theme, place)
        axes.plot(curves.ks, curves.methods[method], label=name, clip_on=False, **style)
    best = _best_reachable(report)
    if best:
        name = label(method_title(report, BEST_REACHABLE))
        axes.plot([*best], [*best.values()], linestyle="", marker="*", markersize=11, color=theme.text, label=name)
    axes.set_ylim(0.0, top_of_axis([*best.values(), *(max(rates) for rates in curves.methods.values())]))
    axes.set_xticks(curves.ks)
    axes.set_xlabel("k, number of recommended items")
    axes.set_ylabel("HR@k, share of users")
    axes.set_title("Share of users whose next item is among the first k")
    add_legend(figure)
    return figure


def draw_popularity(report: Report, theme: Theme) -> Figure:
    """Return HR@10 of every method by popularity of the held-out item; the report has breakdowns."""
    assert report.breakdowns is not None, "only a report with breakdowns has this picture"
    return _draw_groups(report, report.breakdowns.popularity, _POPULARITY_AXIS, theme)


def draw_history(report: Report, theme: Theme) -> Figure:
    """Return HR@10 of every method by length of the history; the report has breakdowns."""
    assert report.breakdowns is not None, "only a report with breakdowns has this picture"
    return _draw_groups(report, report.breakdowns.history, _HISTORY_AXIS, theme)


_DRAWERS: Mapping[str, Callable[[Report, Theme], Figure]] = {
    "hit_rate_over_k": draw_hit_rate_over_k,
    "popularity": draw_popularity,
    "history": draw_history,
    "learning_curve": draw_learning_curve,
    "family_losses": draw_family_losses,
}


def _drawer(report: Report, name: str) -> Callable[[Theme], Figure]:
    kind, _, place = name.partition("_")
    if kind == "methods":
        return functools.partial(draw_methods, report, report.rankings[int(place) - 1])
    return functools.partial(_DRAWERS[name], report)


def _draw_method(axes: Axes, place: int, measured: MeasuredValue, theme: Theme, *, is_model: bool) -> None:
    color = theme.model if is_model else theme.text
    if measured.interval is not None:
        axes.hlines(place, *measured.interval, color=color, linewidth=2)
    marker = "o" if is_model else "s"
    axes.plot(measured.value, place, linestyle="", markersize=7, color=color, marker=marker)
    _write_right_of(axes, f"{measured.value:.4f}", _right_end(measured), place, theme)


def _draw_groups(report: Report, rates: GroupRates, axis: str, theme: Theme) -> Figure:
    """Return HR@10 of every method over groups of users, with intervals of the model, or of all if methods are few."""
    methods = in_order(report, rates.methods)
    has_all_intervals = len(methods) <= _MOST_WITH_INTERVALS
    figure, axes = new_figure(height=4.6)
    tops: list[float] = []
    for place, method in _places(methods):
        has_intervals = method == MODEL or has_all_intervals
        xs = [group + _shift(place, len(methods)) for group in range(len(rates.groups))]
        style = line_style(theme, place)
        name = label(method_title(report, method))
        tops += _draw_rates(axes, xs, rates.methods[method], name, style, has_intervals=has_intervals)
    axes.set_xticks(range(len(rates.groups)), [f"{group.name}\n({group.num_users:,})" for group in rates.groups])
    axes.set_ylim(0.0, top_of_axis(tops))
    axes.set_xlabel(f"{axis}; in brackets: users", fontsize="small")
    axes.set_ylabel("HR@10, share of users")
    axes.set_title(f"HR@10 with 95 % intervals{'' if has_all_intervals else ' of the model'}")
    add_legend(figure)
    return figure


def _draw_rates(
    axes: Axes,
    xs: Sequence[float],
    rates: Sequence[MeasuredValue | None],
    name: str,
    style: LineStyle,
    *,
    has_intervals: bool,
) -> list[float]:
    """Draw one method over the groups that have users; return the upper ends of points and intervals."""
    points = [(x, rate) for x, rate in zip(xs, rates, strict=True) if rate is not None]
    values = [rate.value for _, rate in points]
    axes.plot([x for x, _ in points], values, label=name, clip_on=False, **style)
    limits = [(x, *rate.interval) for x, rate in points if has_intervals and rate.interval is not None]
    if limits:
        places, low, high = zip(*limits, strict=True)
        axes.vlines(places, low, high, color=style["color"], linewidth=1.2, alpha=0.8)
    return [*values, *(high for _, _, high in limits)]


def _shift(place: int, num_methods: int) -> float:
    """Return the horizontal offset of a method, so that intervals of one group do not overlap."""
    return 0.12 * (place - (num_methods - 1) / 2) / max(1, num_methods / 3)


def _best_reachable(report: Report) -> dict[int, float]:
    """Return the best reachable HR@k by k, ascending; empty if unknown."""
    metrics = report.rankings[0].metrics.get(BEST_REACHABLE, {}) if report.rankings else {}
    rates = {int(name.removeprefix("hr_at_")): metrics[name].value for name in metrics if name.startswith("hr_at_")}
    return dict(sorted(rates.items()))


def _write_right_of(axes: Axes, text: str, x: float, y: float, theme: Theme) -> None:
    """Write to the right of a point, over the grid."""
    box = {"facecolor": theme.page, "edgecolor": "none", "pad": 1.5}
    axes.annotate(text, (x, y), xytext=(9, 0), textcoords="offset points", va="center", bbox=box)


def _right_end(measured: MeasuredValue) -> float:
    return measured.value if measured.interval is None else measured.interval[1]


def _places(methods: list[str]) -> list[tuple[int, str]]:
    """Return each method with its index in the styles: 0 is reserved for the model."""
    others = [method for method in methods if method != MODEL]
    return [(0, MODEL)] * (MODEL in methods) + list(enumerate(others, start=1))
