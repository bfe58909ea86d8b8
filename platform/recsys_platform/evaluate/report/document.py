"""A report as blocks of plain text, which a renderer turns into HTML or Markdown.

Whatever stands in a block is text and never markup: only the renderers know what has to be escaped,
and they escape everything, so a title cannot break out of its place.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One paragraph."""

    text: str
    """A sentence or several."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading inside a section."""

    text: str
    """What follows, in a few words."""


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: Sequence[str]
    """One line each."""
    title: str = ""
    """What is listed; stands before the list."""
    is_numbered: bool = False
    """Whether the order is told by numbers from 1."""
    marked: frozenset[int] = frozenset()
    """Places in `items`, from 0, that stand out."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose first column names the rows.

    Raises:
        ValueError: a row has another number of cells than the head; the program that built it is wrong.
    """

    caption: str
    """What the table shows."""
    head: Sequence[str]
    """Name of each column."""
    rows: Sequence[Sequence[str]]
    """Cells; the first of each is the row's name."""
    marked: frozenset[int] = frozenset()
    """Places in `rows`, from 0, whose names stand out."""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.head):
                raise ValueError(f"every row of {self.caption!r} must have {len(self.head)} cells, got {row!r}")


@dataclass(frozen=True, slots=True)
class Picture:
    """A plot, by its name in the report's pictures."""

    name: str
    """Of the file, without folder and ending."""
    text: str
    """What it shows, for those who do not see it too."""


@dataclass(frozen=True, slots=True)
class Code:
    """Text whose lines stay as they are."""

    text: str
    """Any number of lines."""


@dataclass(frozen=True, slots=True)
class Fold:
    """Blocks that a reader opens only when wanted."""

    title: str
    """What is inside."""
    blocks: "Sequence[Block]"
    """In order."""


Block: TypeAlias = Paragraph | Heading | Items | Table | Picture | Code | Fold


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report with an entry in the table of contents."""

    title: str
    """Unique in the document."""
    blocks: Sequence[Block]
    """In order."""

    @property
    def anchor(self) -> str:
        """What a link to the section ends in, the way GitHub derives it from a heading."""
        return re.sub(r"[^\w-]", "", self.title.lower().replace(" ", "-"))


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report."""

    title: str
    """Stands at the top."""
    sections: Sequence[Section]
    """In order."""

    def pictures(self) -> list[str]:
        """Return the names of all pictures that are shown, in order."""
        return [name for section in self.sections for name in _pictures(section.blocks)]

    def with_picture_notes(self, notes: Mapping[str, str]) -> "Document":
        """Return the document with a paragraph behind each picture that has a note."""
        sections = [Section(section.title, _with_notes(section.blocks, notes)) for section in self.sections]
        return Document(self.title, sections)


def one_line(text: str) -> str:
    """Return the text in one line, white space folded, without control characters and changes of direction.

    Example:
        >>> one_line("Red" + chr(10) + "  Tent" + chr(0) + chr(0x202e))
        'Red Tent'
    """
    kept = "".join(" " if char.isspace() else char for char in text if char.isspace() or not _is_control(char))
    return " ".join(kept.split())


def shown_item(text: str) -> str:
    """Return an entry of a list in one line; words in place of one without any, which a reader would not see."""
    return one_line(text) or "(empty)"


def plain_lines(text: str) -> str:
    """Return the text with its lines and blanks, without control characters and changes of direction."""
    return "".join(char for char in text if char == "\n" or not _is_control(char))


def _is_control(char: str) -> bool:
    return char in _BIDI_CONTROLS or unicodedata.category(char) in ("Cc", "Cs")


def _with_notes(blocks: Sequence[Block], notes: Mapping[str, str]) -> list[Block]:
    noted: list[Block] = []
    for block in blocks:
        noted.append(Fold(block.title, _with_notes(block.blocks, notes)) if isinstance(block, Fold) else block)
        if isinstance(block, Picture) and block.name in notes:
            noted.append(Paragraph(notes[block.name]))
    return noted


def _pictures(blocks: Sequence[Block]) -> list[str]:
    names: list[str] = []
    for block in blocks:
        if isinstance(block, Picture):
            names.append(block.name)
        elif isinstance(block, Fold):
            names += _pictures(block.blocks)
    return names
