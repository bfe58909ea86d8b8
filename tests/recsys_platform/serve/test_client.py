"""The client says in words what went wrong; the endpoint here is a hand-made one on a free port."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from recsys_model.errors import DataError, RecsysError
from recsys_platform.serve.client import ask


@contextmanager
def endpoint(status: int, body: Any, headers: dict[str, str] | None = None) -> Iterator[tuple[str, list[Any]]]:
    """An endpoint that always answers the same, and the requests it got."""
    got: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            got.append((self.path, json.loads(self.rfile.read(length))))
            data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Keep the test's output clean."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", got
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_payload_is_posted_and_the_answer_comes_back():
    answer = {"items": [{"id": "a", "title": "A", "score": -1.0}], "model": {}}
    with endpoint(200, answer) as (url, got):
        assert ask(url + "/", {"k": 1}) == answer
    assert got == [("/v1/recommend", {"k": 1})]


def test_a_refusal_names_every_field():
    problems = [
        {"loc": ["body", "history", 0, "item"], "msg": "no such item", "type": "unknown_item"},
        {"loc": ["body", "k"], "msg": "must be at most 20", "type": "less_than_equal"},
    ]
    with endpoint(422, {"detail": problems}) as (url, _), pytest.raises(DataError) as caught:
        ask(url, {})
    assert str(caught.value) == (
        "the endpoint refuses the request:\n  history.0.item: no such item\n  k: must be at most 20"
    )


def test_an_overloaded_endpoint_is_to_be_asked_again_after_its_own_time():
    with endpoint(429, {}, {"Retry-After": "7"}) as (url, _), pytest.raises(RecsysError, match="again in 7 seconds"):
        ask(url, {})


def test_another_failure_is_reported_with_its_status_and_text():
    with endpoint(500, "boom") as (url, _), pytest.raises(RecsysError, match="answered 500: boom"):
        ask(url, {})


@pytest.mark.parametrize("body", ["<html>", "[]", '{"hello": 1}'])
def test_another_program_on_the_port_is_recognised(body: str):
    with endpoint(200, body) as (url, _), pytest.raises(RecsysError, match="another program"):
        ask(url, {})


def test_an_endpoint_that_does_not_run_is_not_reached():
    with endpoint(200, {}) as (url, _):
        pass
    with pytest.raises(RecsysError, match=r"cannot be reached: .*start it with `recsys serve CONFIG`"):
        ask(url, {})


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://localhost", "http://"])
def test_a_url_that_is_none_is_an_error_in_words(url: str):
    with pytest.raises(RecsysError, match="cannot be reached"):
        ask(url, {})
