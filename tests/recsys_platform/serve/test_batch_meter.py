"""What a generator measures of its batches."""

import pytest

from recsys_platform.serve.answer_check import count_invalid
from recsys_platform.serve.batch_meter import BatchMeter
from recsys_platform.serve.metrics import (
    BATCH_SIZE,
    CATALOG_VERSION,
    DECODE_SECONDS,
    INVALID_ITEMS,
    ITEMS,
    QUEUE_SECONDS,
    WAITING,
)
from recsys_platform.serve.schemas import ModelInfo, RecommendedItem, RecommendRequest, RecommendResponse, Rejection
from tests.recsys_platform.serve.gate.meters import KeptMeter

MODEL = ModelInfo(name="shop", digest="d1", version="1", created="today")


def answer(*ids: str) -> RecommendResponse:
    items = [RecommendedItem(id=item_id, title=item_id, score=0.0) for item_id in ids]
    return RecommendResponse(items=items, model=MODEL)  # type: ignore[call-arg]


def test_a_batch_is_measured_from_the_arrival_of_its_requests_to_its_answers():
    now = 0.0
    meter = KeptMeter()
    batches = BatchMeter(meter, lambda: now)
    first, second, late = RecommendRequest(k=2), RecommendRequest(k=1), RecommendRequest()
    with batches.waiting(first), batches.waiting(second), batches.waiting(late):
        now = 0.5
        begun = batches.begin([first, second])
        now = 2.0
        batches.end([first, second], [answer("a", "b"), Rejection(detail=[])], begun)
    batches.note_catalog(3)
    assert meter.of(QUEUE_SECONDS) == [(0.5, {}), (0.5, {})]
    assert meter.of(BATCH_SIZE) == [(2, {})]
    assert meter.of(DECODE_SECONDS) == [(1.5, {})]
    assert meter.of(ITEMS) == [(2, {})]
    assert meter.of(INVALID_ITEMS) == [(0, {})]
    assert meter.of(CATALOG_VERSION) == [(3, {})]
    # three arrive, two are decoded, the last leaves
    assert [value for value, _ in meter.of(WAITING)] == [1, 2, 3, 1, 0]


def test_a_request_that_is_given_up_waits_no_longer():
    meter = KeptMeter()
    batches = BatchMeter(meter)
    with pytest.raises(TimeoutError), batches.waiting(RecommendRequest()):
        raise TimeoutError
    assert [value for value, _ in meter.of(WAITING)] == [1, 0]


@pytest.mark.parametrize(
    ("request_", "ids", "expected"),
    [
        (RecommendRequest(k=3), ("a", "b", "c"), 0),
        (RecommendRequest(k=3), ("a",), 0),
        (RecommendRequest(k=3), ("a", "b", "a"), 1),
        (RecommendRequest(k=3, deny=["b", "x"]), ("a", "b", "c"), 1),
        (RecommendRequest(k=1), ("a", "b", "c"), 2),
        (RecommendRequest(k=1, deny=["a"]), ("a", "a"), 3),
    ],
)
def test_items_that_no_answer_may_have_are_counted(request_: RecommendRequest, ids: tuple[str, ...], expected: int):
    assert count_invalid(request_, answer(*ids)) == expected
