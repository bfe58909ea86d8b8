"""Batcher: answers queries in batches. A batch is made of what arrived while the one before it was answered.

Plain asyncio, tested without Ray. A lone query waits for nothing.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

QueryT = TypeVar("QueryT")
AnswerT = TypeVar("AnswerT")


class QueueFullError(Exception):
    """As many queries wait as may."""


class Batcher(Generic[QueryT, AnswerT]):
    """Answers one batch at a time, in a thread, so that the event loop takes further queries meanwhile."""

    def __init__(
        self,
        answer: Callable[[list[QueryT]], Sequence[AnswerT]],
        *,
        max_batch_size: int,
        max_waiting: int,
        wait_s: float = 0.0,
    ) -> None:
        """Take the function that answers a batch.

        Args:
            answer: Returns one answer per query, in order.
            max_batch_size: Queries answered together.
            max_waiting: Queries that may wait while a batch is answered.
            wait_s: How long a batch that is not full waits for further queries.
        """
        self._answer = answer
        self._max_batch_size = max_batch_size
        self._max_waiting = max_waiting
        self._wait_s = wait_s
        self._waiting: dict[asyncio.Future[AnswerT], QueryT] = {}
        self._is_full = asyncio.Event()
        self._work: asyncio.Task[None] | None = None
        self._is_answering = False

    @property
    def num_waiting(self) -> int:
        """Queries that no batch has taken yet."""
        return len(self._waiting)

    def check_room(self) -> None:
        """Raise `QueueFullError` if a query would be refused now."""
        room = self._max_waiting + (0 if self._is_answering else self._max_batch_size)
        if len(self._waiting) >= room:
            raise QueueFullError(f"{len(self._waiting)} requests wait already, at most {self._max_waiting} may")

    async def ask(self, query: QueryT) -> AnswerT:
        """Return the answer to a query. A caller that is cancelled frees its place in the queue.

        Raises:
            QueueFullError: `max_waiting` queries wait already.
            Exception: what `answer` raises for this query alone.
        """
        self.check_room()
        future = asyncio.get_running_loop().create_future()
        self._waiting[future] = query
        if len(self._waiting) >= self._max_batch_size:
            self._is_full.set()
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._answer_all())
        try:
            return await future
        finally:
            self._waiting.pop(future, None)

    async def _answer_all(self) -> None:
        while self._waiting:
            await self._fill()
            futures = list(self._waiting)[: self._max_batch_size]
            queries = [self._waiting.pop(future) for future in futures]
            self._is_answering = True
            try:
                outcomes = await self._outcomes_of(queries)
            finally:
                self._is_answering = False
            for future, outcome in zip(futures, outcomes, strict=True):
                _settle(future, outcome)

    async def _fill(self) -> None:
        """Wait until the batch is full, `wait_s` at most."""
        self._is_full.clear()
        if self._wait_s > 0.0 and len(self._waiting) < self._max_batch_size:
            try:
                await asyncio.wait_for(self._is_full.wait(), self._wait_s)
            except TimeoutError:
                return

    async def _outcomes_of(self, queries: list[QueryT]) -> Sequence[AnswerT | Exception]:
        """Return the answers of a batch; where it fails, each query is answered alone, so one spoils no other."""
        try:
            return await asyncio.to_thread(self._answer, queries)
        except Exception as error:  # noqa: BLE001 - it belongs to the query that caused it
            if len(queries) == 1:
                return [error]
        outcomes: list[AnswerT | Exception] = []
        for query in queries:
            outcomes += await self._outcomes_of([query])
        return outcomes


def _settle(future: "asyncio.Future[AnswerT]", outcome: AnswerT | Exception) -> None:
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
