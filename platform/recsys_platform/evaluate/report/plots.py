"""The plots of a report, each a function from the report to a Figure; names are those of the report's pictures."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from recsys_platform.evaluate.report.plot_style import (
    DARK,
    LIGHT,
    Theme,
    add_legend,
    label,
    line_style,
    to_png,
    top_of_axis,
)
from recsys_platform.evaluate.report.wording import MODEL, in_order, method_title

Report = Mapping[str, Any]
"""As in report.json."""

_GROUP_AXES = {
    "popularity": "tenth of the catalogue that the taken item is in, by training events (10: most popular)",
    "history": "events in the user's history",
}
_MOST_WITH_INTERVALS = 3


def draw_plots(report: Report, names: list[str]) -> dict[str, tuple[bytes, bytes]]:
    """Return each named plot as PNG, for light and for dark pages."""
    return {name: (to_png(_drawer(report, name), LIGHT), to_png(_drawer(report, name), DARK)) for name in names}


def draw_methods(report: Report, ranking: Mapping[str, Any], theme: Theme) -> Figure:
    """Return HR@10 of every method of a ranking, one line each, with its 95 % interval; the model on top."""
    methods = in_order(report, [name for name, entries in ranking["metrics"].items() if "hr_at_10" in entries])
    figure = Figure(figsize=(7.0, 1.1 + 0.42 * len(methods)), layout="constrained")
    axes = figure.subplots()
    ends = []
    for place, method in enumerate(methods):
        entry = ranking["metrics"][method]["hr_at_10"]
        style = {"color": theme.model if method == MODEL else theme.text, "marker": "o" if method == MODEL else "s"}
        if entry["low"] is not None:
            axes.hlines(place, entry["low"], entry["high"], color=style["color"], linewidth=2)
        axes.plot(entry["value"], place, linestyle="", markersize=7, **style)
        ends.append(entry["high"] if entry["low"] is not None else entry["value"])
        _write_beside(axes, f"{entry['value']:.4f}", ends[-1], place, theme)
    axes.set_yticks(range(len(methods)), [label(method_title(report, method)) for method in methods])
    axes.set_ylim(len(methods) - 0.4, -0.6)
    axes.set_xlim(0.0, 1.12 * top_of_axis(ends))
    axes.set_xlabel("HR@10, share of users")
    axes.set_title(f"{ranking['title']}: HR@10 with 95 % intervals")
    axes.grid(visible=False, axis="y")
    return figure


def draw_hit_rate_over_k(report: Report, theme: Theme) -> Figure:
    """Return HR@k of every method over k."""
    curves = report["breakdowns"]["hit_rate_over_k"]
    figure, axes = _new(height=4.4)
    methods = in_order(report, curves["methods"])
    for place, method in _places(methods):
        style = line_style(theme, place)
        axes.plot(
            curves["ks"], curves["methods"][method], label=label(method_title(report, method)), clip_on=False, **style
        )
    highest = max(max(values) for values in curves["methods"].values())
    best = report["rankings"][0]["metrics"].get("best_reachable")
    if best:
        points = sorted((int(name.removeprefix("hr_at_")), best[name]["value"]) for name in best if name[:2] == "hr")
        name = label(method_title(report, "best_reachable"))
        axes.plot(*zip(*points, strict=True), linestyle="", marker="*", markersize=11, color=theme.text, label=name)
        highest = max(highest, *(value for _, value in points))
    axes.set_ylim(0.0, top_of_axis([highest]))
    axes.set_xticks(curves["ks"])
    axes.set_xlabel("k, items looked at")
    axes.set_ylabel("HR@k, share of users")
    axes.set_title("Share of users whose next item is among the first k")
    add_legend(figure)
    return figure


def draw_groups(report: Report, name: str, theme: Theme) -> Figure:
    """Return HR@10 of every method over groups of users; intervals of the model, of all where there are few methods."""
    table = report["breakdowns"][name]
    methods = in_order(report, table["methods"])
    places = range(len(table["groups"]))
    has_all_intervals = len(methods) <= _MOST_WITH_INTERVALS
    figure, axes = _new(height=4.6)
    ends = []
    for place, method in _places(methods):
        entries = table["methods"][method]
        style = line_style(theme, place)
        beside = [group + 0.12 * (place - (len(methods) - 1) / 2) / max(1, len(methods) / 3) for group in places]
        values = [entry["value"] for entry in entries]
        axes.plot(beside, values, label=label(method_title(report, method)), clip_on=False, **style)
        ends += values
        if method == MODEL or has_all_intervals:
            low, high = ([entry[key] for entry in entries] for key in ("low", "high"))
            axes.vlines(beside, low, high, color=style["color"], linewidth=1.2, alpha=0.8)
            ends += high
    axes.set_xticks(places, [f"{group['name']}\n({group['num_users']:,})" for group in table["groups"]])
    axes.set_ylim(0.0, top_of_axis(ends))
    axes.set_xlabel(f"{_GROUP_AXES[name]}; in brackets: users", fontsize="small")
    axes.set_ylabel("HR@10, share of users")
    axes.set_title(f"HR@10 with 95 % intervals{'' if has_all_intervals else ' of the model'}")
    add_legend(figure)
    return figure


def draw_learning_curve(report: Report, theme: Theme) -> Figure:
    """Return training and validation loss over the steps of the optimiser."""
    curve = report["learning_curve"]
    figure, axes = _new(height=4.0)
    for place, (key, name) in enumerate((("train", "training (all objectives)"), ("eval", "validation"))):
        if curve[key]:
            style: dict[str, Any] = {**line_style(theme, place), "markersize": 0 if key == "train" else 5}
            axes.plot(*zip(*curve[key], strict=True), label=name, **style)
    axes.set_xlabel("step of the optimiser")
    axes.set_ylabel("mean loss of a target token, nats")
    axes.set_title("Learning curve")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    add_legend(figure)
    return figure


def draw_family_losses(report: Report, theme: Theme) -> Figure:
    """Return the validation loss of each family of tasks over the steps; logarithmic, since words cost far more than stars."""
    figure, axes = _new(height=4.0)
    for place, (family, points) in enumerate(report["learning_curve"]["families"].items()):
        axes.plot(*zip(*points, strict=True), label=family.replace("_", " "), **line_style(theme, place))
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(StrMethodFormatter("{x:g}"))
    axes.set_xlabel("step of the optimiser")
    axes.set_ylabel("mean loss of a target token, nats")
    axes.set_title("Validation loss of each family of tasks")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    add_legend(figure)
    return figure


def _drawer(report: Report, name: str) -> Callable[[Theme], Figure]:
    kind, _, place = name.partition("_")
    if kind == "methods":
        return functools.partial(draw_methods, report, report["rankings"][int(place) - 1])
    if name in _GROUP_AXES:
        return functools.partial(draw_groups, report, name)
    single = {
        "hit_rate_over_k": draw_hit_rate_over_k,
        "learning_curve": draw_learning_curve,
        "family_losses": draw_family_losses,
    }
    return functools.partial(single[name], report)


def _new(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7.0, height), layout="constrained")
    return figure, figure.subplots()


def _write_beside(axes: Axes, text: str, x: float, y: float, theme: Theme) -> None:
    """Write to the right of a point, over the grid."""
    box = {"facecolor": theme.page, "edgecolor": "none", "pad": 1.5}
    axes.annotate(text, (x, y), xytext=(9, 0), textcoords="offset points", va="center", bbox=box)


def _places(methods: list[str]) -> list[tuple[int, str]]:
    """Return each method with its place in the styles: 0 for the model alone, whether it is there or not."""
    others = [method for method in methods if method != MODEL]
    return [(0, MODEL)] * (MODEL in methods) + list(enumerate(others, start=1))
