"""A budget of time for a run of several stages: each has a limit, at which it is stopped, and its seconds are kept.

The limit is an alarm of the operating system, which interrupts the main thread as Ctrl-C does: where Ray waits for a
result, it lets no other exception out of a signal handler.
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from recsys_model.errors import RecsysError

AGAIN_S = 20.0
"""An alarm that was swallowed, in a callback say, rings again after so long."""


class OutOfTimeError(RecsysError, TimeoutError):
    """A stage reached its limit, or there was no time to begin it."""


class Budget:
    """So many seconds from a start on."""

    def __init__(
        self, total_s: float, started: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin at `started` by the clock, or now."""
        self._clock = clock
        self._end = (clock() if started is None else started) + total_s
        self.total_s = total_s
        self.seconds: dict[str, float] = {}
        """Of each stage that has ended, or was stopped."""

    @property
    def left_s(self) -> float:
        """Seconds until the end; below 0 after it."""
        return self._end - self._clock()

    @property
    def spent_s(self) -> float:
        """Seconds since the start."""
        return self.total_s - self.left_s

    @contextmanager
    def stage(self, name: str, keep_s: float = 0.0) -> Iterator[None]:
        """Run the block as a stage that must leave `keep_s` seconds to what follows; main thread only.

        Raises:
            OutOfTimeError: the limit was reached, or there is no time for the stage at all.
        """
        limit_s = self.left_s - keep_s
        if limit_s <= 0.0:
            raise OutOfTimeError(
                f"no time is left for {name}: {self.left_s:.0f} s, of which {keep_s:.0f} s are kept for later"
            )
        began, rang = self._clock(), False

        def ring(number: int, frame: FrameType | None) -> None:
            nonlocal rang
            del number, frame
            rang = True
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGALRM, ring)
        others_s, others_interval_s = signal.setitimer(signal.ITIMER_REAL, limit_s, AGAIN_S)
        try:
            yield
        except KeyboardInterrupt as error:
            if not rang:
                raise
            raise OutOfTimeError(f"{name} was stopped after {self._clock() - began:.0f} s, its limit") from error
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, before)
            taken_s = self._clock() - began
            if others_s > 0.0:
                # an alarm that was set before, such as that of pytest-timeout, goes on
                signal.setitimer(signal.ITIMER_REAL, max(others_s - taken_s, 0.001), others_interval_s)
            self.seconds[name] = round(taken_s, 1)
