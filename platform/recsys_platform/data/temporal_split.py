"""Find the two moments of a temporal split exactly, in a few passes over the sequences.

Nothing is sorted and memory does not grow with the interactions: each pass counts the events from each of some
thousand moments on, and the next pass searches between the two moments that enclose the wanted count.
"""

from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import ray

from recsys_model.errors import DataError
from recsys_platform.config.input import DataConfig
from recsys_platform.data.sequences import iter_buckets
from recsys_platform.splits import DatasetSplit

NUM_MOMENTS = 4096
COUNTS_SCHEMA = pa.schema(
    [("events", pa.int64()), ("from", pa.list_(pa.int64())), ("first", pa.float64()), ("last", pa.float64())]
)
Moments = npt.NDArray[np.float64]


def find_split(sequences: ray.data.Dataset, data: DataConfig) -> DatasetSplit:
    """Return the split of the sequences; leave-one-out if there are no events.

    Raises:
        DataError: so many events share a time that a period would have no event.
    """
    if data.split == "leave_one_out":
        return DatasetSplit()
    num_events, _, first, last = _count(sequences, np.zeros(0))
    if num_events == 0:
        return DatasetSplit()
    valid_from, test_from = find_moments(sequences, data.valid_share, data.test_share)
    if not first < valid_from < test_from <= last:
        raise DataError(
            "data.split temporal must leave events for training, validation and test, but too many of the "
            f"{num_events:,} events share a time: validation would begin at {valid_from}, the test at {test_from}, and "
            f"events happen from {first} to {last}; choose larger data.valid_share and data.test_share, or leave_one_out"
        )
    return DatasetSplit(kind="temporal", valid_from=valid_from, test_from=test_from)


def find_moments(sequences: ray.data.Dataset, valid_share: float, test_share: float) -> tuple[float, float]:
    """Return the earliest times from which on at most both shares, and at most the test share, of the events happen.

    There must be events.
    """
    num_events, _, first, last = _count(sequences, np.zeros(0))
    valid_from, test_from = (
        _earliest(sequences, int(share * num_events + 1e-9), first, last)
        for share in (valid_share + test_share, test_share)
    )
    return valid_from, test_from


def _earliest(sequences: ray.data.Dataset, max_events: int, first: float, last: float) -> float:
    """Return the earliest time of an event from which on at most `max_events` happen; just after the last without one."""
    too_early, late_enough = np.nextafter(first, -np.inf), np.nextafter(last, np.inf)
    while True:
        moments = np.unique(np.linspace(too_early, late_enough, NUM_MOMENTS))
        _, from_moment, _, _ = _count(sequences, moments)
        place = int(np.argmax(from_moment <= max_events))
        if place == 0:
            return float(first)
        between = (float(moments[place - 1]), float(moments[place]))
        if between == (too_early, late_enough) or from_moment[place - 1] == from_moment[place]:
            break
        too_early, late_enough = between
    _, _, next_time, _ = _count(sequences, np.zeros(0), at_least=late_enough)
    return next_time if np.isfinite(next_time) else late_enough


def _count(
    sequences: ray.data.Dataset, moments: Moments, at_least: float = -np.inf
) -> tuple[int, npt.NDArray[np.int64], float, float]:
    """Return the numbers of all events and of those from each moment on, and the first and last time from `at_least` on."""
    look = partial(_count_block, moments=moments, at_least=at_least)
    total, num_events, first, last = np.zeros(len(moments), dtype=np.int64), 0, np.inf, -np.inf
    for row in sequences.map_batches(look, batch_size=None, batch_format="pyarrow").iter_rows():
        num_events += row["events"]
        total += np.array(row["from"], dtype=np.int64)
        first, last = min(first, row["first"]), max(last, row["last"])
    return num_events, total, float(first), float(last)


def _count_block(block: pa.Table, moments: Moments, at_least: float) -> pa.Table:
    rows = []
    for _, users, _ in iter_buckets(block):
        lists = users["timestamps"].to_pylist()
        times = np.sort(np.array([time for times in lists for time in times], dtype=np.float64))
        late = times[np.searchsorted(times, at_least) :]
        rows.append(
            {
                "events": len(times),
                "from": len(times) - np.searchsorted(times, moments, side="left"),
                "first": late[0] if len(late) else np.inf,
                "last": late[-1] if len(late) else -np.inf,
            }
        )
    return pa.Table.from_pylist(rows, schema=COUNTS_SCHEMA)
