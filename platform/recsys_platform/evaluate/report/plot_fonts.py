"""Fonts of plots: a font of the machine for Chinese, Japanese and Korean, or a number in place of what no font has.

No font is shipped. Without a font for them, characters would be boxes; `replace_unshown` writes [1], [2], ... in their
place, says so in the plot, and returns what the numbers stand for.
"""

import functools
import logging
from collections.abc import Mapping

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font

logger = logging.getLogger(__name__)

CJK_FAMILIES = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Microsoft YaHei",
    "PingFang SC",
    "Hiragino Sans GB",
    "Heiti SC",
    "SimHei",
    "Droid Sans Fallback",
    "Arial Unicode MS",
    "Noto Sans CJK JP",
    "Noto Serif CJK SC",
)
"""Fonts with Chinese characters, the first installed ones are used."""
WAY_OUT = "install a font with these characters, for example Noto Sans CJK SC"


def font_families() -> list[str]:
    """Return the families for `font.family`: those of the settings, then the installed ones of `CJK_FAMILIES`."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return [*mpl.rcParams["font.family"], *(name for name in CJK_FAMILIES if name in installed)]


def replace_unshown(figure: Figure) -> dict[str, str]:
    """Put numbers in place of characters that no font in use has; return number -> characters."""
    numbers = _Numbers()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            _replace_ticks(axis, numbers)
            axis.label.set_text(numbers.shown(axis.label.get_text()))
        axes.set_title(numbers.shown(axes.get_title(loc="left")), loc="left")
        for text in axes.texts:
            text.set_text(numbers.shown(text.get_text()))
    for legend in figure.legends:
        for text in legend.get_texts():
            text.set_text(numbers.shown(text.get_text()))
    if numbers.stands_for and figure.axes:
        _add_note(figure.axes[0], numbers.stands_for)
        logger.warning("%s", describe_unshown(numbers.stands_for))
    return numbers.stands_for


def describe_unshown(number_to_characters: Mapping[str, str]) -> str:
    """Return a sentence on what the numbers of a plot stand for.

    Example:
        >>> describe_unshown({"[1]": "赤杨"})
        'No font of this machine has some characters of the plot: [1] stands for 赤杨; install a font with these characters, for example Noto Sans CJK SC.'
    """
    listed = ", ".join(f"{number} stands for {characters}" for number, characters in number_to_characters.items())
    return f"No font of this machine has some characters of the plot: {listed}; {WAY_OUT}."


class _Numbers:
    """Numbers for runs of characters that no font has, the same run always with the same number."""

    def __init__(self) -> None:
        self.stands_for: dict[str, str] = {}
        self._run_to_number: dict[str, str] = {}

    def shown(self, text: str) -> str:
        """Return a text with a number in place of each run of such characters."""
        parts: list[str] = []
        run = ""
        for character in text:
            if _has_glyph(character, tuple(mpl.rcParams["font.family"])):
                parts += [self._number(run), character]
                run = ""
            else:
                run += character
        return "".join([*parts, self._number(run)])

    def _number(self, run: str) -> str:
        if not run:
            return ""
        number = self._run_to_number.setdefault(run, f"[{len(self._run_to_number) + 1}]")
        self.stands_for[number] = run
        return number


def _replace_ticks(axis: Axis, numbers: _Numbers) -> None:
    labels = [label.get_text() for label in axis.get_ticklabels()]
    shown = [numbers.shown(label) for label in labels]
    # only labels that were given can hold such characters, and their places are fixed
    if shown != labels:
        axis.set_ticklabels(shown)


def _add_note(axes: Axes, number_to_characters: Mapping[str, str]) -> None:
    """Say in a line of the title what the numbers are; the title is laid out, so it covers nothing."""
    note = f"{', '.join(number_to_characters)}: characters that no font of this machine has"
    title = axes.get_title(loc="left")
    axes.set_title(f"{title}\n{note}" if title else note, loc="left")


@functools.lru_cache(maxsize=4096)
def _has_glyph(character: str, families: tuple[str, ...]) -> bool:
    if character.isspace():
        return True
    return any(_font(family).get_char_index(ord(character)) != 0 for family in families)


def _font(family: str) -> FT2Font:
    return font_manager.get_font(font_manager.findfont(font_manager.FontProperties(family=[family])))
