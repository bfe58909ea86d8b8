"""Render a report as GitHub-flavoured Markdown; plots are files in a folder next to it."""

import re
from collections.abc import Sequence

from recsys_platform.evaluate.report.document import (
    Block,
    Bullets,
    Code,
    Document,
    Fold,
    Heading,
    Paragraph,
    Picture,
    Section,
    Table,
    one_line,
    plain_lines,
    shown_item,
)

_SPECIAL = re.compile(r"([\\`*_<>|~&$\[\]])")
_LINE_START = re.compile(r"^([-+=#]|\d+(?=[.)]))")


def render_markdown(document: Document, plots_folder: str) -> str:
    """Return the document as Markdown; pictures link to `plots_folder`/name.png."""
    contents = [f"- [{escape(section.title)}](#{section.anchor})" for section in document.sections]
    parts = [f"# {escape(document.title)}", "\n".join(contents)]
    for section in document.sections:
        parts += _section(section, plots_folder)
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    r"""Escape text, so that Markdown shows it unchanged, in one line and at any position of a line.

    Example:
        >>> escape("1. *Tent* | <b>")
        '1\\. \\*Tent\\* \\| \\<b\\>'
    """
    line = _SPECIAL.sub(r"\\\1", one_line(text))
    sign = _LINE_START.match(line)
    if sign is None:
        return line
    end = sign.end()
    return f"{line[:end]}\\{line[end:]}" if line[0].isdigit() else f"\\{line}"


def format_table(table: Table) -> str:
    """Return a table without its caption; the cells are plain text and are escaped."""
    rows = [_row(row, is_marked=place in table.marked) for place, row in enumerate(table.rows)]
    return "\n".join([_row(table.head), "|" + "---|" * len(table.head), *rows])


def _section(section: Section, plots_folder: str) -> list[str]:
    return [f"## {escape(section.title)}", *(_block(block, plots_folder) for block in section.blocks)]


def _block(block: Block, plots_folder: str) -> str:
    match block:
        case Paragraph(text=text):
            return escape(text)
        case Heading(text=text):
            return f"### {escape(text)}"
        case Bullets():
            return _items(block)
        case Table(caption=caption):
            return f"{escape(caption)}\n\n{format_table(block)}"
        case Picture(name=name, text=text):
            return f"![{escape(text)}]({plots_folder}/{name}.png)"
        case Code(text=text):
            return _code(plain_lines(text))
        case Fold(title=title, blocks=blocks):
            return "\n\n".join([f"### {escape(title)}", *(_block(inner, plots_folder) for inner in blocks)])


def _items(block: Bullets) -> str:
    lines = []
    for place, item in enumerate(block.items):
        bullet = f"{place + 1}." if block.is_numbered else "-"
        text = escape(shown_item(item))
        lines.append(f"{bullet} **{text}**" if place in block.marked else f"{bullet} {text}")
    title = [f"{escape(block.title)}:", ""] if block.title else []
    return "\n".join([*title, *lines])


def _row(cells: Sequence[str], *, is_marked: bool = False) -> str:
    # a cell never begins a line, so signs such as - and + need no backslash
    name, *others = (_SPECIAL.sub(r"\\\1", one_line(cell)) for cell in cells)
    return f"| {' | '.join([f'**{name}**' if is_marked else name, *others])} |"


def _code(text: str) -> str:
    """Return a fenced block whose fence is longer than any run of backticks inside."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text}\n{fence}"
