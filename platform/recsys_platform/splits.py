"""The split of each user's events into training, validation and test, for the data stage and the evaluation.

Each user has at most one validation and one test target. Leave-one-out takes the last two events. A temporal split
cuts the events of all users at the same two times. The target is then the user's first event in a period, so the
history has no event of the period. A user without an event in the period, or without one before it, has no target.
"""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from recsys_model.evaluation.protocols import EventSplit, leave_one_out, temporal_split

SplitName = Literal["train", "valid", "test"]
SPLIT_NAMES: tuple[SplitName, ...] = ("train", "valid", "test")
HeldOut = Literal["valid", "test"]
NUM_HELD_OUT = 2
"""With leave-one-out, each user's last events, which test and validate."""
MIN_EVENTS_TO_TRAIN = 2
"""Training events of a user that give an example: a target and an event before it."""
MIN_CALENDAR_S, MAX_CALENDAR_S = 1e8, 2e10
"""Between 1973 and 2603 a time is shown as a date: places in a sequence and seconds from a start of their own are smaller.

What the numbers of a table mean is another question, which `values.times` answers by the years from 1990 on. A date before
these years that is written as such is still shown as one.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetSplit:
    """How a dataset was split."""

    kind: Literal["leave_one_out", "temporal"] = "leave_one_out"
    """Rule of the split."""
    valid_from: float | None = None
    """With `temporal`, the time of the first validation event."""
    test_from: float | None = None
    """With `temporal`, the time of the first test event."""

    def num_training(self, timestamps: Sequence[float]) -> int:
        """Return the number of a user's first events that are training events.

        With leave-one-out, the last two events are never training events, even if the user has no others.

        Raises:
            DataError: The split is temporal and the events are not in order of time.

        Example:
            >>> [DatasetSplit().num_training([0.0] * length) for length in (1, 2, 3, 5)]
            [0, 0, 1, 3]
        """
        if self.kind == "leave_one_out":
            return max(0, len(timestamps) - NUM_HELD_OUT)
        return len(self._events(timestamps).train)

    def target(self, timestamps: Sequence[float], split: HeldOut) -> int | None:
        """Return the index of a user's target event; None if there is no such event or no event before it.

        Raises:
            DataError: As in `num_training`.

        Example:
            >>> cut = DatasetSplit(kind="temporal", valid_from=3.0, test_from=5.0)
            >>> cut.target([1.0, 3.0, 4.0, 9.0], "valid"), cut.target([1.0, 3.0, 4.0, 9.0], "test"), cut.target([6.0], "test")
            (1, 3, None)
        """
        events = self._events(timestamps)
        period = events.valid if split == "valid" else events.test
        return period.start if len(period) and period.start > 0 else None

    def describe(self, split: HeldOut) -> list[str]:
        """Return the target and the history of a case in words."""
        if self.kind == "leave_one_out":
            target, history = (
                ("last event", "all events before it, including the validation event")
                if split == "test"
                else ("last event but one", "all events before it")
            )
            return [f"The target is the {target} of each user; the history has {history}."]
        test = moment(self.test_from)
        period = f"from {moment(self.valid_from)} until {test}" if split == "valid" else f"from {test} on"
        return [
            f"The target is each user's first event in the {split} period ({period}); the history has all events "
            "before it. Users without an event in the period, or without one before it, are left out.",
        ]

    def describe_training(self) -> str:
        """Return in words how many events a user needs to give a training example.

        Example:
            >>> DatasetSplit().describe_training()
            'A user gives a training example from 4 events on: 2 held out, a target, and one before it.'
        """
        if self.kind == "leave_one_out":
            number = NUM_HELD_OUT + MIN_EVENTS_TO_TRAIN
            return f"A user gives a training example from {number} events on: {NUM_HELD_OUT} held out, a target, and one before it."
        return (
            f"A user gives a training example from {MIN_EVENTS_TO_TRAIN} events before {moment(self.valid_from)} on: a target, "
            "and one before it."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self)

    def _events(self, timestamps: Sequence[float]) -> EventSplit:
        if self.kind == "leave_one_out" or self.valid_from is None or self.test_from is None:
            return leave_one_out(len(timestamps))
        return temporal_split(timestamps, self.valid_from, self.test_from)


def moment(timestamp: float | None) -> str:
    """Return a time as text: unix seconds as date and time, other numbers unchanged.

    Example:
        >>> moment(1388534400.0), moment(7.5), moment(123456789012345.0)
        ('2014-01-01 00:00:00 UTC', '7.5', '123456789012345.0')
    """
    if timestamp is None or not MIN_CALENDAR_S <= timestamp <= MAX_CALENDAR_S:
        return str(timestamp)
    return f"{datetime.datetime.fromtimestamp(timestamp, datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"


def split_of(counts: Mapping[str, Any]) -> DatasetSplit:
    """Return the split in the counts of a dataset's manifest; leave-one-out if they have none."""
    return DatasetSplit(**counts.get("split", {}))


def tie_statements_of(counts: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the statements on events with equal times in the counts of a dataset's manifest, a finding last.

    Example:
        >>> tie_statements_of({"ties": {"statements": ["Some tie."], "finding": None}}), tie_statements_of({})
        (('Some tie.',), ())
    """
    ties = counts.get("ties", {})
    return tuple(text for text in (*ties.get("statements", ()), ties.get("finding")) if text)


def new_item_statements_of(counts: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the statement on held-out items in the counts of a dataset's manifest; empty without such items.

    Example:
        >>> counts = {"new_items": {"items": 5, "events": 60, "users": 40, "asked": 12, "others": 90}}
        >>> new_item_statements_of(counts)[0]
        '5 items were held out with all their 60 events of 40 users (data.new_items): they are neither candidates nor targets.'
        >>> new_item_statements_of({})
        ()
    """
    new = counts.get("new_items")
    if new is None:
        return ()
    return (
        f"{new['items']:,} items were held out with all their {new['events']:,} events of {new['users']:,} users "
        "(data.new_items): they are neither candidates nor targets.",
    )
