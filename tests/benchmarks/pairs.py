"""Time two ways to do the same work in turns, and report their ratio.

Pairs are interleaved, so other work on the machine slows both; the ratio is the median over the pairs.
"""

import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of a table of benchmarks."""

    work: str
    """What was done."""
    alternative: str
    """What a user would otherwise pick."""
    ours: list[float]
    """Seconds (or another cost) of each repetition."""
    others: list[float]
    """The same of the alternative, pair by pair."""
    unit: str = "s"
    """Unit of both."""
    note: str = ""
    """What a reader must know."""

    @property
    def ratios(self) -> list[float]:
        """How many times the alternative costs, pair by pair."""
        return [other / own if own else float("inf") for own, other in zip(self.ours, self.others, strict=True)]

    def cells(self) -> list[str]:
        """Return the cells of the table; a row without an alternative has no ratio."""
        own = f"{statistics.median(self.ours):.4g} {self.unit}"
        if not self.others:
            return [self.work, own, "", "", "", self.note]
        low, high = interval_of_median(self.ratios)
        ratio = f"**{statistics.median(self.ratios):.3g}** [{low:.3g}, {high:.3g}]"
        return [self.work, own, self.alternative, f"{statistics.median(self.others):.4g} {self.unit}", ratio, self.note]


HEAD = ("work", "ours", "alternative", "alternative's", "ratio [95 %]", "note")


def time_pairs(
    work: str,
    alternative: str,
    ours: Callable[[], object],
    other: Callable[[], object],
    *,
    pairs: int,
    note: str = "",
    calls: int = 1,
) -> Row:
    """Run both once to warm up, then `pairs` times in turn.

    Ours is called `calls` times in each turn and the mean is kept: of work that takes a millisecond, a single call would
    measure how much of the processor's cache the alternative has taken. The note tells of that call, too.
    """
    ours()
    other()
    own, others, first = [], [], []
    for _ in range(pairs):
        seconds = [seconds_of(ours) for _ in range(calls)]
        first.append(seconds[0])
        own.append(statistics.mean(seconds))
        others.append(seconds_of(other))
    if calls > 1:
        behind = f"the first of {calls} calls, behind the alternative: {1000 * statistics.median(first):.3g} ms"
        note = f"{behind}; {note}" if note else behind
    return Row(work=work, alternative=alternative, ours=own, others=others, note=note)


def seconds_of(function: Callable[[], object]) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def interval_of_median(values: list[float], num_samples: int = 2000) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the median."""
    rng = random.Random(0)
    medians = sorted(statistics.median(rng.choices(values, k=len(values))) for _ in range(num_samples))
    return medians[int(0.025 * num_samples)], medians[int(0.975 * num_samples) - 1]
