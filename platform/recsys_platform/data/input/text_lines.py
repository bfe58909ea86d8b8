"""The lines of a text file, with their numbers; lines that were taken can be given back."""

import io
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

MAX_REPORTED_CHARACTERS = 500


class MalformedLine:
    """A line that is not a record, and its text."""

    def __init__(self, text: str) -> None:
        self.text = text[:MAX_REPORTED_CHARACTERS]


class Lines:
    """Lines of a stream, one by one.

    Example:
        >>> lines = Lines(["a", "b"])
        >>> lines.take(), lines.take(), lines.give_back(["b"]), lines.take(), lines.take(), lines.number
        ('a', 'b', None, 'b', None, 2)
    """

    def __init__(self, stream: Iterable[str]) -> None:
        self._stream = iter(stream)
        self._returned: deque[str] = deque()
        self.number = 0
        """Number of the line that was taken last, from 1."""

    def take(self) -> str | None:
        """Return the next line with its end, None after the last."""
        line = self._returned.popleft() if self._returned else next(self._stream, None)
        self.number += line is not None
        return line

    def give_back(self, lines: Sequence[str]) -> None:
        """Take back the lines that were taken last; they come again, in this order."""
        self._returned.extendleft(reversed(lines))
        self.number -= len(lines)


def as_text(stream: Any, encoding: str) -> io.TextIOWrapper:
    """Decode a stream of bytes, a byte order mark left out; lines end where the format says so."""
    return io.TextIOWrapper(stream, encoding="utf-8-sig" if is_utf8(encoding) else encoding, newline="")


def is_utf8(encoding: str) -> bool:
    """Whether a name is one of UTF-8's."""
    return encoding.lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig")
