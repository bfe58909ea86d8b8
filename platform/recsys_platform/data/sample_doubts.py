"""Doubts about a sample of the tables: rows that the contract rejects, ids that do not meet, features that are ids."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TypeAlias

import pyarrow as pa

from recsys_platform.config.input import TableConfig
from recsys_platform.data.input import columns, contract
from recsys_platform.data.input.arrow import pc
from recsys_platform.data.input.id_hints import Side, describe_differences
from recsys_platform.data.input.reading import Reading
from recsys_platform.data.input.reasons import is_kept
from recsys_platform.data.input.rejects import Reject
from recsys_platform.data.time_range import doubt_times
from recsys_platform.splits import moment

Place: TypeAlias = Callable[[int], str]
"""Names a row of the sample for a message."""
PLACEHOLDERS = frozenset({"#N/A", "<NA>", "N/A", "NA", "NULL", "NaT", "None", "\\N", "null", "undefined"})
"""What programs write for a missing value; an id may be called so too."""
MIN_USERS = 20
"""Users from which on a feature without equal values is taken for an id."""
MAX_UNKNOWN_SHARE = 0.1
NUM_SHOWN = 3
MAX_CHARACTERS = 200


def name_row(row: int) -> str:
    """Return a row of a table of one file for a message."""
    return f"row {row}"


def judge_interactions(
    block: pa.Table, reading: Reading, config: TableConfig, max_share: float, place: Place = name_row
) -> tuple[list[str], list[str]]:
    """Return notes and doubts about the first interactions; items are taken for known."""
    item_ids = pc.drop_null(pc.unique(columns.to_ids(block["item_id"], reading.id_width.get("item_id")).values))
    checked = contract.check_interactions(
        block, item_ids, 1, uses_rating="rating" in block.column_names, reading=reading
    )
    is_bad = checked["reason"].is_valid()
    times = checked["timestamp"].filter(pc.invert(is_bad)).to_numpy()
    rejects = [Reject(**row) for row in checked.filter(is_bad).select(["row", "reason", "values"]).to_pylist()]
    doubts = list(_describe_rejects("interactions", rejects, block.num_rows, max_share, place))
    for name in ("user_id", "item_id"):
        doubts += _doubt_ids(block[name], name)
    if len(times) == 0 or times.max() == times.min():
        return [], doubts
    span = f"interactions: times run from {moment(times.min())} to {moment(times.max())}"
    doubt = doubt_times(times.min(), times.max(), config)
    return ([span], doubts) if doubt is None else ([], [doubt, *doubts])


def judge_items(block: pa.Table, reading: Reading, max_share: float, place: Place = name_row) -> list[str]:
    """Return doubts about the first items."""
    rejects = contract.check_items(block, reading).rejects
    return list(_describe_rejects("items", rejects, block.num_rows, max_share, place))


def judge_users(
    block: pa.Table, features: Sequence[str], reading: Reading, max_share: float, place: Place = name_row
) -> list[str]:
    """Return doubts about the first users and their features.

    Raises:
        DataError: a feature has no plain values.
    """
    rejects = contract.check_users(block, tuple(features), reading).rejects
    return [*_find_id_features(block, features), *_describe_rejects("users", rejects, block.num_rows, max_share, place)]


def find_id_doubts(
    blocks: Mapping[str, pa.Table], readings: Mapping[str, Reading], whole: Collection[str]
) -> Iterator[str]:
    """Yield whether ids of the interactions are missing in the other tables, if these were read as a `whole`."""
    for table, name in (("items", "item_id"), ("users", "user_id")):
        if "interactions" not in blocks or table not in blocks or table not in whole:
            continue
        known, occurring = (
            pc.drop_null(columns.to_ids(blocks[one][name], readings[one].id_width.get(name)).values)
            for one in (table, "interactions")
        )
        unknown = occurring.filter(pc.invert(pc.is_in(occurring, value_set=known)))
        if len(unknown) > MAX_UNKNOWN_SHARE * len(occurring):
            sides = [Side(setting=f"input.{one}", column=name) for one in ("interactions", table)]
            hints = describe_differences(Counter(unknown.to_pylist()), known.to_pylist(), *sides)
            yield (
                f"interactions: {len(unknown)} of {len(occurring)} rows have a {name} that {table} lacks, such as "
                f"{_first_values(unknown)}; {table} has {_first_values(known)}{''.join(f'. {hint}' for hint in hints)}"
            )


def _doubt_ids(column: pa.ChunkedArray, name: str) -> Iterator[str]:
    """Yield whether ids of the interactions stand for a missing one, or are another's but for blanks around them."""
    ids: Counter[str] = Counter(columns.to_ids(column).values.drop_null().to_pylist())
    for text in sorted(PLACEHOLDERS & set(ids)):
        yield (
            f"interactions: {ids[text]} of {len(column)} rows have the {name} {text}, which programs write for a missing "
            f"value; input.interactions.where, such as `{name} != {text}`, leaves them out"
        )
    padded = [text for text in ids if text != text.strip()]
    if padded:
        yield (
            f"interactions: {len(padded)} of {len(ids)} different values of {name} have blanks around them, such as "
            f"{padded[0]!r}, and are other ids than those without; write them without blanks"
        )


def _find_id_features(block: pa.Table, features: Sequence[str]) -> Iterator[str]:
    for name in features:
        values = [value for value in columns.to_labels(block[name]).texts if value is not None]
        if len(values) >= MIN_USERS and len(set(values)) == len(values):
            yield (
                f"users: the feature {name} has another value for each of {len(values)} users, such as {values[0]}: is it "
                "an id? input.user_features names the features"
            )


def _describe_rejects(
    table: str, rejects: Sequence[Reject], num_rows: int, max_share: float, place: Place
) -> Iterator[str]:
    counts = Counter(reject.reason for reject in rejects)
    for reason, number in counts.most_common():
        first = next(reject for reject in rejects if reject.reason == reason)
        values = first.values if len(first.values) <= MAX_CHARACTERS else f"{first.values[:MAX_CHARACTERS]}..."
        yield f"{table}: {number} of {num_rows} rows have {reason}, the first is {place(first.row)}: {values}"
    if sum(number for reason, number in counts.items() if not is_kept(reason)) > max_share * num_rows:
        yield f"{table}: so many rejected rows stop the data stage (input.max_reject_share {max_share:.1%})"


def _first_values(values: pa.Array) -> str:
    distinct = [value for value in pc.unique(values).to_pylist() if value is not None][:NUM_SHOWN]
    return ", ".join(f'"{value}"' for value in distinct)
