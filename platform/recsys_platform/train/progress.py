"""The progress of a run: by optimiser steps or by the clock, whichever is further."""

import time
from collections.abc import Callable


class Progress:
    """Counts steps and training time; set-up before `start` costs no time.

    A run ends after `num_steps` or after `max_minutes`, whichever comes first.
    """

    def __init__(
        self, num_steps: int, max_minutes: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.num_steps = num_steps
        self.step = 0
        self.elapsed_s = 0.0
        self._max_s = None if max_minutes is None else 60 * max_minutes
        self._clock = clock
        self._started = clock()

    def start(self, step: int = 0, elapsed_s: float = 0.0) -> None:
        """Start, or resume after `step` steps and `elapsed_s` seconds of training."""
        self.step, self.elapsed_s = step, elapsed_s
        self._started = self._clock() - elapsed_s

    def own_elapsed_s(self) -> float:
        """Return the seconds of training by this process's own clock."""
        return self._clock() - self._started

    def advance(self, elapsed_s: float) -> None:
        """Count one step; `elapsed_s` is the time on which the workers agreed."""
        self.step += 1
        self.elapsed_s = elapsed_s

    @property
    def share_done(self) -> float:
        """Completed share of the run, 0 to 1."""
        return self._share(self.step)

    @property
    def share_after_step(self) -> float:
        """The share after the next step, which the learning rate schedule uses."""
        return self._share(self.step + 1)

    @property
    def is_finished(self) -> bool:
        """Whether the run is over."""
        return self.share_done >= 1.0

    def _share(self, step: int) -> float:
        by_clock = 0.0 if self._max_s is None else self.elapsed_s / self._max_s
        return min(max(step / self.num_steps, by_clock), 1.0)
