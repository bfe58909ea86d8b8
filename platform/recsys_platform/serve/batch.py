"""`/v1/recommend:batch`: many users in one call, answered line by line in the order of the request.

Each request is checked by itself, so an invalid one has a line with its problems and changes no other.
Plain asyncio, tested without Ray.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Annotated, Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from recsys_platform.serve.fields import StrictModel
from recsys_platform.serve.schemas import USER_EXAMPLE, Problem, RecommendRequest, RecommendResponse, Rejection

MAX_REQUESTS = 1_000
MAX_ONGOING = 16
"""Requests of one call that the generators hold at a time, so that a call does not fill their queue."""
NDJSON = "application/x-ndjson"


def _or_rejection(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    try:
        return validate(value)
    except ValidationError as error:
        return Rejection(
            detail=[
                Problem(loc=["body", *each["loc"]], msg=each["msg"], type=each["type"])
                for each in error.errors(include_url=False, include_context=False, include_input=False)
            ]
        )


CheckedRequest = Annotated[RecommendRequest, WrapValidator(_or_rejection)]


class BatchRequest(StrictModel):
    """Requests of many users."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"requests": [{**USER_EXAMPLE, "k": 5}, {"user_features": {}, "k": 5}]}]}
    )

    requests: list[CheckedRequest] = Field(
        min_length=1, max_length=MAX_REQUESTS, description="Requests as for `/v1/recommend`."
    )


class BatchLine(StrictModel):
    """One line of the answer: that of one request."""

    index: int = Field(description="Place of the request in the call.")
    status: int = Field(description="The status that `/v1/recommend` would have: 200, 422, 429 or 503.")
    answer: RecommendResponse | None = Field(None, description="The answer; null if the status is not 200.")
    detail: list[Problem] | str | None = Field(
        None, description="The problems of an invalid request, or why the endpoint did not answer; null if it did."
    )


def line_schema() -> dict[str, Any]:
    """Return the schema of a line for OpenAPI; the other classes are components of the document."""
    schema = BatchLine.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    return {name: content for name, content in schema.items() if name != "$defs"}


Answer = Callable[[RecommendRequest], Awaitable[BaseModel | JSONResponse]]
"""Answers one request: a `RecommendResponse`, a `Rejection`, or a response that says why there is no answer now."""


async def answer_lines(requests: Sequence[RecommendRequest | Rejection], answer: Answer) -> AsyncIterator[bytes]:
    """Yield one line of JSON per request, in order, each as soon as it and those before it are there.

    At most `MAX_ONGOING` requests are asked at a time. Those that are not answered yet are cancelled where the reader stops.
    """
    slots = asyncio.Semaphore(MAX_ONGOING)

    async def line_of(index: int, request: RecommendRequest | Rejection) -> bytes:
        if isinstance(request, Rejection):
            return _line(index, request)
        async with slots:
            return _line(index, await answer(request))

    tasks = [asyncio.create_task(line_of(index, request)) for index, request in enumerate(requests)]
    try:
        for task in tasks:
            yield await task
    finally:
        for task in tasks:
            task.cancel()


def _line(index: int, answer: BaseModel | JSONResponse) -> bytes:
    if isinstance(answer, RecommendResponse):
        line = BatchLine(index=index, status=200, answer=answer)
    elif isinstance(answer, Rejection):
        problems = [
            each.model_copy(update={"loc": ["body", "requests", index, *each.loc[1:]]}) for each in answer.detail
        ]
        line = BatchLine(index=index, status=422, detail=problems)
    else:
        assert isinstance(answer, JSONResponse), "a request is answered, rejected, or put off"
        line = BatchLine(index=index, status=answer.status_code, detail=json.loads(bytes(answer.body))["detail"])
    return line.model_dump_json().encode() + b"\n"
