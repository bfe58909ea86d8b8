"""What a format is: its name, the marks that identify it, what is read and what is left out.

Each importer declares its `Format`; `recognition.FORMATS` lists them, and docs/formats.md shows the list.
"""

from collections.abc import Callable
from dataclasses import dataclass

from recsys_platform.data.input.importers.folder import SourceFolder
from recsys_platform.data.input.importers.source import Source


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """A format of published data sets."""

    name: str
    """Value of `input.format`."""
    title: str
    """Data sets that have it."""
    marks: str
    """Files and fields that identify it."""
    reads: str
    """What becomes the tables."""
    leaves_out: str
    """What does not, and why."""
    find: Callable[[SourceFolder], Source | None]
    """Returns what a folder holds, None unless it has the marks; raises DataError if it has them and cannot be used."""
    is_fallback: bool = False
    """Whether its marks are so weak that it counts only for a folder in no other format."""
