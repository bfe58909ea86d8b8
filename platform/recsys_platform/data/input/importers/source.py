"""What an importer finds in a folder: three tables whose rows are read when they are written.

Columns are those of the input contract, and features of users; every value is text as the file has it,
so that the contract alone decides what is an id, a time or a number. Categories are lists of texts.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from recsys_platform.data.input.records import MalformedLine

Value: TypeAlias = str | list[str] | None
Row: TypeAlias = dict[str, Value]


@dataclass(frozen=True, kw_only=True, slots=True)
class RowTable:
    """One table of a folder."""

    columns: tuple[str, ...]
    """Our names; a row may lack some of them."""
    read: Callable[[], Iterator[Row | MalformedLine]]
    """Starts to read the rows, one by one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A folder that was recognised."""

    why: str
    """What it was recognised by."""
    files: tuple[str, ...]
    """Names of the files that are read."""
    interactions: RowTable
    """Who had to do with what, and when."""
    items: RowTable | None
    """What is known of items, if anything."""
    users: RowTable | None
    """What is known of users, if anything."""
    keeps_unused_items: bool
    """Whether an item without any interaction belongs to the catalogue."""
    notes: tuple[str, ...] = ()
    """What a user should know of how the files were read."""
