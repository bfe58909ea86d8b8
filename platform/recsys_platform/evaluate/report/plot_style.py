"""The style of plots: light and dark themes with colours that colour-blind readers can distinguish.

The colours are those of Okabe and Ito (2008), lighter ones on dark; markers and lines differ as well, so that no
plot depends on colour alone.
"""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypedDict

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recsys_platform.display_width import wrap
from recsys_platform.evaluate.report.document import one_line
from recsys_platform.evaluate.report.plot_fonts import font_families, replace_unshown

DOTS_PER_INCH = 150


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of one kind of page."""

    page: str
    """Background."""
    text: str
    """Words, ticks and axes."""
    grid: str
    """Lines behind the data."""
    model: str
    """What is evaluated."""
    others: tuple[str, ...]
    """Other methods, in order; used again from the front where there are more."""
    better: str
    """A change that helps."""
    worse: str
    """A change that hurts."""


LIGHT = Theme(
    page="#ffffff",
    text="#1c1c1c",
    grid="#d5d5d5",
    model="#0072b2",
    others=("#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"),
    better="#009e73",
    worse="#d55e00",
)
DARK = Theme(
    page="#16181b",
    text="#e8e8e8",
    grid="#3b3f45",
    model="#56b4e9",
    others=("#e8873a", "#2fc499", "#dd9cc0", "#f0c24b", "#8ea6ff", "#ffffff"),
    better="#2fc499",
    worse="#e8873a",
)


class LineStyle(TypedDict):
    """Keyword arguments of matplotlib's `plot` for one line."""

    color: str
    marker: str
    linestyle: str | tuple[int, tuple[int, ...]]
    linewidth: float
    zorder: float


# six colours, seven markers and five line styles have no common factor: 210 methods look different
MARKERS = ("s", "^", "D", "v", "P", "X", "<")
LINES = ("--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))


@contextmanager
def themed(theme: Theme) -> Iterator[None]:
    """Give all figures created inside the colours of a theme."""
    settings = {
        **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor", "legend.facecolor"), theme.page),
        **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.titlecolor"), theme.text),
        **dict.fromkeys(("axes.edgecolor", "legend.edgecolor"), theme.grid),
        "grid.color": theme.grid,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlelocation": "left",
        "axes.titlesize": "medium",
        "legend.fontsize": "small",
        "font.size": 10.0,
        "font.family": font_families(),
        "text.parse_math": False,  # a dollar sign in a title is text, not mathematics
    }
    with mpl.rc_context(settings):
        yield


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawing:
    """A plot as a picture."""

    png: bytes
    """The picture."""
    unshown: Mapping[str, str]
    """Number in the picture -> the characters that it stands for, since no font of the machine has them."""


def draw_png(draw: Callable[[Theme], Figure], theme: Theme) -> Drawing:
    """Return what `draw` draws in a theme's colours."""
    with themed(theme):
        figure = draw(theme)
        unshown = replace_unshown(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return Drawing(png=buffer.getvalue(), unshown=unshown)


def to_png(draw: Callable[[Theme], Figure], theme: Theme) -> bytes:
    """Return the figure of `draw` as a PNG in the colours of a theme."""
    return draw_png(draw, theme).png


def new_figure(height: float) -> tuple[Figure, Axes]:
    """Return a figure of page width and its axes; the height is in inches."""
    figure = Figure(figsize=(7.0, height), layout="constrained")
    return figure, figure.subplots()


def line_style(theme: Theme, place: int) -> LineStyle:
    """Return colour, marker and line style of a method; place 0 is the model, which has the thickest line."""
    if place == 0:
        return LineStyle(color=theme.model, marker="o", linestyle="-", linewidth=2.4, zorder=5)
    index = place - 1
    return LineStyle(
        color=theme.others[index % len(theme.others)],
        marker=MARKERS[index % len(MARKERS)],
        linestyle=LINES[index % len(LINES)],
        linewidth=1.4,
        zorder=2,
    )


def label(text: str, width: int = 26) -> str:
    """Wrap a name into at most two lines, to leave room for the plot.

    Example:
        >>> label("best reachable (the shop's own probabilities)").splitlines()
        ["best reachable (the shop's", 'own probabilities)']
        >>> label("赤杨山径帐篷地布赤杨山径帐篷地布", width=26).splitlines()
        ['赤杨山径帐篷地布赤杨山径帐', '篷地布']
    """
    return "\n".join(wrap(one_line(text), width, max_lines=2))


def add_legend(figure: Figure) -> None:
    """Add a legend below the plot."""
    figure.legend(loc="outside lower center", ncols=3, frameon=False)


def top_of_axis(values: Sequence[float]) -> float:
    """Return the upper limit of an axis of shares from 0: a tenth above the largest value, at most 1.05.

    Example:
        >>> top_of_axis([0.5, 0.2]), top_of_axis([0.0])
        (0.55, 0.05)
    """
    return min(round(1.1 * max(values), 6) or 0.05, 1.05)
