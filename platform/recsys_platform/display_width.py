"""How wide a text stands in a terminal: Chinese, Japanese and Korean characters take two columns.

The standard library knows the width of every character (Unicode TR 11), so no package is needed.
"""

import re
import unicodedata
from collections.abc import Sequence

_PIECE = re.compile(r"\s+|[^\s]")


def display_width(text: str) -> int:
    """Return the columns that a text takes in a terminal.

    Example:
        >>> display_width("Tent"), display_width("帐篷2人"), display_width("e\u0301")
        (4, 7, 1)
    """
    return sum(_width(character) for character in text)


def pad_right(text: str, width: int) -> str:
    """Return a text with blanks behind it up to a width."""
    return text + " " * (width - display_width(text))


def pad_left(text: str, width: int) -> str:
    """Return a text with blanks before it up to a width."""
    return " " * (width - display_width(text)) + text


def align(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells as lines, the first column to the left and all others to the right.

    Example:
        >>> print(align([["名称", "HR@10"], ["popularity", "0.5"], ["热门商品", "-"]]))
        名称        HR@10
        popularity    0.5
        热门商品        -
    """
    widths = [max(map(display_width, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [
                pad_right(row[0], widths[0]),
                *(pad_left(cell, width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in rows
    )


def wrap(text: str, width: int, max_lines: int) -> list[str]:
    """Cut a text into lines of at most so many columns; one too long for all lines ends in an ellipsis.

    A line may end at a blank, beside any character that takes two columns, and inside a word wider than a line.

    Example:
        >>> wrap("赤杨山径 Trail 帐篷地布", 12, 2)
        ['赤杨山径', 'Trail 帐篷…']
    """
    lines: list[str] = [""]
    for piece in _pieces(text, width):
        if display_width(lines[-1] + piece.rstrip()) > width and lines[-1]:
            lines.append("")
        lines[-1] += piece if lines[-1] else piece.lstrip()
    lines = [line.rstrip() for line in lines]
    if len(lines) <= max_lines:
        return lines
    return [*lines[: max_lines - 1], _cut(lines[max_lines - 1], width)]


def _cut(line: str, width: int) -> str:
    while display_width(line) > width - 1:
        line = line[:-1]
    return f"{line.rstrip()}…"


def _pieces(text: str, width: int) -> list[str]:
    """Split a text where a line may end: wide characters alone, other words in at most `width` columns, blanks alone."""
    pieces: list[str] = []
    is_open = False
    for piece in _PIECE.findall(text):
        joins = not piece.isspace() and _width(piece) < 2
        if joins and is_open and display_width(pieces[-1] + piece) <= width:
            pieces[-1] += piece
        else:
            pieces.append(piece)
        is_open = joins
    return pieces


def _width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Cf", "Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
