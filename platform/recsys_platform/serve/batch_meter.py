"""BatchMeter: measures how requests wait at a replica, how they are decoded together, and what they get."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from recsys_platform.serve.answer_check import count_invalid
from recsys_platform.serve.metrics import (
    BATCH_SIZE,
    CATALOG_VERSION,
    DECODE_SECONDS,
    INVALID_ITEMS,
    ITEMS,
    QUEUE_SECONDS,
    WAITING,
    Meter,
)
from recsys_platform.serve.schemas import RecommendRequest, RecommendResponse, Rejection


class BatchMeter:
    """Metrics of one replica. `clock` returns seconds, monotonic."""

    def __init__(self, meter: Meter, clock: Callable[[], float] = time.perf_counter) -> None:
        self._meter = meter
        self._clock = clock
        self._arrived: dict[int, float] = {}
        """Maps the identity of each waiting request to its arrival."""

    @contextmanager
    def waiting(self, request: RecommendRequest) -> Iterator[None]:
        """Count a request as waiting until its batch begins, or until it is given up."""
        self._arrived[id(request)] = self._clock()
        self._meter.record(WAITING, len(self._arrived))
        try:
            yield
        finally:
            if self._arrived.pop(id(request), None) is not None:
                self._meter.record(WAITING, len(self._arrived))

    def note_catalog(self, version: int) -> None:
        """Note the version of the catalogue, also of a replica that has nothing to do."""
        self._meter.record(CATALOG_VERSION, version)

    def begin(self, requests: Sequence[RecommendRequest]) -> float:
        """Note that a batch begins; return when."""
        now = self._clock()
        for request in requests:
            self._meter.record(QUEUE_SECONDS, now - self._arrived.pop(id(request), now))
        self._meter.record(WAITING, len(self._arrived))
        self._meter.record(BATCH_SIZE, len(requests))
        return now

    def end(
        self,
        requests: Sequence[RecommendRequest],
        answers: Sequence[RecommendResponse | Rejection],
        begun: float,
    ) -> None:
        """Note the answers of a batch that began at `begun`."""
        self._meter.record(DECODE_SECONDS, self._clock() - begun)
        for request, answer in zip(requests, answers, strict=True):
            if isinstance(answer, RecommendResponse):
                self._meter.record(ITEMS, len(answer.items))
                self._meter.record(INVALID_ITEMS, count_invalid(request, answer))
