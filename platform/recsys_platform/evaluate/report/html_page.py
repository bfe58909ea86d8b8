"""A report as one HTML file: styles and plots inside, no script, nothing fetched from elsewhere."""

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recsys_platform.evaluate.report.document import (
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

# even if a title broke out of its place, a browser would run nothing and fetch nothing
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
STYLE = """
:root { --page: #ffffff; --text: #1c1c1c; --soft: #5a5a5a; --line: #d5d5d5; --tint: #f4f5f7; --link: #00558c; }
@media (prefers-color-scheme: dark) {
  :root { --page: #16181b; --text: #e8e8e8; --soft: #a9adb3; --line: #3b3f45; --tint: #212429; --link: #7cc4f5; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 60rem; background: var(--page); color: var(--text);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.25; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; padding-top: .75rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.75rem 0 .5rem; }
a { color: var(--link); }
a:focus-visible, summary:focus-visible, [tabindex]:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
nav { background: var(--tint); border-radius: .5rem; padding: .25rem 1rem; }
nav ol { columns: 16rem; padding-left: 1.5rem; }
li { margin: .15rem 0; }
.list-title { margin: .75rem 0 0; color: var(--soft); }
.list-title + ul, .list-title + ol { margin-top: .25rem; }
.wide { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; }
caption { text-align: left; color: var(--soft); padding-bottom: .4rem; }
th, td { padding: .4rem .75rem .4rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
td { min-width: 7.5rem; }
tbody th { font-weight: 600; min-width: 8rem; }
thead th { color: var(--soft); font-weight: 600; }
figure { margin: 1.25rem 0; }
img { display: block; max-width: 100%; height: auto; }
figcaption { color: var(--soft); font-size: .9rem; margin-top: .35rem; }
details { border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .9rem; margin: .75rem 0; }
summary { cursor: pointer; font-weight: 600; }
pre { overflow-x: auto; background: var(--tint); padding: .75rem; border-radius: .5rem; font-size: .82rem; }
@media print { nav { display: none; } body { max-width: none; } }
"""
"""One column, system fonts, light and dark, readable on a phone and on paper; CSS without any address in it."""


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
