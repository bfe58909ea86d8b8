"""Render a report as one HTML file with styles and plots inside; it has no script and loads nothing.

`report.html.jinja` is the page. Each expression of a template is reduced to one line without control characters and
bidirectional controls, and escaped. So no text of a report can become markup.
"""

import base64
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import jinja2
from markupsafe import Markup, escape

from recsys_platform.evaluate.report.document import Block, Document, one_line, plain_lines, shown_item

FOLDER = Path(__file__).parent
TEMPLATE = "report.html.jinja"
STYLE = (FOLDER / "report.css").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Image:
    """One plot in two themes."""

    light: bytes
    """PNG on white."""
    dark: bytes
    """PNG for screens in dark mode."""


def render_html(document: Document, images: Mapping[str, Image]) -> str:
    """Return the document as one page; `images` has each of its pictures by name."""
    return _environment().get_template(TEMPLATE).render(document=document, images=images, style=Markup(STYLE))


@functools.cache
def _environment() -> jinja2.Environment:
    """Return the jinja2 environment; an undefined name in a template is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        finalize=_fold,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"plain_lines": _escape_lines, "shown_item": shown_item, "data_uri": _data_uri}
    environment.tests |= {kind.__name__.lower(): _is_of(kind) for kind in get_args(Block)}
    return environment


def _fold(value: object) -> object:
    """Return the value of an expression before it is escaped: one line of text; our own markup is unchanged."""
    return value if isinstance(value, Markup) else one_line(str(value))


def _escape_lines(text: str) -> Markup:
    """Escape text and keep its lines; as markup, it is exempt from `_fold`, which would join them."""
    return escape(plain_lines(text))


def _data_uri(png: bytes) -> Markup:
    return Markup(f"data:image/png;base64,{base64.b64encode(png).decode()}")


def _is_of(kind: type) -> Callable[[object], bool]:
    return lambda block: isinstance(block, kind)
