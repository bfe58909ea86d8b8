"""Sample a history from long, medium and short-term behaviour (paper, Data Phase).

Windows are measured back from the time of the target. The paper gives the shares 10 / 30 / 60 %.
The quotas, the use of unfilled quotas and the seed are this project's choice:

- quotas come from the largest remainder, the more recent window first where remainders tie;
- a window with too few events gives what is left of its quota to the next more recent one that has
  events; what the short window cannot use goes back to the nearest older window with unused events.
  A history that fits into the budget is therefore always complete;
- the short window keeps its latest events, the others a uniform sample without replacement.

`bounds: last` has no windows: every event is short-term, so the history is the latest events.
"""

import math
import random
from collections.abc import Sequence

from recsys_model.config import WindowConfig
from recsys_model.text.seeding import stable_seed

SECONDS_PER_DAY = 86400.0


def sample_history(
    timestamps: Sequence[float], target_time: float, config: WindowConfig, key: tuple[int, str, int]
) -> list[int]:
    """Choose at most `config.max_history` of the events before a target.

    Args:
        timestamps: Unix seconds of all events before the target, in the user's own order, which
            `position` decides where times tie.
        target_time: Unix seconds of the target event.
        config: Budget, shares and bounds of the windows.
        key: (seed, user id, index of the target); the sample depends on nothing else.

    Returns:
        Ascending indices into `timestamps`: the history in the user's order.

    Example:
        >>> week = 7 * 86400.0
        >>> config = WindowConfig(max_history=2, short_days=7.0)
        >>> sample_history([0.0, 50 * week, 51 * week, 51 * week], 52 * week, config, (0, "ann", 4))
        [1, 3]
    """
    if len(timestamps) <= config.max_history:
        return list(range(len(timestamps)))
    windows = _split(timestamps, target_time, config)
    takes = _fill(_quotas(config), [len(window) for window in windows])
    rng = random.Random(stable_seed(*key))
    long_term, medium_term, short_term = windows
    chosen = _draw(long_term, takes[0], rng) + _draw(medium_term, takes[1], rng)
    return sorted(chosen + short_term[len(short_term) - takes[2] :])


def _split(timestamps: Sequence[float], target_time: float, config: WindowConfig) -> tuple[list[int], ...]:
    """Assign every event to the long, medium or short window, oldest window first."""
    if config.bounds == "last":
        return [], [], list(range(len(timestamps)))
    if config.bounds == "quantile":
        return _split_by_share(len(timestamps), config)
    windows: tuple[list[int], ...] = ([], [], [])
    for index, timestamp in enumerate(timestamps):
        age_days = (target_time - timestamp) / SECONDS_PER_DAY
        windows[(age_days <= config.medium_days) + (age_days <= config.short_days)].append(index)
    return windows


def _split_by_share(num_events: int, config: WindowConfig) -> tuple[list[int], ...]:
    """Cut the user's order at the quantiles, counted back from the latest event and rounded half up."""
    num_recent = math.floor((config.short_quantile + config.medium_quantile) * num_events + 0.5)
    num_short = math.floor(config.short_quantile * num_events + 0.5)
    events = list(range(num_events))
    medium_start, short_start = num_events - num_recent, num_events - num_short
    return events[:medium_start], events[medium_start:short_start], events[short_start:]


def _quotas(config: WindowConfig) -> list[int]:
    """Divide the budget by largest remainder: [long, medium, short]."""
    exact = [config.max_history * share for share in (config.long_share, config.medium_share, config.short_share)]
    # the rounding makes 0.3 * 10 a whole 3, which binary fractions do not
    exact = [round(value, 9) for value in exact]
    quotas = [math.floor(value) for value in exact]
    remainders = [round(value - quota, 9) for value, quota in zip(exact, quotas, strict=True)]
    by_remainder = sorted(range(3), key=lambda window: (remainders[window], window), reverse=True)
    for window in by_remainder[: config.max_history - sum(quotas)]:
        quotas[window] += 1
    return quotas


def _fill(quotas: Sequence[int], sizes: Sequence[int]) -> list[int]:
    """Decide how many events each window gives; there are at least as many events as the quotas add up to."""
    takes = [0, 0, 0]
    spare = 0
    for window in (0, 1, 2):
        takes[window] = min(quotas[window] + spare, sizes[window])
        spare += quotas[window] - takes[window]
    for window in (1, 0):
        more = min(spare, sizes[window] - takes[window])
        takes[window] += more
        spare -= more
    assert spare == 0, "every window was emptied although there are more events than the budget"
    return takes


def _draw(events: Sequence[int], count: int, rng: random.Random) -> list[int]:
    """Draw `count` events without replacement, by the one method whose stream Python guarantees: `random()`."""
    ranks = [rng.random() for _ in events]
    by_rank = sorted(range(len(events)), key=ranks.__getitem__)
    return [events[position] for position in by_rank[:count]]
