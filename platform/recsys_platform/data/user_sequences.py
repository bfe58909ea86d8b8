"""The interactions of single users, and the rank by which users are drawn."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from recsys_model.text.textualize import Behaviour


@dataclass(frozen=True, slots=True)
class UserSequence:
    """One user's interactions in order."""

    user_id: str
    """The id."""
    behaviours: tuple[Behaviour, ...]
    """The events."""
    reviews: tuple[str, ...] = ()
    """Review of each event, empty without one; an empty tuple if no task needs reviews."""
    summaries: tuple[str, ...] = ()
    """The headline of each review."""


def iter_users(users: pa.Table, item_categories: Sequence[tuple[str, ...]]) -> Iterator[UserSequence]:
    """Yield the users of a bucket, in its order; without `item_categories` behaviours have no categories."""
    for row in users.to_pylist():
        events = zip(row["items"], row["timestamps"], row["ratings"], row["actions"], strict=True)
        yield UserSequence(
            row["user_id"],
            tuple(
                Behaviour(
                    item=item,
                    timestamp=time,
                    rating=rating,
                    action=action,
                    categories=item_categories[item] if item_categories else (),
                )
                for item, time, rating, action in events
            ),
            tuple(text or "" for text in row.get("reviews", ())),
            tuple(text or "" for text in row.get("summaries", ())),
        )


def rank_of(seed: int, user_id: str) -> int:
    """Return a 64-bit rank of the user; draws of users take the smallest ranks."""
    key = f"{seed}\x1f{user_id}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big")
