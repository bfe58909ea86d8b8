"""A request passes the gate if its key allows it; refusals do not say what was wrong."""

import json
from pathlib import Path

import pytest

from recsys_platform.serve.gate.authorization import KeyGuard
from recsys_platform.serve.gate.key_file import WatchedKeyFile, write_keys
from recsys_platform.serve.gate.rate_limit import RateLimiter
from recsys_platform.serve.gate.routes import Routes
from tests.recsys_platform.serve.gate.gates import ask, ask_all, bearer, fixed, gated, key, small_api

KEYS = fixed(key("shop", "read"), key("editor", "edit"), key("boss", "admin"), key("both", "read", "edit"))


def statuses(method: str, path: str, **settings: bool) -> list[int]:
    """The statuses with no key, then with each of `KEYS`."""
    headers = [{}, *(bearer(name) for name in ("shop", "editor", "boss", "both"))]
    app = gated(small_api(), KEYS, **settings)
    return [answer.status_code for answer in ask_all(app, [(method, path, {"headers": each}) for each in headers])]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/v1/recommend", [401, 200, 403, 200, 200]),
        ("GET", "/v1/items", [401, 200, 403, 200, 200]),
        ("GET", "/v1/items/i1", [401, 200, 403, 200, 200]),
        ("POST", "/v1/items", [401, 403, 200, 200, 200]),
        ("PUT", "/v1/items", [401, 403, 200, 200, 200]),
        ("POST", "/v1/models", [401, 403, 403, 200, 403]),
        ("GET", "/no/such/path", [401, 404, 403, 404, 404]),
        ("POST", "/no/such/path", [401, 403, 403, 404, 403]),
        ("POST", "/v1/items/../recommend", [401, 200, 403, 200, 200]),
        ("POST", "/v1//items", [401, 403, 403, 404, 403]),
        ("POST", "/healthz", [401, 403, 403, 405, 403]),
        ("GET", "/healthz", [200, 200, 200, 200, 200]),
        ("GET", "/openapi.json", [200, 200, 200, 200, 200]),
        ("GET", "/docs", [200, 200, 200, 200, 200]),
    ],
)
def test_each_scope_allows_its_own_requests_and_admin_all(method: str, path: str, expected: list[int]):
    assert statuses(method, path) == expected


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/redoc"])
def test_the_documentation_can_be_put_behind_keys(path: str):
    assert statuses("GET", path, protect_docs=True) == [401, 200, 403, 200, 200]
    assert statuses("GET", "/healthz", protect_docs=True) == [200] * 5


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer unknown"},
        {"Authorization": "Bearer shop-secret-and-more"},
        {"Authorization": "Basic shop-secret"},
        {"Authorization": "shop-secret"},
        {"Authorization": b"Bearer \xff\xfe"},
        [("Authorization", "Bearer shop-secret"), ("Authorization", "Bearer shop-secret")],
    ],
)
def test_whatever_is_wrong_with_a_key_the_answer_is_the_same(headers: dict):
    answer = ask(gated(small_api(), KEYS), "POST", "/v1/recommend", headers=headers)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert answer.json() == {"detail": "a valid key is needed; send it as the header `Authorization: Bearer KEY`"}


def test_the_word_bearer_may_be_written_in_any_case():
    app = gated(small_api(), KEYS)
    assert ask(app, "POST", "/v1/recommend", headers={"Authorization": "bearer shop-secret"}).status_code == 200


def test_without_keys_every_request_passes():
    assert ask(gated(small_api()), "POST", "/v1/models").status_code == 200


def test_a_path_below_a_prefix_is_judged_without_it():
    async def answer_ok(scope: dict, receive: object, send: object) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": b""})  # type: ignore[operator]

    guard = KeyGuard(
        answer_ok,  # type: ignore[arg-type]
        keys=KEYS,
        routes=Routes(["/v1/items"]),
        limiter=RateLimiter(),
        protect_docs=False,
    )

    async def mounted(scope: dict, receive: object, send: object) -> None:
        await guard({**scope, "root_path": "/shop"}, receive, send)  # type: ignore[arg-type]

    answers = ask_all(
        mounted,
        [
            ("PUT", "/shop/v1/items", {"headers": bearer("editor")}),
            ("GET", "/shop/healthz", {}),
            ("GET", "/shopping/healthz", {}),
        ],
    )
    assert [answer.status_code for answer in answers] == [200, 200, 401]


def test_above_its_rate_a_key_is_answered_429_with_the_time_to_wait_and_others_go_on():
    app = gated(small_api(), fixed(key("slow", "read", rate_per_s=0.05, burst=2), key("shop", "read")))
    slow = ("POST", "/v1/recommend", {"headers": bearer("slow")})
    answers = ask_all(app, [slow, slow, slow, ("POST", "/v1/recommend", {"headers": bearer("shop")})])
    assert [answer.status_code for answer in answers] == [200, 200, 429, 200]
    assert answers[2].headers["Retry-After"] == "20"
    assert answers[2].json() == {"detail": "this key allows 0.05 requests a second, 2 at once; retry later"}


def test_a_key_is_revoked_and_added_while_the_endpoint_runs(tmp_path: Path):
    path = tmp_path / "keys.json"
    write_keys(path, [key("old", "read")])
    app = gated(small_api(), WatchedKeyFile(path, interval_s=0.0))
    requests = [("POST", "/v1/recommend", {"headers": bearer(name)}) for name in ("old", "new")]
    assert [answer.status_code for answer in ask_all(app, requests)] == [200, 401]
    write_keys(path, [key("new", "read")])
    assert [answer.status_code for answer in ask_all(app, requests)] == [401, 200]


def test_a_damaged_file_keeps_the_keys_as_they_were_and_a_missing_one_refuses_all(tmp_path: Path):
    path = tmp_path / "keys.json"
    write_keys(path, [key("shop", "read")])
    app = gated(small_api(), WatchedKeyFile(path, interval_s=0.0))
    path.write_text(json.dumps({"keys": [{"name": "shop"}]}))
    assert ask(app, "POST", "/v1/recommend", headers=bearer("shop")).status_code == 200
    path.unlink()
    assert ask(app, "POST", "/v1/recommend", headers=bearer("shop")).status_code == 401


def preflight(app: object) -> tuple[int, str | None]:
    headers = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    answer = ask(app, "OPTIONS", "/v1/recommend", headers=headers)
    return answer.status_code, answer.headers.get("Access-Control-Allow-Origin")


def test_browsers_of_other_origins_are_let_in_only_if_configured():
    assert preflight(gated(small_api(), KEYS)) == (401, None)
    assert preflight(gated(small_api(), KEYS, cors_origins=("https://other.example",))) == (400, None)
    app = gated(small_api(), KEYS, cors_origins=("https://shop.example",))
    assert preflight(app) == (200, "https://shop.example")
    refused = ask(app, "POST", "/v1/recommend", headers={"Origin": "https://shop.example"})
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, "https://shop.example")
