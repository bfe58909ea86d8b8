"""A table that was opened: its files, the columns that are read, and the parts in which they are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from recsys_platform.data.input.files import TableFiles
from recsys_platform.data.input.reading import Reading
from recsys_platform.data.input.rows import RowShape

Order = Literal["time", "position", "rows"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """The rows that one task reads."""

    path: str
    """The file."""
    row_group: int | None
    """Row group of a Parquet file; None reads all of a text file."""
    first_row: int
    """Number of its first row in the table."""
    num_rows: int
    """Rows in it, those that are left out included."""
    num_left_out: int = 0
    """Rows that `where` leaves out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A table whose columns were checked and whose rows are counted, not yet read."""

    files: TableFiles
    """Its files."""
    columns: Mapping[str, str]
    """Our name -> its name in the table, for the columns that are read."""
    chunks: tuple[Chunk, ...]
    """All its rows, in order."""
    shape: RowShape = field(default_factory=RowShape)
    """Which rows it has."""
    order: Order = "time"
    """What orders the events of a user."""
    notes: tuple[str, ...] = ()
    """What was left out, for the user."""
    known_names: frozenset[str] = frozenset()
    """Names of all columns that were found, for JSON lines in the first records of each file."""
    missed_names: frozenset[str] | None = frozenset()
    """Names of those that would be read if they existed; None: all."""
    reading: Reading = field(default_factory=Reading)
    """How its values are read."""

    @property
    def num_rows(self) -> int:
        """Rows that count, malformed ones included."""
        return sum(chunk.num_rows - chunk.num_left_out for chunk in self.chunks)

    @property
    def num_left_out(self) -> int:
        """Rows that `where` leaves out."""
        return sum(chunk.num_left_out for chunk in self.chunks)
