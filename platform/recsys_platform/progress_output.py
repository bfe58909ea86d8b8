"""The two outputs of progress: a bar of tqdm on a terminal, and lines of the log.

Other lines that are written meanwhile, such as warnings of workers, appear above the bar.
"""

import contextlib
import io
import logging
import os
import sys
from collections.abc import Iterator
from typing import Protocol, TextIO

from tqdm import tqdm

logger = logging.getLogger(__name__)

BAR = "{percentage:3.0f}%|{bar:10}| "


class ProgressOutput(Protocol):
    """Writes the states of one step."""

    def draw(self, share: float | None, text: str) -> None:
        """Write a state; `share` is 0 to 1, None if it is unknown."""
        ...

    def close(self) -> None:
        """Write nothing more."""
        ...


class Bar:
    """A bar that tqdm draws on a terminal."""

    def __init__(self, title: str, stream: TextIO) -> None:
        self._title = title
        self._stream = stream
        # a bar that leaves itself would be drawn on the row of the bar below it
        form = f"{_plain(title)} ..."
        has_columns = _has_columns(stream)
        self._tqdm = tqdm(total=1.0, file=stream, bar_format=form, dynamic_ncols=has_columns, leave=False)
        if not has_columns:
            # of a terminal that says it has no columns, as that of `script` does, tqdm takes -1, and cuts the text
            self._tqdm.ncols = None

    def draw(self, share: float | None, text: str) -> None:
        """Draw the bar anew."""
        self._tqdm.bar_format = f"{_plain(self._title)}: {'' if share is None else BAR}{_plain(text)}"
        self._tqdm.n = 0.0 if share is None else share
        self._tqdm.refresh()

    def close(self) -> None:
        """Leave the last state as a line."""
        last = str(self._tqdm)
        self._tqdm.close()
        tqdm.write(last, file=self._stream)


def _has_columns(stream: TextIO) -> bool:
    """Whether a stream is a terminal of a known width."""
    try:
        return os.get_terminal_size(stream.fileno()).columns > 0
    except (OSError, ValueError):
        return False


class Lines:
    """Lines of the log."""

    def __init__(self, title: str) -> None:
        self._title = title

    def draw(self, share: float | None, text: str) -> None:
        """Log a state."""
        # rounded down: 100 % means that all is done
        percentage = "" if share is None else f"{int(100 * share)} %, "
        logger.info("%s: %s%s", self._title, percentage, text)

    def close(self) -> None:
        """Do nothing: every line is complete."""


class _AboveBars(io.TextIOBase):
    """A stream whose lines appear above the bars of a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._unfinished = ""

    def write(self, text: str) -> int:
        *lines, self._unfinished = (self._unfinished + text).split("\n")
        for line in lines:
            tqdm.write(line, file=self.stream)
        return len(text)

    def flush(self) -> None:
        self.stream.flush()

    def isatty(self) -> bool:
        return self.stream.isatty()

    def fileno(self) -> int:
        return self.stream.fileno()

    def finish(self) -> None:
        """Write a line that has no end yet."""
        self.stream.write(self._unfinished)
        self._unfinished = ""


def without_bars(stream: TextIO) -> TextIO:
    """Return the stream below an `_AboveBars`, or the stream itself."""
    return stream.stream if isinstance(stream, _AboveBars) else stream


@contextlib.contextmanager
def lines_above_bars() -> Iterator[None]:
    """Put the lines of logging, and those that Ray prints of its workers, above the bars of standard error."""
    if isinstance(sys.stderr, _AboveBars):
        yield
        return
    err = _AboveBars(sys.stderr)
    out = _AboveBars(sys.stdout)
    handlers = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr
    ]
    for handler in handlers:
        handler.setStream(err)
    with contextlib.redirect_stderr(err), contextlib.redirect_stdout(out if out.isatty() else sys.stdout):
        try:
            yield
        finally:
            for handler in handlers:
                handler.setStream(err.stream)
            err.finish()
            out.finish()


def _plain(text: str) -> str:
    """Return a text that `str.format` leaves as it is."""
    return text.replace("{", "{{").replace("}", "}}")
