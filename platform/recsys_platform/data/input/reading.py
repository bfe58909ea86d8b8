"""How the values of one table are read where they do not say it themselves."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from recsys_platform.values.times import TimeReading


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What is known of the columns of a table."""

    times: TimeReading = field(default_factory=TimeReading)
    """What the times of the interactions count."""
    id_width: Mapping[str, int] = field(default_factory=dict)
    """Name of a column of ids -> digits of its numbers, zeros in front included."""
