"""Prefetch the batches of the next steps in a thread while the present step runs.

PyTorch releases the GIL while it computes, so building batches is free on a GPU or with a spare core. Order and draws
do not change: each draw has its own generator, never the one that a step seeds.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

STEPS_AHEAD = 4
"""Steps whose batches are ready or in work; reading a new chunk of rows takes as long as several steps."""

Item = TypeVar("Item")


def prefetched(items: Iterator[Item], num_ahead: int = STEPS_AHEAD) -> Iterator[Item]:
    """Yield the items in their order, up to `num_ahead` built ahead; exceptions are re-raised at the item's position.

    Example:
        >>> list(prefetched(iter("abc"), num_ahead=2))
        ['a', 'b', 'c']
    """
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches")
    try:
        ahead = deque(_submit(pool, items) for _ in range(num_ahead))
        while item := ahead.popleft().result():
            ahead.append(_submit(pool, items))
            yield item[0]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _submit(pool: ThreadPoolExecutor, items: Iterator[Item]) -> "Future[tuple[Item] | None]":
    return pool.submit(lambda: next(((item,) for item in items), None))
