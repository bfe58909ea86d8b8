"""Read and check one column of a block: values that cannot be used give their rows a reason."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from recsys_model.errors import DataError
from recsys_platform.data.input import columns
from recsys_platform.data.input.arrow import to_mask
from recsys_platform.data.input.reading import Reading
from recsys_platform.data.input.rejects import Reject, Verdict
from recsys_platform.data.input.sources import MALFORMED, ROW
from recsys_platform.data.input.times import to_times
from recsys_platform.values.times import TimeReading

MAX_POSITION = 2.0**53
"""Larger positions are no longer exact as floats."""


def prose_of(table: pa.Table, name: str) -> list[str | None]:
    """Return a column of prose; all None if the table lacks it."""
    return columns.to_prose(table[name]) if name in table.column_names else [None] * table.num_rows


def labels_of(table: pa.Table, name: str) -> columns.Labels:
    """Return a column of labels; all None if the table lacks it."""
    return columns.to_labels(_column_of(table, name))


def prices_of(table: pa.Table) -> columns.Labels:
    """Return the prices; all None if the table lacks them."""
    return columns.to_prices(_column_of(table, "price"))


def categories_of(table: pa.Table) -> columns.Categories:
    """Return the categories; all empty if the table lacks them."""
    return columns.to_categories(_column_of(table, "categories"))


def values_of(table: pa.Table, name: str) -> columns.Categories:
    """Return the values of a column for rules; all empty if the table lacks it."""
    return columns.to_values(_column_of(table, name))


def _column_of(table: pa.Table, name: str) -> pa.Array | pa.ChunkedArray:
    return table[name] if name in table.column_names else pa.nulls(table.num_rows, pa.string())


def check_event_ids(block: pa.Table, name: str, null_reason: str, reading: Reading, verdict: Verdict) -> pa.Array:
    """Return one column of ids of a block; rows without a usable one are rejected."""
    verdict.reject(to_mask(block[MALFORMED].is_valid()), "malformed_line")
    ids = columns.to_ids(block[name], reading.id_width.get(name))
    _reject_unusable(ids, verdict)
    verdict.reject(to_mask(ids.values.is_null()), null_reason)
    return ids.values


def check_unique_ids(table: pa.Table, name: str, reading: Reading, verdict: Verdict) -> list[str]:
    """Reject malformed lines, unusable ids, and all but the first row of an id."""
    ids = columns.to_ids(table[name], reading.id_width.get(name))
    verdict.reject(to_mask(table[MALFORMED].is_valid()), "malformed_line")
    _reject_unusable(ids, verdict)
    verdict.reject(to_mask(ids.values.is_null()), "null_id")
    firsts: dict[str, int] = {}
    values = ids.values.to_pylist()
    is_repeated = [firsts.setdefault(key, row) != row for row, key in enumerate(values)]
    verdict.reject(np.array(is_repeated, dtype=bool), "duplicate_id")
    return values


def _reject_unusable(ids: columns.Ids, verdict: Verdict) -> None:
    verdict.reject(ids.is_nested, "nested_id")
    verdict.reject(ids.is_inexact, "inexact_id")


def check_times(block: pa.Table, reading: TimeReading, verdict: Verdict) -> np.ndarray:
    """Return unix seconds; rows without a usable time are rejected."""
    times = to_times(block["timestamp"], reading)
    verdict.reject(times.is_null, "null_timestamp")
    verdict.reject(times.is_unparsable, "unparsable_timestamp")
    verdict.reject(times.is_inexact, "inexact_timestamp")
    verdict.reject(times.is_out_of_range, "timestamp_out_of_range")
    return times.values


def list_notes(table: pa.Table, verdict: Verdict, notes: Mapping[str, np.ndarray]) -> list[Reject]:
    """Return accepted rows that lose a value, once for each reason."""
    rows: list[Reject] = []
    for reason, mask in notes.items():
        one_reason = Verdict(table.num_rows)
        one_reason.reject(mask & verdict.is_accepted, reason)
        rows += one_reason.list_rejects(table)
    return rows


def refuse_unreadable(name: str, labels: columns.Labels, table: pa.Table) -> None:
    """Raise if a feature has values and none of them has a plain text.

    Raises:
        DataError: with the column, the first such value and its row.
    """
    if labels.is_unreadable.any() and not any(labels.texts):
        place = int(np.flatnonzero(labels.is_unreadable)[0])
        raise DataError(
            f"input.users: column {name} has no plain values, such as {table[name][place].as_py()!r} in row "
            f"{table[ROW][place].as_py()}; name a field of it in input.users.columns, or leave it out of "
            "input.user_features"
        )


def check_positions(block: pa.Table, verdict: Verdict) -> np.ndarray:
    """Return the positions; all 0 if the table has none."""
    if "position" not in block.column_names:
        return np.zeros(block.num_rows)
    positions = columns.to_numbers(block["position"])
    verdict.reject(positions.is_null, "null_position")
    verdict.reject(positions.is_unparsable | (np.abs(positions.values) > MAX_POSITION), "unparsable_position")
    return positions.values


def check_ratings(block: pa.Table, verdict: Verdict, *, uses_rating: bool) -> np.ndarray:
    """Return the ratings, NaN for those not given; all NaN if they are not used."""
    if not uses_rating or "rating" not in block.column_names:
        return np.full(block.num_rows, np.nan)
    ratings = columns.to_numbers(block["rating"])
    verdict.reject(ratings.is_unparsable, "unparsable_rating")
    return ratings.values
