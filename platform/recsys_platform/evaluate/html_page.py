"""A report as one HTML file: styles and plots inside, no script, nothing fetched from elsewhere."""

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recsys_platform.evaluate.document import (
    Block,
    Code,
    Document,
    Fold,
    Heading,
    Items,
    Paragraph,
    Picture,
    Section,
    Table,
    one_line,
    plain_lines,
    shown_item,
)
from recsys_platform.evaluate.html_style import STYLE

# even if a title broke out of its place, a browser would run nothing and fetch nothing
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


@dataclass(frozen=True, slots=True)
class Image:
    """One plot in two colourings."""

    light: bytes
    """PNG on white."""
    dark: bytes
    """PNG for screens in dark mode."""


def render_html(document: Document, images: Mapping[str, Image]) -> str:
    """Return the document as one page; `images` holds every picture of it by name."""
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{escape(document.title)}</title>",
            f"<style>{STYLE}</style>",
            "</head>",
            "<body>",
            f"<header><h1>{escape(document.title)}</h1></header>",
            _contents(document.sections),
            "<main>",
            *(_section(section, images) for section in document.sections),
            "</main>",
            "</body>",
            "</html>",
            "",
        ]
    )


def escape(text: str) -> str:
    """Return text that HTML shows as it is, in an element or in a quoted attribute.

    Example:
        >>> escape('<script>"x"</script>')
        '&lt;script&gt;&quot;x&quot;&lt;/script&gt;'
    """
    return html.escape(one_line(text), quote=True)


def _contents(sections: Sequence[Section]) -> str:
    links = "".join(f'<li><a href="#{section.anchor}">{escape(section.title)}</a></li>' for section in sections)
    return f'<nav aria-label="Contents"><ol>{links}</ol></nav>'


def _section(section: Section, images: Mapping[str, Image]) -> str:
    heading = f'<h2 id="{section.anchor}-title">{escape(section.title)}</h2>'
    blocks = "\n".join(_block(block, images) for block in section.blocks)
    return f'<section id="{section.anchor}" aria-labelledby="{section.anchor}-title">\n{heading}\n{blocks}\n</section>'


def _block(block: Block, images: Mapping[str, Image]) -> str:
    match block:
        case Paragraph(text=text):
            return f"<p>{escape(text)}</p>"
        case Heading(text=text):
            return f'<h3 dir="auto">{escape(text)}</h3>'
        case Items():
            return _items(block)
        case Table():
            return _table(block)
        case Picture(name=name, text=text):
            return _picture(images[name], text)
        case Code(text=text):
            return f'<pre tabindex="0"><code>{html.escape(plain_lines(text))}</code></pre>'
        case Fold(title=title, blocks=blocks):
            inner = "\n".join(_block(inside, images) for inside in blocks)
            return f"<details><summary>{escape(title)}</summary>\n{inner}\n</details>"


def _items(block: Items) -> str:
    lines = [
        f'<li dir="auto"><strong>{escape(shown_item(item))}</strong></li>'
        if place in block.marked
        else f'<li dir="auto">{escape(shown_item(item))}</li>'
        for place, item in enumerate(block.items)
    ]
    tag = "ol" if block.is_numbered else "ul"
    title = f'<p class="list-title">{escape(block.title)}:</p>' if block.title else ""
    return f"{title}<{tag}>{''.join(lines)}</{tag}>"


def _table(table: Table) -> str:
    """Return a table that scrolls sideways by itself, by touch and by keyboard, where the screen is narrow."""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.head)
    rows = "".join(
        f'<tr><th scope="row" dir="auto">{escape(row[0])}</th>'
        f"{''.join(f'<td>{escape(cell)}</td>' for cell in row[1:])}</tr>\n"
        for row in table.rows
    )
    caption = escape(table.caption)
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{caption}"><table><caption>{caption}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>"
    )


def _picture(image: Image, text: str) -> str:
    shown = escape(text)
    dark, light = (f"data:image/png;base64,{base64.b64encode(png).decode()}" for png in (image.dark, image.light))
    return (
        f'<figure><picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" alt="{shown}"></picture><figcaption>{shown}</figcaption></figure>'
    )
