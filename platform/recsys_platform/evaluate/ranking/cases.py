"""Read the cases of an evaluation: a user's history, and the held-out item to rank.

The order of the cases depends only on the user ids, not on the number of files that the data stage wrote.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recsys_model.errors import CheckpointError
from recsys_model.text.textualize import TokenizedText
from recsys_platform.artifacts import read_manifest
from recsys_platform.interactions import UserEvents, iter_sequences
from recsys_platform.splits import DatasetSplit, HeldOut, new_item_statements_of, split_of, tie_statements_of

_TEXT_COLUMNS = ("token_ids", "entity_starts", "entity_ends", "entity_items", "sentence_ends")
_COLUMNS = ("user_id", "target_index", "target_item", "seen_items", *_TEXT_COLUMNS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One user and the held-out item to rank."""

    user_id: str
    """User id of the interactions table."""
    text: TokenizedText
    """The model's input, without the target."""
    history: tuple[int, ...]
    """Catalogue indices of all the user's events before the target, in order."""
    target_item: int
    """Catalogue index of the held-out item."""
    seen_items: frozenset[int]
    """Distinct items of `history`."""
    own_items: frozenset[int]
    """Distinct items of all the user's events, before and after the target."""
    training_place: int | None = None
    """Index of the user in `EvaluationData.training_sequences`."""
    has_own_time: bool = True
    """Whether no other event of the user has the target's time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationData:
    """The cases, and the events that baselines may use."""

    cases: list[Case]
    """Cases in ascending order of user ids."""
    training_sequences: list[np.ndarray]
    """Catalogue indices of the model's training events, for every user of the dataset."""
    validation_items: list[int | None]
    """The validation event after each training sequence, None without one; no model trains on it."""
    num_events: int
    """Events of all users of the dataset, including held-out ones."""
    num_users_in_split: int
    """Number of users of the split; `cases` may be a sample of them."""
    split: DatasetSplit
    """How the dataset was split."""
    tie_statements: tuple[str, ...] = ()
    """Statements of the data stage on ties in time; empty for older datasets."""
    tie_order: str = "table"
    """`data.tie_order` of the dataset."""
    new_item_statements: tuple[str, ...] = ()
    """Statements on held-out items; empty without such items."""


def load_evaluation_data(dataset_folder: Path, split: HeldOut, num_users: int, seed: int) -> EvaluationData:
    """Read the cases of a split and all training sequences; `num_users` are drawn by `seed`, 0 takes all.

    Raises:
        CheckpointError: the split is empty, or its targets are not the held-out events of the interactions.
    """
    files = sorted((dataset_folder / "examples" / split).glob("*.parquet"))
    user_ids = sorted(user for file in files for user in _column(file, "user_id"))
    if not user_ids:
        raise CheckpointError(f"{dataset_folder} has no examples in its {split} split; run the data stage again")
    drawn = set(draw_users(user_ids, num_users, seed))
    counts = read_manifest(dataset_folder, "dataset").counts
    dataset_split = split_of(counts)
    sequences = dict(sorted(iter_sequences(dataset_folder)))
    rows = [row for file in files for row in _rows_of(file, drawn)]
    places = {user_id: place for place, user_id in enumerate(sequences)}
    cases = [
        _build_case(row, sequences.get(row["user_id"]), places.get(row["user_id"]), split, dataset_split)
        for row in rows
    ]
    return EvaluationData(
        cases=sorted(cases, key=lambda case: case.user_id),
        training_sequences=[items[: dataset_split.num_training(times.tolist())] for items, times in sequences.values()],
        validation_items=[_validation_item(events, dataset_split) for events in sequences.values()],
        num_events=sum(len(items) for items, _ in sequences.values()),
        num_users_in_split=len(user_ids),
        split=dataset_split,
        tie_statements=tie_statements_of(counts),
        tie_order=counts.get("ties", {}).get("order", "table"),
        new_item_statements=new_item_statements_of(counts),
    )


def draw_users(user_ids: list[str], num_users: int, seed: int) -> list[str]:
    """Return `num_users` of the ids drawn without replacement, in their order; all for 0 or too few of them.

    Example:
        >>> draw_users(["a", "b", "c"], 0, seed=1), len(draw_users(["a", "b", "c"], 2, seed=1))
        (['a', 'b', 'c'], 2)
    """
    if num_users == 0 or num_users >= len(user_ids):
        return list(user_ids)
    places = np.random.default_rng(seed).choice(len(user_ids), size=num_users, replace=False)
    return [user_ids[place] for place in sorted(places)]


def _column(file: Path, name: str) -> list[str]:
    return pq.read_table(file, columns=[name])[name].to_pylist()


def _rows_of(file: Path, user_ids: set[str]) -> list[dict[str, Any]]:
    table = pq.read_table(file, columns=list(_COLUMNS))
    wanted = [user_id in user_ids for user_id in table["user_id"].to_pylist()]
    return table.filter(pa.array(wanted, type=pa.bool_())).to_pylist()


def _validation_item(events: UserEvents, dataset_split: DatasetSplit) -> int | None:
    items, times = events
    place = dataset_split.target(times.tolist(), "valid")
    return None if place is None else int(items[place])


def _build_case(
    row: dict[str, Any], events: UserEvents | None, place: int | None, split: HeldOut, dataset_split: DatasetSplit
) -> Case:
    index = row["target_index"]
    items, times = events if events is not None else (np.zeros(0, dtype=np.int64), np.zeros(0))
    expected = dataset_split.target(times.tolist(), split)
    if index != expected or row["target_item"] != items[index]:
        raise CheckpointError(
            f"the {split} target of user {row['user_id']!r} (event {index}, item {row['target_item']}) must be event "
            f"{expected} of that user's {len(items)} interactions; the dataset is inconsistent, run the data stage again"
        )
    text = TokenizedText(**{name: row[name] for name in _TEXT_COLUMNS})
    return Case(
        user_id=row["user_id"],
        text=text.before(len(text.entity_starts) - 1),
        history=tuple(int(item) for item in items[:index]),
        target_item=row["target_item"],
        seen_items=frozenset(row["seen_items"]),
        own_items=frozenset(items.tolist()),
        training_place=place,
        has_own_time=int((times == times[index]).sum()) == 1,
    )
