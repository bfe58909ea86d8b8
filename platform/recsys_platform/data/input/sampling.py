"""The first rows of the files of a table, read before its rows are counted."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import pyarrow as pa

from recsys_platform.config.input import TableConfig
from recsys_platform.data.input.sources import ROW, read_head, row_groups_of
from recsys_platform.data.input.table import Chunk, Table
from recsys_platform.data.input.time_sample import with_times
from recsys_platform.data.input.written import join_parts

MAX_FILES = 16
"""Files of a table that are looked into, spread over it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """The first rows of some files of a table."""

    block: pa.Table
    """The rows that count, in the order of the table; `#row` is their number in the sample."""
    places: tuple[tuple[str, int], ...]
    """File and number in it of each row."""
    num_sampled_files: int
    """Files that were looked into."""
    num_files: int
    """Files of the table."""
    is_whole: bool
    """Whether these are all rows of the table."""

    def place(self, row: int) -> str:
        """Return a row of the sample for a message."""
        path, number = self.places[row]
        return f"row {number}" if self.num_files == 1 else f"row {number} of {PurePosixPath(path).name}"

    def describe(self) -> str:
        """Return which files were looked into; empty for a table of one file.

        Example:
            >>> rows = {"block": pa.table({}), "places": (), "is_whole": False}
            >>> Sample(num_sampled_files=16, num_files=300, **rows).describe()
            'the first rows of 16 of 300 files'
        """
        if self.num_files == 1:
            return ""
        each = "each" if self.num_sampled_files == self.num_files else f"{self.num_sampled_files}"
        return f"the first rows of {each} of {self.num_files} files"


def take_sample(table: Table, num_rows: int) -> Sample:
    """Return at most `num_rows` rows, from as many files as `MAX_FILES`, each with an equal share.

    Raises:
        DataError: a file cannot be read.
    """
    paths = spread(table.files.paths, MAX_FILES)
    share = max(num_rows // len(paths), 1)
    heads = [read_head(table, share, path) for path in paths]
    places = [(path, row) for path, head in zip(paths, heads, strict=True) for row in head[ROW].to_pylist()]
    whole = join_parts(heads)
    numbers = pa.array(range(whole.num_rows), pa.int64())
    return Sample(
        block=whole.set_column(whole.column_names.index(ROW), ROW, numbers),
        places=tuple(places),
        num_sampled_files=len(paths),
        num_files=len(table.files.paths),
        is_whole=len(paths) == len(table.files.paths) and all(head.num_rows < share for head in heads),
    )


def with_sampled_times(table: Table, config: TableConfig) -> Table:
    """Return the interactions with the reading of their times, by the beginning of the files of `take_sample`.

    Raises:
        DataError: the times may mean several things, or differ between files; it names the settings that say which.
    """
    paths = spread(table.files.paths, MAX_FILES)
    groups = [(path, row_groups_of(table, path)) for path in paths]
    chunks = [Chunk(path=path, row_group=found[0], first_row=0, num_rows=0) for path, found in groups if found]
    return with_times(dataclasses.replace(table, chunks=tuple(chunks)), config)


def spread(values: Sequence[str], count: int) -> list[str]:
    """Return at most `count` of some values, the first and the last among them.

    Example:
        >>> spread("abcdefg", 3), spread("ab", 3)
        (['a', 'd', 'g'], ['a', 'b'])
    """
    number = min(count, len(values))
    return [values[place * (len(values) - 1) // max(number - 1, 1)] for place in range(number)]
