"""The plots of the training: losses over optimiser steps."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from recsys_platform.evaluate.report.content import LearningCurve, Report
from recsys_platform.evaluate.report.plot_style import Theme, add_legend, line_style, new_figure


def draw_learning_curve(report: Report, theme: Theme) -> Figure:
    """Return training and validation loss over optimiser steps; the report has a learning curve."""
    curve = _curve_of(report)
    figure, axes = new_figure(height=4.0)
    lines = (("training (all objectives)", curve.train, 0), ("validation", curve.eval, 5))
    for place, (name, points, marker_size) in enumerate(lines):
        if points:
            axes.plot(*zip(*points, strict=True), label=name, markersize=marker_size, **line_style(theme, place))
    _label_losses(figure, axes, "Learning curve")
    return figure


def draw_family_losses(report: Report, theme: Theme) -> Figure:
    """Return the validation loss of each task family over optimiser steps; the report has a learning curve.

    The axis is logarithmic, because the loss of texts is far larger than the loss of ratings.
    """
    figure, axes = new_figure(height=4.0)
    for place, (family, points) in enumerate(_curve_of(report).families.items()):
        axes.plot(*zip(*points, strict=True), label=family.replace("_", " "), **line_style(theme, place))
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(StrMethodFormatter("{x:g}"))
    _label_losses(figure, axes, "Validation loss of each task family")
    return figure


def _curve_of(report: Report) -> LearningCurve:
    assert report.learning_curve is not None, "only a report with a learning curve has this picture"
    return report.learning_curve


def _label_losses(figure: Figure, axes: Axes, title: str) -> None:
    axes.set_xlabel("optimiser step")
    axes.set_ylabel("mean loss per target token, nats")
    axes.set_title(title)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    add_legend(figure)
