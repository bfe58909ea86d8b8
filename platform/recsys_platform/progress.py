"""Show the progress of a long step: one live bar on a terminal, one log line every half minute elsewhere."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self, TextIO, TypeVar

from recsys_platform.progress_output import Bar, Lines, ProgressOutput, lines_above_bars, without_bars

Item = TypeVar("Item")
_State = tuple[float | None, str]
BAR_INTERVAL_S = 0.5
LINE_INTERVAL_S = 30.0
PROGRESS_POLL_S = 1.0
"""How often a command asks work on other processes for its progress."""


class ProgressDisplay:
    """Shows the share of one step that is done, and a text; a context manager.

    Without a terminal nothing is shown for the first half minute. The last state is always shown, at the end.
    """

    def __init__(
        self, title: str, *, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start at once.

        Args:
            title: What is done.
            stream: Decides between a bar, which it gets, and log lines; by default standard error.
            clock: Seconds.
        """
        stream = sys.stderr if stream is None else stream
        self._stack = contextlib.ExitStack()
        self._output: ProgressOutput
        if stream.isatty():
            self._output, self._interval_s = Bar(title, without_bars(stream)), BAR_INTERVAL_S
            if stream is sys.stderr:
                self._stack.enter_context(lines_above_bars())
        else:
            self._output, self._interval_s = Lines(title), LINE_INTERVAL_S
        self._clock = clock
        self._drawn_at = clock()
        self._drawn: _State | None = None
        self._latest: _State | None = None

    @property
    def is_due(self) -> bool:
        """Whether the next state is shown."""
        return self._clock() - self._drawn_at >= self._interval_s

    def show(self, share: float | None, text: str) -> None:
        """Show a state if the last one was shown long enough ago; `share` is 0 to 1, None where it is unknown."""
        self._latest = (share, text)
        if self.is_due:
            self._drawn_at = self._clock()
            self._draw(self._latest)

    def close(self) -> None:
        """Show the last state and end."""
        if self._latest is not None and self._latest != self._drawn:
            self._draw(self._latest)
        self._output.close()
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _draw(self, state: _State) -> None:
        self._drawn = state
        self._output.draw(*state)


class CountedProgress:
    """Shows how many of a known number of things are done, and the time left; a context manager."""

    def __init__(
        self,
        title: str,
        total: int,
        unit: str,
        *,
        done: int = 0,
        are_alike: bool = True,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start at once.

        Args:
            title: What is done.
            total: How many things there are.
            unit: What they are, in the plural.
            done: How many were done before.
            are_alike: Whether they take about the same time, so that the time left can be estimated.
            stream: As in `ProgressDisplay`.
            clock: As in `ProgressDisplay`.
        """
        self._display = ProgressDisplay(title, stream=stream, clock=clock)
        self._total, self._unit, self._clock = total, unit, clock
        self._done = self._done_before = done
        self._are_alike = are_alike
        self._started = clock()
        self._now = ""

    def advance(self, number: int = 1) -> None:
        """Count things that are done."""
        self._done += number
        self._show()

    def describe(self, now: str) -> None:
        """Show what is being done now, until the next call."""
        self._now = now
        self._show()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._display.show(self._share, self._text())
        self._display.close()

    @property
    def _share(self) -> float:
        return self._done / self._total if self._total else 1.0

    def _show(self) -> None:
        if self._display.is_due:
            self._display.show(self._share, self._text())

    def _text(self) -> str:
        parts = [f"{self._done:,} of {self._total:,} {self._unit}"]
        elapsed_s, newly_done = self._clock() - self._started, self._done - self._done_before
        if self._done >= self._total:
            return f"{parts[0]} in {duration(elapsed_s)}"
        if newly_done and self._are_alike:
            parts.append(f"about {duration(elapsed_s * (self._total - self._done) / newly_done)} left")
        return ", ".join([*parts, self._now] if self._now else parts)


def counted(items: Iterable[Item], title: str, total: int, unit: str) -> Iterator[Item]:
    """Yield the items and show how many are done; see `CountedProgress`."""
    with CountedProgress(title, total, unit) as progress:
        for item in items:
            yield item
            progress.advance()


def duration(seconds: float) -> str:
    """Return a time in words.

    Example:
        >>> duration(8.4), duration(150), duration(5400)
        ('8 s', '2.5 min', '1.5 h')
    """
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
