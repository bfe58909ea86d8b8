"""The plots: what their axes say and what they show, asked of the Figure."""

import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from recsys_platform.evaluate.report.loss_plots import draw_family_losses, draw_learning_curve
from recsys_platform.evaluate.report.plot_style import DARK, LIGHT, themed
from recsys_platform.evaluate.report.plots import (
    draw_history,
    draw_hit_rate_over_k,
    draw_methods,
    draw_plots,
    draw_popularity,
)
from tests.recsys_platform.evaluate.report.tiny_report import report_of, tiny_document, tiny_report


def labels(figure: Figure) -> tuple[str, str]:
    (axes,) = figure.axes
    return axes.get_xlabel(), axes.get_ylabel()


def lines(figure: Figure) -> dict[str, tuple[list[float], list[float]]]:
    (axes,) = figure.axes
    return {str(line.get_label()): (list(line.get_xdata()), list(line.get_ydata())) for line in axes.get_lines()}


def test_methods_stand_below_each_other_with_the_model_on_top():
    report = tiny_report()

    figure = draw_methods(report, report.rankings[0], LIGHT)

    (axes,) = figure.axes
    assert labels(figure) == ("HR@10, share of users", "")
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["RecSysLLM", "co-occurrence", "popularity", "best reachable"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    assert [line.get_xdata()[0] for line in axes.get_lines()] == [0.6, 0.3, 0.1, 0.7]
    limits = [x for collection in axes.collections for segment in collection.get_segments() for x in segment[:, 0]]
    assert limits == pytest.approx([0.58, 0.62, 0.28, 0.32, 0.08, 0.12])


def test_hit_rates_over_k_are_drawn_for_every_method_and_for_what_is_best_reachable():
    figure = draw_hit_rate_over_k(tiny_report(), LIGHT)

    assert labels(figure) == ("k, number of recommended items", "HR@k, share of users")
    assert lines(figure) == {
        "RecSysLLM": ([1, 2, 3], [0.2, 0.4, 0.6]),
        "popularity": ([1, 2, 3], [0.0, 0.1, 0.1]),
        "best reachable": ([10], [0.7]),
    }


def test_groups_name_their_size_and_both_axes():
    figure = draw_popularity(tiny_report(), LIGHT)

    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1-2\n(3)", "3-4\n(197)"]
    assert labels(figure)[0].startswith("tenth of the catalogue")
    assert labels(figure)[1] == "HR@10, share of users"
    assert {name: values for name, (_, values) in lines(figure).items()} == {
        "RecSysLLM": [0.5, 0.6],
        "popularity": [0.0, 0.1],
    }
    assert axes.get_ylim()[0] == 0.0
    assert draw_history(tiny_report(), LIGHT).axes[0].get_xlabel().startswith("events in the user's history")


def test_the_learning_curve_has_units_and_both_losses():
    figure = draw_learning_curve(tiny_report(), LIGHT)

    assert labels(figure) == ("optimiser step", "mean loss per target token, nats")
    assert lines(figure) == {"training (all objectives)": ([1, 2], [3.0, 2.0]), "validation": ([2], [2.5])}


def test_each_family_of_tasks_has_its_own_losses_on_a_logarithmic_axis():
    figure = draw_family_losses(tiny_report(), LIGHT)

    assert lines(figure) == {"next item": ([2], [1.5]), "rating": ([2], [0.5])}
    assert figure.axes[0].get_yscale() == "log"


def test_methods_of_one_colour_differ_in_marker_and_line():
    document = tiny_document()
    curves = document["breakdowns"]["hit_rate_over_k"]["methods"]
    curves |= {f"baseline_{number}": [0.1, 0.2, 0.3] for number in range(20)}

    drawn = draw_hit_rate_over_k(report_of(document), LIGHT).axes[0].get_lines()

    assert len(drawn) == 23  # with what is best reachable
    assert len({(line.get_color(), line.get_marker()) for line in drawn}) == 23
    first = drawn[:7]
    assert len({line.get_color() for line in first}) == len({line.get_marker() for line in first}) == 7


def test_the_legend_names_every_method_outside_the_axes():
    figure = draw_popularity(tiny_report(), LIGHT)

    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["RecSysLLM", "popularity"]
    figure.canvas.draw()
    assert not legend.get_window_extent().overlaps(figure.axes[0].get_window_extent())


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_a_figure_has_the_colours_of_its_page(theme):
    with themed(theme):
        figure = draw_learning_curve(tiny_report(), theme)

    assert to_hex(figure.get_facecolor()) == theme.page
    assert to_hex(figure.axes[0].xaxis.label.get_color()) == theme.text


def test_titles_with_dollars_and_wide_ones_are_drawn_as_they_are():
    document = tiny_document()
    document["method_titles"]["popularity"] = "$\\frac{" + "x" * 60

    light, dark = draw_plots(report_of(document), ["hit_rate_over_k"])["hit_rate_over_k"]

    assert light.png[:8] == dark.png[:8] == b"\x89PNG\r\n\x1a\n"
    assert light.png != dark.png
