"""A document of plain-text blocks, which the renderers turn into HTML or Markdown.

Blocks contain text, never markup. Only the renderers know what to escape, and they escape everything, so no text of
a report can become markup.
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
    """The heading, a few words."""


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list."""

    items: Sequence[str]
    """One line each."""
    title: str = ""
    """Title before the list."""
    is_numbered: bool = False
    """Whether the items are numbered from 1."""
    marked: frozenset[int] = frozenset()
    """Indices of highlighted items, from 0."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose first column names the rows.

    Raises:
        ValueError: A row and the head have different numbers of cells; this is a fault of the program.
    """

    caption: str
    """What the table shows."""
    head: Sequence[str]
    """Name of each column."""
    rows: Sequence[Sequence[str]]
    """Cells; the first of each is the row's name."""
    marked: frozenset[int] = frozenset()
    """Indices of rows with a highlighted name, from 0."""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.head):
                raise ValueError(f"every row of {self.caption!r} must have {len(self.head)} cells, got {row!r}")


@dataclass(frozen=True, slots=True)
class Picture:
    """A plot, by its name in the report's pictures."""

    name: str
    """Name of the file, without folder and suffix."""
    text: str
    """What the plot shows; also the alternative text."""


@dataclass(frozen=True, slots=True)
class Code:
    """Text with fixed line breaks."""

    text: str
    """Any number of lines."""


@dataclass(frozen=True, slots=True)
class Fold:
    """Blocks that are collapsed at first."""

    title: str
    """Title of the collapsed blocks."""
    blocks: "Sequence[Block]"
    """In order."""


Block: TypeAlias = Paragraph | Heading | Bullets | Table | Picture | Code | Fold


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report with an entry in the table of contents."""

    title: str
    """Unique in the document."""
    blocks: Sequence[Block]
    """In order."""

    @property
    def anchor(self) -> str:
        """Anchor of the section, as GitHub derives it from a heading."""
        return re.sub(r"[^\w-]", "", self.title.lower().replace(" ", "-"))


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report."""

    title: str
    """Title of the document."""
    sections: Sequence[Section]
    """In order."""

    def pictures(self) -> list[str]:
        """Return the names of all pictures in order."""
        return [name for section in self.sections for name in _pictures(section.blocks)]

    def with_picture_notes(self, notes: Mapping[str, str]) -> "Document":
        """Return the document with a paragraph behind each picture that has a note."""
        sections = [Section(section.title, _with_notes(section.blocks, notes)) for section in self.sections]
        return Document(self.title, sections)


def one_line(text: str) -> str:
    """Return the text in one line: whitespace collapsed, control characters and bidirectional controls removed.

    Example:
        >>> one_line("Red" + chr(10) + "  Tent" + chr(0) + chr(0x202e))
        'Red Tent'
    """
    printable = "".join(" " if char.isspace() else char for char in text if char.isspace() or not _is_control(char))
    return " ".join(printable.split())


def shown_item(text: str) -> str:
    """Return an entry of a list in one line, or "(empty)" for an entry without visible text."""
    return one_line(text) or "(empty)"


def plain_lines(text: str) -> str:
    """Return the text with its line breaks and blanks, without control characters and bidirectional controls."""
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
