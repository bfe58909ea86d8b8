"""Queries that wait together are answered together; none waits for company, and none spoils another."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from recsys_platform.serve.batching import Batcher, QueueFullError


class Squares:
    """Answers numbers with their squares once it may, and keeps every batch."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may_answer = threading.Event()
        self.may_answer.set()

    def __call__(self, numbers: list[int]) -> list[int]:
        self.batches.append(list(numbers))
        assert self.may_answer.wait(timeout=30.0)
        if 13 in numbers:
            raise ValueError("13 brings bad luck")
        return [number * number for number in numbers]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0)


def batcher_of(squares: Squares, **settings: float) -> Batcher[int, int]:
    return Batcher(squares, **{"max_batch_size": 4, "max_waiting": 8, **settings})  # type: ignore[arg-type]


def test_queries_that_arrive_while_a_batch_is_answered_make_the_next_one():
    squares = Squares()

    async def run() -> list[int]:
        batcher = batcher_of(squares)
        squares.may_answer.clear()
        first = asyncio.create_task(batcher.ask(1))
        await until(lambda: squares.batches == [[1]])
        others = [asyncio.create_task(batcher.ask(number)) for number in (2, 3, 4, 5, 6)]
        await until(lambda: batcher.num_waiting == 5)
        squares.may_answer.set()
        return await asyncio.gather(first, *others)

    assert asyncio.run(run()) == [1, 4, 9, 16, 25, 36]
    assert squares.batches == [[1], [2, 3, 4, 5], [6]]


def test_a_batch_may_wait_until_it_is_full():
    squares = Squares()

    async def run() -> list[int]:
        batcher = batcher_of(squares, wait_s=30.0)
        return await asyncio.gather(
            *(batcher.ask(number) for number in range(4)), batcher.ask(4), *(batcher.ask(n) for n in (5, 6, 7))
        )

    assert asyncio.run(run()) == [0, 1, 4, 9, 16, 25, 36, 49]
    assert squares.batches == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_a_batch_that_stays_small_is_answered_when_its_time_is_over():
    squares = Squares()
    batcher_answer = asyncio.run(_ask_one(squares, wait_s=0.01))
    assert (batcher_answer, squares.batches) == (9, [[3]])


async def _ask_one(squares: Squares, wait_s: float) -> int:
    return await batcher_of(squares, wait_s=wait_s).ask(3)


def test_a_query_that_fails_alone_spoils_no_other():
    squares = Squares()

    async def run() -> list[int | BaseException]:
        batcher = batcher_of(squares)
        return await asyncio.gather(*(batcher.ask(number) for number in (1, 13, 3)), return_exceptions=True)

    one, failed, three = asyncio.run(run())
    assert (one, three) == (1, 9)
    assert isinstance(failed, ValueError)
    assert "bad luck" in str(failed)
    assert squares.batches == [[1, 13, 3], [1], [13], [3]]


def test_further_queries_are_refused_while_as_many_wait_as_may():
    squares = Squares()

    async def run() -> list[int]:
        batcher = batcher_of(squares, max_batch_size=1, max_waiting=2)
        squares.may_answer.clear()
        tasks = [asyncio.create_task(batcher.ask(1))]
        await until(lambda: squares.batches == [[1]])
        tasks += [asyncio.create_task(batcher.ask(number)) for number in (2, 3)]
        await until(lambda: batcher.num_waiting == 2)
        with pytest.raises(QueueFullError, match="2 requests wait already, at most 2 may"):
            await batcher.ask(4)
        squares.may_answer.set()
        return await asyncio.gather(*tasks)

    assert asyncio.run(run()) == [1, 4, 9]


def test_a_burst_at_an_idle_batcher_fills_a_batch_and_the_queue():
    squares = Squares()

    async def run() -> list[int | BaseException]:
        batcher = batcher_of(squares, max_batch_size=2, max_waiting=3)
        return await asyncio.gather(*(batcher.ask(number) for number in range(6)), return_exceptions=True)

    answers = asyncio.run(run())
    assert answers[:5] == [0, 1, 4, 9, 16]
    assert isinstance(answers[5], QueueFullError)


def test_who_goes_away_frees_the_place_and_is_not_answered():
    squares = Squares()

    async def run() -> list[int]:
        batcher = batcher_of(squares, max_batch_size=1, max_waiting=1)
        squares.may_answer.clear()
        first = asyncio.create_task(batcher.ask(1))
        await until(lambda: squares.batches == [[1]])
        gone = asyncio.create_task(batcher.ask(2))
        await until(lambda: batcher.num_waiting == 1)
        gone.cancel()
        await until(gone.done)
        third = asyncio.create_task(batcher.ask(3))
        await until(lambda: batcher.num_waiting == 1)
        squares.may_answer.set()
        return [await first, await third]

    assert asyncio.run(run()) == [1, 9]
    assert squares.batches == [[1], [3]]


def test_who_goes_away_while_being_answered_disturbs_nobody():
    squares = Squares()

    async def run() -> int:
        batcher = batcher_of(squares)
        squares.may_answer.clear()
        gone, stays = (asyncio.create_task(batcher.ask(number)) for number in (1, 2))
        await until(lambda: squares.batches == [[1, 2]])
        gone.cancel()
        squares.may_answer.set()
        return await stays

    assert asyncio.run(run()) == 4
