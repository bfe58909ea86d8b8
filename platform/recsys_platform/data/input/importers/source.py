"""The result of an importer: three tables whose rows are read lazily.

Columns are those of the input contract, and features of users. A value is text as the file has it, so that the contract
alone decides what is an id, a time or a number; only times in a unit or notation of their own become seconds.
Categories are lists of texts.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from recsys_platform.data.input.records import MalformedLine

Value: TypeAlias = str | list[str] | None
Row: TypeAlias = dict[str, Value]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A record that is no row of its table by the rules of its format; it is counted by its reason."""

    reason: str
    """What such records are, in the plural, such as `impressions that were not clicked`."""


Entry: TypeAlias = Row | MalformedLine | LeftOut


@dataclass(frozen=True, kw_only=True, slots=True)
class RowTable:
    """One table of a folder."""

    columns: tuple[str, ...]
    """Our names; a row may lack some of them."""
    read: Callable[[], Iterator[Entry]]
    """Starts to read the rows, one by one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A folder that was recognised."""

    why: str
    """Reason of the recognition."""
    files: tuple[str, ...]
    """Names of the files that are read."""
    interactions: RowTable
    """The interactions."""
    items: RowTable | None
    """The items, None without a file of items."""
    users: RowTable | None
    """The users, None without a file of users."""
    keeps_unused_items: bool
    """Whether an item without any interaction belongs to the catalogue."""
    notes: tuple[str, ...] = ()
    """Notes for the user about the reading."""
    counts_seconds: bool = False
    """Whether its times are no dates: places in a sequence, or seconds from a start of their own."""
    takes_columns: bool = False
    """Whether the tables follow `SourceFolder.columns`."""
