"""How the lines of a text file are read: delimiter, header line, encoding; the delimiter is found by the header line."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

DELIMITERS = (",", "\t", ";", "|", "::")
"""What is tried, in this order."""
NAME_TO_DELIMITER = {"tab": "\t", "\\t": "\t", "space": " "}
ENDINGS_WITH_TABS = (".tsv", ".tab")


@dataclass(frozen=True, kw_only=True, slots=True)
class TextLayout:
    """The layout of a table's text files."""

    delimiter: str = ","
    """Between the values of a line."""
    header: bool = True
    """Whether the first line has names; else columns are called `0`, `1`, ..."""
    encoding: str = "utf-8"
    """How bytes become text."""
    keys: tuple[str, ...] = ()
    """Columns of ids and times, by which a line shows that it is a row (see `csv_records`)."""
    has_quotes: bool = True
    """Whether a value may be in double quotes."""
    escape: str | None = None
    """What stands before a quote that belongs to the value; None if such quotes are doubled."""


def choose_delimiter(lines: Sequence[str], wanted: Collection[str], *, header: bool, ending: str = "") -> str:
    """Return the delimiter of some first lines: with a header, the one that gives most of the wanted names.

    Args:
        lines: The first lines of a file, at least one.
        wanted: Names of columns, or their places from 0.
        header: Whether the first line has the names.
        ending: Ending of the file's name.

    Example:
        >>> choose_delimiter(["User-ID;ISBN;Rating, 1-10"], ["User-ID", "ISBN"], header=True)
        ';'
        >>> choose_delimiter(["1::1193::5", "1::661::3"], ["0", "1"], header=False)
        '::'
    """
    if ending in ENDINGS_WITH_TABS and "\t" in lines[0]:
        return "\t"
    if header:
        names = {delimiter: split_names(lines[0], delimiter) for delimiter in DELIMITERS}
        return max(DELIMITERS, key=lambda one: (len(set(wanted) & set(names[one])), len(names[one])))

    def num_columns(delimiter: str) -> int:
        counts = {len(split_names(line, delimiter)) for line in lines}
        return counts.pop() if len(counts) == 1 else 0

    return max(DELIMITERS, key=lambda one: (num_columns(one), lines[0].count(one)))


def split_names(line: str, delimiter: str) -> list[str]:
    """Return the names of a header line without blanks and quotes around them.

    Example:
        >>> split_names('"User-ID"; "ISBN"', ";")
        ['User-ID', 'ISBN']
    """
    return [name.strip().strip('"') for name in line.strip("\r\n\ufeff").split(delimiter)]


def describe_delimiter(delimiter: str) -> str:
    """Return a delimiter for a message."""
    return {"\t": "tab", " ": "space"}.get(delimiter, delimiter)
