"""Rejected rows: their numbers and reasons, and the limit on their share."""

import heapq
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recsys_model.errors import DataError
from recsys_platform.data.input.arrow import Mask
from recsys_platform.data.input.reasons import is_kept, ways_out
from recsys_platform.data.input.sources import MALFORMED, ROW

REJECTS_SCHEMA = pa.schema(
    [("table", pa.string()), ("row", pa.int64()), ("reason", pa.string()), ("values", pa.string())]
)
NUM_SAMPLES = 3


@dataclass(frozen=True, slots=True, order=True)
class Reject:
    """One rejected or reported row."""

    row: int
    """0-based number in the table."""
    reason: str
    """One of the reasons of the contract."""
    values: str
    """JSON of the row under our column names."""


@dataclass(slots=True)
class RejectSummary:
    """How many rows of a table were rejected, by reason, and the first few of them."""

    counts: Counter[str] = field(default_factory=Counter)
    """Reason -> rows."""
    samples: list[Reject] = field(default_factory=list)
    """The rejected rows with the smallest numbers, at most three."""

    def add(self, counts: Counter[str], samples: Iterable[Reject]) -> None:
        """Add the rejects of another part of the table."""
        self.counts.update(counts)
        self.samples = heapq.nsmallest(
            NUM_SAMPLES, [*self.samples, *(one for one in samples if not is_kept(one.reason))]
        )

    @property
    def num_rejected(self) -> int:
        """Rows that were left out; those that only lose a value are not."""
        return sum(count for reason, count in self.counts.items() if not is_kept(reason))

    def check_share(self, table: str, num_rows: int, max_share: float, hints: Sequence[str] = ()) -> None:
        """Raise if more than `max_share` of the table's rows were rejected.

        Args:
            table: `interactions`, `items` or `users`.
            num_rows: Its rows.
            max_share: The largest share that is allowed.
            hints: What else may help, one sentence each.

        Raises:
            DataError: with the share, the counts by reason, sample rows and ways out.
        """
        if not self.exceeds(num_rows, max_share):
            return
        counts = {reason: count for reason, count in sorted(self.counts.items()) if not is_kept(reason)}
        reasons = ", ".join(f"{reason} {count}" for reason, count in counts.items())
        samples = "".join(f"\n  row {one.row}, {one.reason}: {one.values}" for one in self.samples)
        advice = "".join(f"{hint}\n" for hint in (*ways_out(counts, table), *hints))
        raise DataError(
            f"{self.num_rejected} of {num_rows} rows of the {table} table ({self.num_rejected / num_rows:.1%}) are rejected, "
            f"more than input.max_reject_share {max_share:.1%} allows: {reasons}. The first are"
            f"{samples}\n{advice}"
            f"Correct the table or input.{table}.columns, or raise input.max_reject_share. Nothing was written"
        )

    def exceeds(self, num_rows: int, max_share: float) -> bool:
        """Whether more than `max_share` of the table's rows were rejected."""
        return self.num_rejected > max_share * num_rows


def summarize(rejects: Sequence[Reject]) -> RejectSummary:
    """Count the rejects of a whole table."""
    summary = RejectSummary()
    summary.add(Counter(reject.reason for reject in rejects), rejects)
    return summary


class Verdict:
    """Collects a reason for each row of a block; the first one given stays.

    Example:
        >>> verdict = Verdict(2)
        >>> verdict.reject(np.array([True, False]), "null_user")
        >>> verdict.reject(np.array([True, True]), "null_item")
        >>> verdict.reasons.tolist()
        ['null_user', 'null_item']
    """

    def __init__(self, num_rows: int) -> None:
        self.reasons: npt.NDArray[np.object_] = np.full(num_rows, None, dtype=object)

    @property
    def is_accepted(self) -> Mask:
        """Rows without a reason."""
        return np.array([reason is None for reason in self.reasons], dtype=bool)

    def reject(self, mask: Mask, reason: str) -> None:
        """Give `reason` to the rows of `mask` that have none yet."""
        if mask.any():
            self.reasons[mask & self.is_accepted] = reason

    def list_rejects(self, block: pa.Table) -> list[Reject]:
        """Return the rejected rows of the checked block."""
        indices = np.flatnonzero(~self.is_accepted)
        rows = block[ROW].take(pa.array(indices)).to_pylist()
        return list(map(Reject, rows, self.reasons[indices].tolist(), describe_rows(block, indices)))


def describe_rows(block: pa.Table, indices: npt.NDArray[Any]) -> list[str]:
    """Return the JSON of some rows of a block, or of the text of a malformed line."""
    chosen = block.take(pa.array(indices, pa.int64())).drop_columns([ROW]).to_pylist()
    return [to_json(_readable(values)) for values in chosen]


def to_json(values: dict[str, Any]) -> str:
    """Return one line of JSON; what JSON cannot express becomes text."""
    return json.dumps(values, ensure_ascii=False, default=str)


def build_reject_table(table: str, rejects: Sequence[Reject]) -> pa.Table:
    """Return rejects in the layout of the rejects table, by row number."""
    ordered = sorted(rejects)
    return pa.table(
        {
            "table": [table] * len(ordered),
            "row": [reject.row for reject in ordered],
            "reason": [reject.reason for reject in ordered],
            "values": [reject.values for reject in ordered],
        },
        schema=REJECTS_SCHEMA,
    )


def _readable(values: dict[str, Any]) -> dict[str, Any]:
    line = values.pop(MALFORMED, None)
    return values if line is None else {"line": line}
