"""Many users in one call: lines in order, as they are ready, each request by itself."""

import asyncio
import json
from typing import Any

from recsys_platform.serve.batch import MAX_ONGOING, BatchRequest, answer_lines
from recsys_platform.serve.responses import retry_response
from recsys_platform.serve.schemas import (
    ModelInfo,
    Problem,
    RecommendedItem,
    RecommendRequest,
    RecommendResponse,
    Rejection,
)

INFO = ModelInfo(name="shop", digest="d" * 64, version="0", created="2024-01-01T00:00:00+00:00")


def answer_of(request: RecommendRequest) -> RecommendResponse:
    return RecommendResponse(items=[RecommendedItem(id=f"k{request.k}", title="", score=0.0)], model=INFO)


async def lines_of(documents: list[Any], answer: Any) -> list[dict[str, Any]]:
    batch = BatchRequest.model_validate({"requests": documents})
    return [json.loads(line) async for line in answer_lines(batch.requests, answer)]


def test_lines_come_in_the_order_of_the_requests_whichever_is_ready_first():
    async def slow_first(request: RecommendRequest) -> RecommendResponse:
        await asyncio.sleep(0.02 / request.k)
        return answer_of(request)

    lines = asyncio.run(lines_of([{"k": k} for k in (1, 2, 3)], slow_first))
    assert [(line["index"], line["status"], line["answer"]["items"][0]["id"]) for line in lines] == [
        (0, 200, "k1"),
        (1, 200, "k2"),
        (2, 200, "k3"),
    ]


def test_a_bad_request_has_its_own_line_and_changes_no_other():
    async def answer(request: RecommendRequest) -> Any:
        if request.k == 2:
            return Rejection(detail=[Problem(loc=["body", "k"], msg="too large", type="less_than_equal")])
        return retry_response(429, "full") if request.k == 3 else answer_of(request)

    documents = [{"k": 1}, {"k": "many", "top": 1}, 7, {"k": 2}, {"k": 3}, {"k": 4}]
    lines = asyncio.run(lines_of(documents, answer))
    assert [line["status"] for line in lines] == [200, 422, 422, 422, 429, 200]
    assert [problem["loc"] for problem in lines[1]["detail"]] == [
        ["body", "requests", 1, "k"],
        ["body", "requests", 1, "top"],
    ]
    assert [problem["loc"] for problem in lines[2]["detail"]] == [["body", "requests", 2]]
    assert lines[3]["detail"] == [{"loc": ["body", "requests", 3, "k"], "msg": "too large", "type": "less_than_equal"}]
    assert (lines[4]["detail"], lines[4]["answer"]) == ("full", None)


def test_a_line_is_there_before_later_requests_are_answered():
    async def first_line() -> tuple[bytes, list[int]]:
        answered: list[int] = []
        gate = asyncio.Event()

        async def answer(request: RecommendRequest) -> RecommendResponse:
            if request.k > 1:
                await gate.wait()
            answered.append(request.k)
            return answer_of(request)

        lines = answer_lines([RecommendRequest(k=1), RecommendRequest(k=2)], answer)
        line = await anext(lines)
        await lines.aclose()  # type: ignore[attr-defined]
        gate.set()
        await asyncio.sleep(0)
        return line, answered

    line, answered = asyncio.run(first_line())
    assert json.loads(line)["index"] == 0
    assert answered == [1]


def test_only_so_many_requests_of_a_call_are_asked_at_a_time():
    ongoing, most = 0, 0

    async def answer(request: RecommendRequest) -> RecommendResponse:
        nonlocal ongoing, most
        ongoing += 1
        most = max(most, ongoing)
        await asyncio.sleep(0)
        ongoing -= 1
        return answer_of(request)

    assert len(asyncio.run(lines_of([{"k": 1}] * 50, answer))) == 50
    assert most == MAX_ONGOING
