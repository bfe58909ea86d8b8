"""Turn sequences into training, validation and test examples, with one validation and one test target per user.

Held-out events (`recsys_platform.splits`) are never a training target nor part of a training history. Users stay
columns: the texts of a thousand examples are built at once, and Python objects are created only for tasks.

Shape suffixes: U = users of the bucket, N = their events, E = examples of one table.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from recsys_model.config import WindowConfig
from recsys_model.text.batch_texts import BatchTextualizer, Events
from recsys_model.text.ragged import Ragged, offsets_of, places_in
from recsys_model.text.windows import sample_history
from recsys_platform.config.input import DataConfig
from recsys_platform.data.input.arrow import flatten, pc
from recsys_platform.data.task_rows import FactWriter
from recsys_platform.data.user_sequences import iter_users, rank_of
from recsys_platform.splits import DatasetSplit, SplitName
from recsys_platform.task_columns import FACT_FIELDS

ROWS_PER_TABLE = 1000
"""Examples that are built at once."""
INDICES = pa.list_(pa.int32())
EXAMPLE_SCHEMA = pa.schema(
    [
        ("user_id", pa.string()),
        ("target_index", pa.int32()),
        ("token_ids", INDICES),
        ("entity_starts", INDICES),
        ("entity_ends", INDICES),
        ("entity_items", INDICES),
        ("sentence_ends", INDICES),
        ("target_item", pa.int32()),
        ("seen_items", INDICES),
    ]
)


class ExampleTableBuilder:
    """Turns the users of a bucket into tables of `schema`."""

    def __init__(
        self,
        textualizer: BatchTextualizer,
        window: WindowConfig,
        data: DataConfig,
        seed: int,
        max_eval_rank: int | None = None,
        facts: FactWriter | None = None,
        dataset_split: DatasetSplit | None = None,
    ) -> None:
        """Take the settings; without a `dataset_split`, each user's last two events are held out."""
        self.textualizer = textualizer
        """Builds the texts."""
        self.window = window
        """How histories are sampled."""
        self.seed = seed
        """Seed of all draws."""
        self.facts = facts
        """Collects the facts for tasks; None without tasks."""
        self.schema = EXAMPLE_SCHEMA if facts is None else pa.schema([*EXAMPLE_SCHEMA, *FACT_FIELDS])
        """Columns of the examples."""
        self._data = data
        self._max_eval_rank = max_eval_rank
        self._split = dataset_split or DatasetSplit()

    def open(self, users: pa.Table, features: Mapping[str, Mapping[str, str]]) -> "BucketExamples":
        """Return the examples of some users, in the layout of `sequences.USER`; `features` are by user id."""
        return BucketExamples(self, users, features)

    def target_indices(self, user_id: str, timestamps: Sequence[float], split: SplitName) -> Sequence[int]:
        """Return the indices of a user's targets in a split, ascending."""
        if len(timestamps) < self._data.min_user_interactions:
            return ()
        if split == "train":
            num_training = self._split.num_training(timestamps)
            first = 1 if self._data.targets_per_user == 0 else max(1, num_training - self._data.targets_per_user)
            return range(num_training - 1, first - 1, -self._data.target_stride)[::-1]
        if split == "valid" and not self._is_drawn(user_id):
            return ()
        target = self._split.target(timestamps, split)
        return () if target is None else (target,)

    def _is_drawn(self, user_id: str) -> bool:
        return self._max_eval_rank is None or rank_of(self.seed, user_id) <= self._max_eval_rank


class BucketExamples:
    """The examples of a bucket's users."""

    def __init__(
        self, builder: ExampleTableBuilder, users: pa.Table, features: Mapping[str, Mapping[str, str]]
    ) -> None:
        self._builder = builder
        self._users = users
        self._features = features
        self._user_ids: list[str] = users["user_id"].to_pylist()
        self._offsets_U = offsets_of(pc.list_value_length(flatten(users["items"])).to_numpy().astype(np.int64))
        self._events = _read_events(users)
        self._times: list[float] = self._events.timestamps.tolist()
        self._texts = builder.textualizer.open(self._events)
        sequences = iter_users(users, builder.textualizer.item_categories) if builder.facts is not None else ()
        self._sequences = list(sequences)

    @property
    def num_too_long(self) -> int:
        """Events that were left out of the texts built so far because they take more than half of the room."""
        return self._texts.num_too_long

    def iter_tables(self, split: SplitName) -> Iterator[pa.Table]:
        """Yield the examples of a split by user and target, `ROWS_PER_TABLE` at a time."""
        cases = self._iter_cases(split)
        while some := list(itertools.islice(cases, ROWS_PER_TABLE)):
            yield self._build(some, split)

    def _iter_cases(self, split: SplitName) -> Iterator[tuple[int, int]]:
        """Yield (place of the user in the bucket, index of the target)."""
        bounds = itertools.pairwise(self._offsets_U.tolist())
        for user, (start, end) in enumerate(bounds):
            targets = self._builder.target_indices(self._user_ids[user], self._times[start:end], split)
            yield from ((user, target) for target in targets)

    def _build(self, cases: list[tuple[int, int]], split: SplitName) -> pa.Table:
        user_E, index_E = np.array(cases, dtype=np.int64).T
        first_E = self._offsets_U[user_E]
        sampled = Ragged.of_lists(self._sample(cases))
        history = Ragged(sampled.values + np.repeat(first_E, sampled.lengths), sampled.offsets)
        features = [self._features.get(self._user_ids[user], {}) for user, _ in cases]
        texts = self._texts.build(history, first_E + index_E, features)
        num_seen_E = np.zeros_like(index_E) if split == "train" else index_E
        seen = Ragged(self._events.items[places_in(first_E, num_seen_E)], offsets_of(num_seen_E))
        columns = {
            "user_id": flatten(self._users["user_id"]).take(pa.array(user_E)),
            "target_index": pa.array(index_E, pa.int32()),
            "token_ids": _to_lists(texts.token_ids),
            "entity_starts": _to_lists(texts.entity_starts),
            "entity_ends": _to_lists(texts.entity_ends),
            "entity_items": _to_lists(texts.entity_items),
            "sentence_ends": _to_lists(texts.sentence_ends),
            "target_item": pa.array(self._events.items[first_E + index_E], pa.int32()),
            "seen_items": _to_lists(seen),
        }
        return pa.table(columns | self._collect_facts(cases, sampled, features, split), schema=self._builder.schema)

    def _sample(self, cases: Sequence[tuple[int, int]]) -> list[list[int]]:
        """Return the history of each example, as indices of events of its user."""
        histories = []
        for user, index in cases:
            first = int(self._offsets_U[user])
            past, time = self._times[first : first + index], self._times[first + index]
            key = (self._builder.seed, self._user_ids[user], index)
            histories.append(sample_history(past, time, self._builder.window, key))
        return histories

    def _collect_facts(
        self,
        cases: Sequence[tuple[int, int]],
        sampled: Ragged,
        features: Sequence[Mapping[str, str]],
        split: SplitName,
    ) -> dict[str, pa.ChunkedArray]:
        """Return the task columns; empty without tasks."""
        facts = self._builder.facts
        if facts is None:
            return {}
        rows = []
        for (user, index), user_features, places in zip(cases, features, sampled.to_lists(), strict=True):
            sequence = self._sequences[user]
            history = [sequence.behaviours[place] for place in places]
            rows.append(facts.columns(sequence, user_features, history, index, split))
        table = pa.Table.from_pylist(rows, schema=pa.schema(FACT_FIELDS))
        return {name: table[name] for name in table.column_names}


def _read_events(users: pa.Table) -> Events:
    """Take the events of all users out of their lists (N)."""
    items, timestamps, ratings, actions = (
        flatten(users[name]).flatten() for name in ("items", "timestamps", "ratings", "actions")
    )
    encoded = actions.dictionary_encode()
    return Events(
        items=items.to_numpy().astype(np.int64),
        timestamps=timestamps.to_numpy(),
        ratings=ratings.to_numpy(zero_copy_only=False),
        actions=encoded.indices.fill_null(-1).to_numpy().astype(np.int64),
        action_names=encoded.dictionary.to_pylist(),
    )


def _to_lists(lists: Ragged) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(lists.offsets, pa.int32()), pa.array(lists.values, pa.int32()))
