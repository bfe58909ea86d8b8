"""Plots with Chinese labels: an installed font is used, and without one numbers stand in place of boxes."""

import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from matplotlib.figure import Figure

from recsys_platform.evaluate.report import plot_fonts
from recsys_platform.evaluate.report.plot_style import LIGHT, Theme, add_legend, draw_png, themed
from recsys_platform.evaluate.report.write import write_reports
from tests.recsys_platform.evaluate.report.tiny_report import report_of, tiny_document

LABELS = ["赤杨 Trail", "popularity", "赤杨"]


def draw(theme: Theme) -> Figure:
    figure = Figure(figsize=(4, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], label="山径 line")
    axes.set_yticks(range(3), LABELS)
    axes.set_title("HR@10 帐篷")
    axes.set_xlabel("k")
    axes.annotate("0.5", (0.5, 0.5))
    add_legend(figure)
    del theme
    return figure


@pytest.fixture
def without_fonts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without any font that has Chinese."""
    monkeypatch.setattr(plot_fonts, "CJK_FAMILIES", ())
    plot_fonts._has_glyph.cache_clear()
    yield
    plot_fonts._has_glyph.cache_clear()


@pytest.fixture
def with_font(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine with a font of the five characters of the labels, each a square."""
    write_font(tmp_path / "test.ttf", "赤杨山径帐篷")
    before = list(font_manager.fontManager.ttflist)
    font_manager.fontManager.addfont(tmp_path / "test.ttf")
    monkeypatch.setattr(plot_fonts, "CJK_FAMILIES", ("Not Installed", "Test Square"))
    plot_fonts._has_glyph.cache_clear()
    yield
    font_manager.fontManager.ttflist[:] = before
    plot_fonts._has_glyph.cache_clear()


def write_font(path: Path, characters: str) -> None:
    pen = TTGlyphPen(None)
    for place, point in enumerate([(100, 0), (900, 0), (900, 800), (100, 800)]):
        (pen.lineTo if place else pen.moveTo)(point)
    pen.closePath()
    square = pen.glyph()
    names = [f"uni{ord(character):04X}" for character in characters]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", *names])
    builder.setupCharacterMap({ord(character): name for character, name in zip(characters, names, strict=True)})
    builder.setupGlyf(dict.fromkeys([".notdef", *names], square))
    builder.setupHorizontalMetrics(dict.fromkeys([".notdef", *names], (1000, 100)))
    builder.setupHorizontalHeader(ascent=880, descent=-120)
    builder.setupNameTable({"familyName": "Test Square", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)


def shown(figure: Figure) -> list[str]:
    (axes,) = figure.axes
    (legend,) = figure.legends
    figure.savefig(io.BytesIO(), format="png")
    ticks = [label.get_text() for label in axes.get_yticklabels()]
    return [*ticks, axes.get_title(loc="left"), *(text.get_text() for text in legend.get_texts())]


def test_without_a_font_numbers_stand_for_the_characters_and_the_plot_says_so(
    without_fonts: None, caplog: pytest.LogCaptureFixture
) -> None:
    with themed(LIGHT), warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        figure = draw(LIGHT)
        unshown = plot_fonts.replace_unshown(figure)
        texts = shown(figure)

    assert unshown == {"[1]": "赤杨", "[2]": "帐篷", "[3]": "山径"}
    assert texts == [
        "[1] Trail",
        "popularity",
        "[1]",
        "HR@10 [2]\n[1], [2], [3]: characters that no font of this machine has",
        "[3] line",
    ]
    assert "[2] stands for 帐篷" in caplog.text
    assert "install a font" in caplog.text


def test_an_installed_font_is_used_for_what_the_usual_one_lacks(with_font: None) -> None:
    with themed(LIGHT), warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = draw(LIGHT)
        assert plot_fonts.replace_unshown(figure) == {}
        assert shown(figure) == [*LABELS, "HR@10 帐篷", "山径 line"]
    with themed(LIGHT):
        assert plot_fonts.font_families()[-1] == "Test Square"


def test_the_picture_has_the_characters_only_with_the_font(without_fonts: None) -> None:
    drawing = draw_png(draw, LIGHT)
    assert drawing.png[:4] == b"\x89PNG"
    assert drawing.unshown == {"[1]": "赤杨", "[2]": "帐篷", "[3]": "山径"}


def test_a_report_says_behind_the_picture_what_the_numbers_stand_for(without_fonts: None, tmp_path: Path) -> None:
    document = tiny_document()
    document["method_titles"]["popularity"] = "热门商品"
    write_reports(tmp_path, report_of(document))
    sentence = "No font of this machine has some characters of the plot: [1] stands for 热门商品"
    for name in ("report.md", "report.html"):
        text = (tmp_path / name).read_text(encoding="utf-8").replace("\\", "")
        assert text.count(sentence) >= 1
        assert "| 热门商品 |" in text or ">热门商品<" in text
