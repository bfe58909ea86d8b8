"""Each request has an id, a line in the log and its metrics; a failure shows the client no stack trace."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from recsys_platform.config.serve import ServeConfig
from recsys_platform.serve.gate.build import add_gate
from recsys_platform.serve.gate.notes import current_notes
from recsys_platform.serve.gate.request_log import open_request_log
from recsys_platform.serve.metrics import IN_FLIGHT, REFUSALS, REQUEST_SECONDS
from recsys_platform.serve.schemas import ModelInfo, RecommendResponse
from tests.recsys_platform.serve.gate.gates import ask, ask_all, bearer, fixed, gated, key, small_api
from tests.recsys_platform.serve.gate.meters import KeptMeter

MODEL = ModelInfo(name="shop", digest="d1", version="1", created="today")


def answering_api() -> FastAPI:
    api = small_api()

    @api.post("/v1/rank")
    async def rank() -> dict[str, str]:
        current_notes().note_answer(RecommendResponse(items=[], model=MODEL, catalog_version=7))  # type: ignore[call-arg]
        return {"answer": "ranked"}

    @api.post("/v1/explain")
    async def explain() -> None:
        raise ValueError("the password of the database is 1234")

    return api


def lines(tmp_path: Path) -> list[dict[str, Any]]:
    (path,) = tmp_path.glob("requests_*.jsonl")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def logged(tmp_path: Path, *requests: tuple[str, str, dict[str, Any]], **settings: Any) -> list[dict[str, Any]]:
    """The log of requests."""
    keys = fixed(key("shop", "read"))
    log = open_request_log("file", tmp_path)
    ask_all(add_gate(answering_api(), ServeConfig(**settings), keys, log=log), requests)
    return lines(tmp_path)


def test_a_request_is_one_line_with_key_model_and_catalogue_but_without_its_text(tmp_path: Path):
    body = b'{"history": [{"item": "Zelt"}]}'
    headers = bearer("shop") | {"X-Request-Id": "order-17"}
    (line,) = logged(tmp_path, ("POST", "/v1/rank?user=anna", {"headers": headers, "content": body}))
    assert all(line.pop(name) >= 0.0 for name in ("ms", "body_ms", "answer_ms"))
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "request_id": "order-17",
        "method": "POST",
        "path": "/v1/rank",
        "status": 200,
        "reason": None,
        "key": "shop",
        "model": "d1",
        "catalog_version": 7,
        "body_bytes": len(body),
    }


def test_bodies_are_logged_only_if_asked_for(tmp_path: Path):
    request = ("POST", "/v1/rank", {"headers": bearer("shop"), "content": "Zelt \N{FIRE}".encode() + b"\xff"})
    (line,) = logged(tmp_path, request, log_requests=True)
    assert line["body"] == "Zelt \N{FIRE}\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    ("method", "path", "headers", "expected"),
    [
        ("GET", "/v1/items/anna", bearer("shop"), ("GET", "/v1/items/{id}", 200, None, "shop")),
        ("GET", "/v1/anna", bearer("shop"), ("GET", "other", 404, None, "shop")),
        ("ANNA", "/v1/items", {}, ("OTHER", "/v1/items", 401, "unauthorized", None)),
        ("POST", "/v1/rank", {"Authorization": "Bearer secret"}, ("POST", "/v1/rank", 401, "unauthorized", None)),
        ("PUT", "/v1/items", bearer("shop"), ("PUT", "/v1/items", 403, "forbidden", "shop")),
        ("POST", "/v1/explain", bearer("shop"), ("POST", "/v1/explain", 500, "error", "shop")),
    ],
)
def test_a_line_names_the_template_of_the_path_and_the_reason_of_a_refusal(
    tmp_path: Path, method: str, path: str, headers: dict, expected: tuple
):
    (line,) = logged(tmp_path, (method, path, {"headers": headers}))
    assert (line["method"], line["path"], line["status"], line["reason"], line["key"]) == expected
    assert "anna" not in json.dumps(line).lower()
    assert "secret" not in json.dumps(line)


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [
        ("a" * 128, True),
        ("7f3a:1/b=.-_+", True),
        ("a" * 129, False),
        ("", False),
        ("two words", False),
        ("naïve".encode("latin-1"), False),
        ('"quoted"', False),
        (["a", "b"], False),
    ],
)
def test_an_id_is_taken_if_it_is_a_plain_token_else_made(given: str | bytes | list[str], is_kept: bool):
    values = given if isinstance(given, list) else [given]
    answer = ask(gated(small_api()), "GET", "/healthz", headers=[("X-Request-Id", value) for value in values])
    returned = answer.headers["X-Request-Id"]
    assert (returned == given) == is_kept
    assert is_kept or len(returned) == 32


def test_behind_ray_serve_an_id_that_was_passed_on_is_not_answered_twice():
    app = add_gate(small_api(), ServeConfig(), None, is_behind_serve=True)
    given, made = ask_all(
        app,
        [
            ("GET", "/healthz", {"headers": {"X-Request-Id": "from-the-proxy"}}),
            ("GET", "/healthz", {"headers": {"X-Request-Id": "two words"}}),
        ],
    )
    assert "X-Request-Id" not in given.headers
    assert len(made.headers["X-Request-Id"]) == 32


def test_every_made_id_is_another():
    answers = ask_all(gated(small_api()), [("GET", "/healthz", {})] * 20)
    assert len({answer.headers["X-Request-Id"] for answer in answers}) == 20


def test_a_failure_is_answered_500_with_the_id_and_only_the_log_has_the_trace(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.ERROR):
        answer = ask(gated(answering_api()), "POST", "/v1/explain", headers={"X-Request-Id": "order-17"})
    assert (answer.status_code, answer.headers["X-Request-Id"]) == (500, "order-17")
    assert answer.json() == {
        "detail": "the endpoint failed; its log has the reason under the request id order-17",
        "request_id": "order-17",
    }
    assert "order-17" in caplog.text
    assert "the password of the database is 1234" in caplog.text
    assert "Traceback" in caplog.text


def test_requests_are_measured_by_path_method_and_status_and_refusals_by_reason():
    meter = KeptMeter()
    app = add_gate(answering_api(), ServeConfig(max_body_mb=1), fixed(key("shop", "read")), meter=meter)
    ask_all(
        app,
        [
            ("POST", "/v1/rank", {"headers": bearer("shop")}),
            ("POST", "/v1/recommend", {"headers": bearer("shop"), "content": b"x" * 1_000_001}),
            ("GET", "/made/up", {}),
        ],
    )
    assert [labels for _, labels in meter.of(REQUEST_SECONDS)] == [
        {"path": "/v1/rank", "method": "POST", "status": "200"},
        {"path": "/v1/recommend", "method": "POST", "status": "413"},
        {"path": "other", "method": "GET", "status": "401"},
    ]
    assert all(0.0 <= seconds < 60.0 for seconds, _ in meter.of(REQUEST_SECONDS))
    assert meter.of(REFUSALS) == [(1, {"reason": "body"}), (1, {"reason": "unauthorized"})]
    assert [value for value, _ in meter.of(IN_FLIGHT)] == [0] + [1, 0] * 3


def test_a_client_that_goes_away_is_logged_and_counted_as_such(tmp_path: Path):
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        raise AssertionError(f"{message} was sent to nobody")

    meter = KeptMeter()
    app = add_gate(small_api(), ServeConfig(), None, meter=meter, log=open_request_log("file", tmp_path))
    scope = {"type": "http", "method": "POST", "path": "/v1/recommend", "headers": [], "query_string": b""}
    asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]
    (line,) = lines(tmp_path)
    assert (line["status"], line["reason"]) == (499, "client_gone")
    assert meter.of(REFUSALS) == [(1, {"reason": "client_gone"})]
    assert meter.of(IN_FLIGHT)[-1] == (0, {})


def test_a_request_that_the_server_cancels_is_logged_and_stays_cancelled(tmp_path: Path):
    async def run() -> bool:
        begun = asyncio.Event()
        api = FastAPI()

        @api.get("/v1/items")
        async def items() -> None:
            begun.set()
            await asyncio.Event().wait()

        parts = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> dict[str, Any]:
            return parts.pop() if parts else await asyncio.Event().wait() or {}

        async def send(message: Any) -> None:
            raise AssertionError(message)

        app = add_gate(api, ServeConfig(), None, log=open_request_log("file", tmp_path))
        scope = {"type": "http", "method": "GET", "path": "/v1/items", "headers": [], "query_string": b""}
        task = asyncio.create_task(app(scope, receive, send))  # type: ignore[arg-type]
        await begun.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return task.cancelled()

    assert asyncio.run(run())
    (line,) = lines(tmp_path)
    assert (line["status"], line["reason"], line["path"]) == (499, "client_gone", "/v1/items")


def test_the_log_can_go_to_standard_error_or_be_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    ask(add_gate(small_api(), ServeConfig(), None, log=open_request_log("stderr", tmp_path)), "GET", "/healthz")
    assert json.loads(capsys.readouterr().err.splitlines()[-1])["path"] == "/healthz"
    assert open_request_log("off", tmp_path) is None
    assert list(tmp_path.iterdir()) == []
