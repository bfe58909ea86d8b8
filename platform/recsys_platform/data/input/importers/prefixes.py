"""Sequences of users out of rows that repeat them: each row has a user's history and the item that follows it.

Benchmarks split such rows into train, valid and test. The sequences are held in memory.
"""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from recsys_platform.data.input.importers.source import Entry, LeftOut
from recsys_platform.data.input.records import MalformedLine

Step: TypeAlias = tuple[str, list[str], str]
"""User, history, next item."""
DISCONTINUED = LeftOut("rows whose history does not continue the earlier rows of their user")


def iter_events(steps: Iterable[Step | MalformedLine]) -> Iterator[Entry]:
    """Yield every event once, with its place in the sequence of its user as time and position.

    A history may be cut to its latest items. A row whose history is not the end of what its user's earlier rows gave is left
    out.
    """
    user_to_items: dict[str, list[str]] = {}
    for step in steps:
        if isinstance(step, MalformedLine):
            yield step
            continue
        user, history, item = step
        items = user_to_items.setdefault(user, list(history))
        size = min(len(items), len(history))
        if len(history) > len(items) or items[len(items) - size :] != history[len(history) - size :]:
            yield DISCONTINUED
        else:
            items.append(item)
    for user, items in user_to_items.items():
        yield from iter_sequence(user, items)


def iter_sequence(user: str, items: Iterable[str]) -> Iterator[Entry]:
    """Yield the events of a user in order, with their places as time and position."""
    for place, item in enumerate(items):
        yield {"user_id": user, "item_id": item, "timestamp": str(place), "position": str(place)}
