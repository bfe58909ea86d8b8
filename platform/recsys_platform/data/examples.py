"""Sequences become training, validation and test examples, one validation and one test target a user.

What is held out, by `recsys_platform.splits`, is never a training target nor part of a training history.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import pyarrow as pa

from recsys_model.config import WindowConfig
from recsys_model.text.textualize import Behaviour, Textualizer
from recsys_model.text.windows import sample_history
from recsys_platform.input_settings import DataConfig
from recsys_platform.splits import DatasetSplit

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")
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


@dataclass(frozen=True, slots=True)
class UserSequence:
    """One user's interactions in order."""

    user_id: str
    """The id."""
    behaviours: tuple[Behaviour, ...]
    """The events."""
    reviews: tuple[str, ...] = ()
    """What the user wrote of each event, empty where nothing; nothing at all where no task needs it."""
    summaries: tuple[str, ...] = ()
    """The headline of each review."""


class FactCollector(Protocol):
    """What adds the columns from which tasks are asked."""

    def columns(
        self,
        user: UserSequence,
        features: Mapping[str, str],
        history: Sequence[Behaviour],
        target_index: int,
        split: Split,
    ) -> dict[str, Any]:
        """Return further columns of one example."""
        ...


class ExampleBuilder:
    """Turns one user into the rows of `EXAMPLE_SCHEMA`, with further columns where tasks are asked."""

    def __init__(
        self,
        textualizer: Textualizer,
        window: WindowConfig,
        data: DataConfig,
        seed: int,
        max_eval_rank: int | None = None,
        facts: FactCollector | None = None,
        dataset_split: DatasetSplit | None = None,
    ) -> None:
        """Take the settings; without a `dataset_split`, each user's last two events are held out."""
        self._textualizer = textualizer
        self._window = window
        self._data = data
        self._seed = seed
        self._max_eval_rank = max_eval_rank
        self._facts = facts
        self._split = dataset_split or DatasetSplit()

    def build(self, user: UserSequence, features: Mapping[str, str], split: Split) -> Iterator[dict[str, Any]]:
        """Yield the user's examples of one split by ascending target."""
        if len(user.behaviours) < self._data.min_user_interactions:
            return
        if split == "valid" and not self._is_drawn(user.user_id):
            return
        for target_index in self._target_indices([event.timestamp for event in user.behaviours], split):
            yield self._example(user, features, target_index, split)

    def _is_drawn(self, user_id: str) -> bool:
        return self._max_eval_rank is None or rank_of(self._seed, user_id) <= self._max_eval_rank

    def _target_indices(self, timestamps: Sequence[float], split: Split) -> Sequence[int]:
        if split != "train":
            target = self._split.target(timestamps, split)
            return () if target is None else (target,)
        num_training = self._split.num_training(timestamps)
        first = 1 if self._data.targets_per_user == 0 else max(1, num_training - self._data.targets_per_user)
        return range(first, num_training)

    def _example(
        self, user: UserSequence, features: Mapping[str, str], target_index: int, split: Split
    ) -> dict[str, Any]:
        past, target = user.behaviours[:target_index], user.behaviours[target_index]
        key = (self._seed, user.user_id, target_index)
        sampled = sample_history([event.timestamp for event in past], target.timestamp, self._window, key)
        history = [past[index] for index in sampled]
        text = self._textualizer.build(features, history, target.item)
        facts = {} if self._facts is None else self._facts.columns(user, features, history, target_index, split)
        return {
            "user_id": user.user_id,
            "target_index": target_index,
            "token_ids": text.token_ids,
            "entity_starts": text.entity_starts,
            "entity_ends": text.entity_ends,
            "entity_items": text.entity_items,
            "sentence_ends": text.sentence_ends,
            "target_item": target.item,
            "seen_items": [] if split == "train" else [event.item for event in past],
            **facts,
        }


def iter_users(users: pa.Table, item_categories: Sequence[tuple[str, ...]]) -> Iterator[UserSequence]:
    """Yield the users of a bucket, in its order."""
    for row in users.to_pylist():
        events = zip(row["items"], row["timestamps"], row["ratings"], row["actions"], strict=True)
        yield UserSequence(
            row["user_id"],
            tuple(
                Behaviour(item=item, timestamp=time, rating=rating, action=action, categories=item_categories[item])
                for item, time, rating, action in events
            ),
            tuple(text or "" for text in row.get("reviews", ())),
            tuple(text or "" for text in row.get("summaries", ())),
        )


def rank_of(seed: int, user_id: str) -> int:
    """Return a 64-bit rank of the user; where users are drawn, those with the smallest ranks are."""
    key = f"{seed}\x1f{user_id}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big")
