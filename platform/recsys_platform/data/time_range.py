"""Say in which years the interactions lie, and doubt unlikely ones: for the data stage and `recsys data --check`."""

import logging
import time
from collections.abc import Callable

from recsys_platform.config.input import TableConfig
from recsys_platform.values.moments import to_day
from recsys_platform.values.times import DAY, EARLIEST_LIKELY

logger = logging.getLogger(__name__)


def warn_of_times(earliest: float, latest: float, config: TableConfig) -> None:
    """Log the range of all times, as a warning where they are unlikely."""
    doubt = doubt_times(earliest, latest, config)
    if doubt is None:
        logger.info("%s", _describe(earliest, latest))
    else:
        logger.warning("%s", doubt)


def doubt_times(
    earliest: float, latest: float, config: TableConfig, clock: Callable[[], float] = time.time
) -> str | None:
    """Return what is unlikely about the times of the interactions, None if nothing is.

    Args:
        earliest: Unix seconds of the first event.
        latest: Those of the last one.
        config: The interactions; a configured unit or format confirms times before 1990.
        clock: Returns the current time.
    """
    between = _describe(earliest, latest)
    is_confirmed = config.time_unit != "auto" or config.time_format is not None
    if latest > clock() + DAY:
        return f"{between}, the last after today; check the column, or set input.interactions.time_unit or time_format"
    if latest < EARLIEST_LIKELY and not is_confirmed:
        return (
            f"{between}: numbers are read as seconds from 1970, which suits times that count from a start of their own; "
            "set input.interactions.time_unit to s if they do, else to their unit"
        )
    return None


def _describe(earliest: float, latest: float) -> str:
    return f"input.interactions: times from {to_day(earliest)} to {to_day(latest)}"
