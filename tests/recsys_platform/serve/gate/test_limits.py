"""Size and time of a request are limited, and a request that nobody waits for is given up."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse, StreamingResponse

from recsys_platform.serve.responses import answer_or_unavailable
from tests.recsys_platform.serve.gate.gates import ask, ask_all, gated, small_api

MB = 1_000_000


class SlowApi:
    """An API whose route never answers, and notes whether it was given up."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.given_up = False
        self.api = FastAPI()

        @self.api.post("/v1/recommend")
        async def recommend() -> None:
            self.begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.given_up = True
                raise


@pytest.mark.parametrize(("size", "status"), [(MB, 200), (MB + 1, 413)])
@pytest.mark.parametrize("is_declared", [True, False])
def test_a_body_above_the_limit_is_refused_with_the_setting(size: int, status: int, is_declared: bool):
    async def in_parts() -> AsyncIterator[bytes]:
        for start in range(0, size, 300_000):
            yield b"x" * min(300_000, size - start)

    content = b"x" * size if is_declared else in_parts()
    answer = ask(gated(small_api(), max_body_mb=1), "POST", "/v1/recommend", content=content)
    assert answer.status_code == status
    if status == 200:
        assert answer.json() == {"bytes": size}
    else:
        assert "at most 1 MB (serve.max_body_mb)" in answer.json()["detail"]


def test_a_body_that_declares_too_much_is_refused_before_it_is_read():
    async def never_read() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    headers = {"Content-Length": str(10**12)}
    answer = ask(gated(small_api(), max_body_mb=1), "POST", "/v1/recommend", content=never_read(), headers=headers)
    assert answer.status_code == 413


def test_a_body_without_end_is_read_no_further_than_the_limit():
    given = 0

    async def without_end() -> AsyncIterator[bytes]:
        nonlocal given
        while True:
            given += 100_000
            yield b"x" * 100_000

    assert ask(gated(small_api(), max_body_mb=1), "POST", "/v1/recommend", content=without_end()).status_code == 413
    assert given == 1_100_000


@pytest.mark.parametrize("value", ["0", "-5", "1.5", "soon", "", "120001", "1e3", "9" * 400, "٣"])
def test_a_deadline_that_is_not_valid_is_refused_with_the_rule(value: str):
    headers = {"X-Request-Timeout-Ms": value.encode()}
    answer = ask(gated(small_api()), "POST", "/v1/recommend", headers=headers)
    assert answer.status_code == 400
    assert answer.json()["detail"] == (
        "X-Request-Timeout-Ms must be a whole number of milliseconds in 1..120000 (serve.request_timeout_s)"
    )


def test_a_request_before_its_deadline_is_answered():
    headers = {"X-Request-Timeout-Ms": "120000"}
    assert ask(gated(small_api()), "POST", "/v1/recommend", content=b"abc", headers=headers).json() == {"bytes": 3}


@pytest.mark.parametrize(
    ("headers", "settings", "source"),
    [
        ({"X-Request-Timeout-Ms": "20"}, {}, "20 ms of X-Request-Timeout-Ms"),
        ({}, {"request_timeout_s": 0.02}, "0.02 s of serve.request_timeout_s"),
    ],
)
def test_a_late_request_is_answered_504_and_given_up(headers: dict, settings: dict, source: str):
    slow = SlowApi()
    answer = ask(gated(slow.api, **settings), "POST", "/v1/recommend", headers=headers)
    assert answer.status_code == 504
    assert answer.json()["detail"].startswith(f"no answer within {source}: the request still waited")
    assert slow.given_up


def test_a_body_that_does_not_arrive_is_answered_504_which_says_so():
    async def stuck() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    headers = {"X-Request-Timeout-Ms": "20"}
    answer = ask(gated(small_api()), "POST", "/v1/recommend", content=stuck(), headers=headers)
    assert (answer.status_code, answer.json()["detail"].split(": ")[1]) == (
        504,
        "the body of the request had not arrived",
    )


def test_a_timeout_of_the_api_itself_is_not_taken_for_the_deadline():
    api = FastAPI()

    @api.get("/v1/items")
    async def items() -> None:
        raise TimeoutError("of a database")

    assert ask(gated(api), "GET", "/v1/items").status_code == 500


def test_an_answer_that_has_begun_is_cut_off_at_the_deadline():
    api = FastAPI()

    @api.get("/v1/items")
    async def items() -> StreamingResponse:
        async def lines() -> AsyncIterator[bytes]:
            yield b"one\n"
            await asyncio.Event().wait()

        return StreamingResponse(lines())

    messages = asyncio.run(messages_of(gated(api), headers=[(b"x-request-timeout-ms", b"50")], method="GET"))
    assert [message["type"] for message in messages] == ["http.response.start", "http.response.body"]
    assert messages[1]["body"] == b"one\n"


Receive = Callable[[], Awaitable[dict[str, Any]]]


async def messages_of(
    app: FastAPI,
    *,
    headers: list[tuple[bytes, bytes]] = [],  # noqa: B006
    method: str = "POST",
    receive: Receive | None = None,
) -> list[dict[str, Any]]:
    """What an application sends, asked as a server asks it."""
    messages: list[dict[str, Any]] = []
    parts = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive_body() -> dict[str, Any]:
        if parts:
            return parts.pop()
        return await asyncio.Event().wait() or {}

    async def send(message: Any) -> None:
        messages.append(dict(message))

    path = "/v1/items" if method == "GET" else "/v1/recommend"
    scope = {"type": "http", "method": method, "path": path, "headers": headers, "query_string": b"", "root_path": ""}
    await app(scope, receive or receive_body, send)  # type: ignore[arg-type]
    return messages


def test_a_client_that_goes_away_ends_its_request():
    async def run() -> tuple[list[dict[str, Any]], bool]:
        slow = SlowApi()
        parts = [{"type": "http.request", "body": b"{}", "more_body": False}]

        async def receive() -> dict[str, Any]:
            if parts:
                return parts.pop()
            await slow.begun.wait()
            return {"type": "http.disconnect"}

        return await messages_of(gated(slow.api), receive=receive), slow.given_up

    assert asyncio.run(run()) == ([], True)


def test_a_client_that_goes_away_while_it_sends_is_not_answered():
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    assert asyncio.run(messages_of(gated(small_api()), receive=receive)) == []


def test_a_call_of_another_deployment_that_is_given_up_is_cancelled():
    class Response:
        """A response of a deployment handle that never comes."""

        def __init__(self) -> None:
            self.is_cancelled = False

        def __await__(self) -> Any:
            return asyncio.Event().wait().__await__()

        def cancel(self) -> None:
            self.is_cancelled = True

    async def run() -> bool:
        response = Response()
        waiting = asyncio.create_task(answer_or_unavailable(response))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        return response.is_cancelled and waiting.cancelled()

    assert asyncio.run(run())


def test_the_api_gets_bodies_of_all_sizes_whole():
    async def echo(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        await JSONResponse({"bytes": len(message["body"]), "more": message["more_body"]})(scope, receive, send)

    api = FastAPI()
    api.mount("/v1", echo)
    sizes = (0, 1, 200_000)
    answers = ask_all(gated(api), [("POST", "/v1/recommend", {"content": b"x" * size}) for size in sizes])
    assert [answer.json() for answer in answers] == [{"bytes": size, "more": False} for size in sizes]
