"""The endpoint for real: Ray Serve, HTTP, a bundle artifact on disk."""

import asyncio
import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from ray import serve
from ray.serve.context import _get_global_client
from ray.serve.schema import ServeDeploySchema

from recsys_model.bundle import Bundle, write_bundle
from recsys_model.errors import CheckpointError, ConfigError, DataError
from recsys_platform.artifacts import Manifest, open_artifact, write_artifact
from recsys_platform.config.run import RunConfig, build_config
from recsys_platform.serve.address import check_port, endpoint_url
from recsys_platform.serve.app import serve_config
from recsys_platform.serve.client import ask
from recsys_platform.serve.recommender import load_recommender
from recsys_platform.serve.schemas import RecommendRequest, RecommendResponse
from recsys_platform.serve.stage import application_name, start_endpoint, stop_endpoint, wait_until_healthy
from tests.e2e.ports import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("ray_cluster")]

HISTORY = [{"item": "i0", "time": "2024-01-01T00:00:00Z"}, {"item": "Stove Fuel", "time": 1704240000}]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, shop_bundle: Bundle) -> RunConfig:
    """A run whose bundle artifact is on disk."""
    table = {"path": "/nowhere/table.csv"}
    run = build_config(
        {
            "name": "shop",
            "storage": str(tmp_path_factory.mktemp("runs")),
            "input": {"interactions": table, "items": table},
            "decoding": {"num_beams": 10},
            "serve": {"port": free_port(), "max_batch_size": 4, "batch_wait_s": 0.5, "max_replicas": 1},
        }
    )
    with write_artifact(run.bundle_folder, "bundle", {"name": run.name}) as (folder, _):
        write_bundle(folder, shop_bundle.model, shop_bundle.tokenizer, shop_bundle.catalog, shop_bundle.settings)
    return run


@pytest.fixture(scope="module")
def manifest(config: RunConfig) -> Manifest:
    return open_artifact(config.bundle_folder, "bundle")


@pytest.fixture(scope="module")
def url(config: RunConfig) -> Iterator[str]:
    yield start_endpoint(config)
    stop_endpoint(config)


def post(url: str, **request: Any) -> httpx.Response:
    return httpx.post(f"{url}/v1/recommend", timeout=60.0, **request)


def fields(response: httpx.Response) -> list[list[str | int]]:
    assert response.status_code == 422, response.text
    detail = response.json()["detail"]
    assert all(set(problem) == {"loc", "msg", "type"} for problem in detail)
    return [problem["loc"] for problem in detail]


def test_health_names_the_loaded_model(url: str, manifest: Manifest):
    response = httpx.get(f"{url}/healthz", timeout=30.0)
    assert response.status_code == 200
    health = response.json()
    assert (health["status"], health["items"]) == ("ok", 8)
    assert (health["model"]["name"], health["model"]["digest"]) == ("shop", manifest.digest)


def test_http_gives_what_the_recommender_gives_without_ray(url: str, config: RunConfig):
    payload = {"user_features": {"age": 25}, "history": HISTORY, "k": 5, "time": "2024-02-01"}
    answer = ask(url, payload)
    (expected,) = load_recommender(config.bundle_folder).recommend([RecommendRequest.model_validate(payload)])
    assert isinstance(expected, RecommendResponse)
    assert [item["id"] for item in answer["items"]] == [item.id for item in expected.items]
    assert [item["title"] for item in answer["items"]] == [item.title for item in expected.items]
    scores = [item["score"] for item in answer["items"]]
    assert scores == pytest.approx([item.score for item in expected.items], abs=1e-5)
    assert answer["model"] == expected.model.model_dump()
    assert not {"i0", "i4"} & {item["id"] for item in answer["items"]}


@pytest.mark.parametrize(
    ("request_json", "loc"),
    [
        ({"history": [HISTORY[0], {"item": "Red Tant", "time": 0}], "strict": True}, ["body", "history", 1, "item"]),
        ({"k": 0}, ["body", "k"]),
        ({"k": 11}, ["body", "k"]),
        ({"user_features": {"hat": "red"}}, ["body", "user_features", "hat"]),
        ({"history": [{"item": "i0", "time": "soon"}]}, ["body", "history", 0, "time"]),
        ({"history": [{"item": "i0", "time": "2024-01-02"}], "time": "2024-01-01"}, ["body", "history", 0, "time"]),
        ({"limit": 3}, ["body", "limit"]),
    ],
)
def test_a_bad_request_is_answered_422_with_the_field_named(url: str, request_json: dict, loc: list):
    assert fields(post(url, json=request_json)) == [loc]


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ('{"history": [{"item": "i0", "time": NaN}]}', ["body", "history", 0, "time"]),
        ('{"history": [{"item": "i0", "rating": Infinity}]}', ["body", "history", 0, "rating"]),
        ('{"history": [{"item": "\\ud800"}]}', ["body", "history", 0, "item"]),
        ('{"\\ud800": 1}', ["body"]),
        ("{", ["body", 1]),
    ],
)
def test_what_cannot_be_written_as_json_again_is_still_answered_422(url: str, body: str, loc: list):
    assert fields(post(url, content=body, headers={"Content-Type": "application/json"})) == [loc]


def test_the_client_turns_a_refusal_into_words(url: str):
    with pytest.raises(DataError, match=r"history\.0\.item: .*Red Tent"):
        ask(url, {"history": [{"item": "Red Tant"}], "strict": True})


def test_openapi_teaches_the_interface(url: str):
    document = httpx.get(f"{url}/openapi.json", timeout=30.0).json()
    assert {"/v1/recommend", "/v1/recommend:batch", "/v1/rank", "/v1/explain", "/v1/items", "/healthz"} <= set(
        document["paths"]
    )
    assert set(document["paths"]["/v1/recommend"]["post"]["responses"]) == {"200", "422", "429", "503"}
    assert set(document["paths"]["/healthz"]["get"]["responses"]) == {"200", "503"}
    request = document["components"]["schemas"]["RecommendRequest"]
    assert {"user_features", "history", "k", "exclude_seen", "deny", "allow", "time", "rules"} <= set(
        request["properties"]
    )
    assert all(field["description"] for field in request["properties"].values())
    assert httpx.get(f"{url}/docs", timeout=30.0).status_code == 200


def test_candidates_are_ranked_items_explained_and_batches_streamed(url: str):
    ranked = httpx.post(f"{url}/v1/rank", json={"history": HISTORY, "candidates": ["i1", "i2"]}, timeout=60.0).json()
    best = ranked["items"][0]
    why = httpx.post(f"{url}/v1/explain", json={"history": HISTORY, "item": best["id"]}, timeout=60.0).json()
    assert why["score"] == pytest.approx(best["score"], abs=1e-4)
    assert len(why["events"]) == 2
    requests = [{"history": HISTORY, "k": 2}, {"k": 0}, {"k": 3}] * 30
    with httpx.stream("POST", f"{url}/v1/recommend:batch", json={"requests": requests}, timeout=60.0) as response:
        lines = [json.loads(line) for line in response.iter_lines()]
    assert [(line["index"], line["status"]) for line in lines] == [
        (index, 422 if index % 3 == 1 else 200) for index in range(90)
    ]
    assert httpx.get(f"{url}/readyz", timeout=30.0).status_code == 200
    assert httpx.get(f"{url}/v1/items/nothing", timeout=30.0).status_code == 404
    assert [each["items"] for each in httpx.get(f"{url}/v1/models", timeout=30.0).json()["models"]] == [8]


async def many(url: str, payloads: list[dict[str, Any]]) -> list[httpx.Response]:
    async with httpx.AsyncClient(timeout=60.0) as client:
        return await asyncio.gather(*(client.post(f"{url}/v1/recommend", json=payload) for payload in payloads))


async def overloaded(url: str) -> tuple[list[httpx.Response], list[httpx.Response]]:
    """Return the answers to more requests than the queue holds, and of `/healthz` at the same time."""
    async with httpx.AsyncClient(timeout=60.0) as client:
        requests = [client.post(f"{url}/v1/recommend", json={"history": HISTORY, "k": 8}) for _ in range(40)]
        questions = [client.get(f"{url}/healthz") for _ in range(20)]
        answers = await asyncio.gather(*requests, *questions)
    return answers[:40], answers[40:]


def test_requests_at_the_same_time_are_answered_each_with_its_own(url: str):
    payloads: list[dict[str, Any]] = [
        {"history": [{"item": f"i{number % 8}"}], "k": 1 + number % 7, "time": 0} for number in range(24)
    ]
    payloads[5] = {"history": [{"item": "nothing"}], "strict": True}
    responses = asyncio.run(many(url, payloads))
    alone = [post(url, json=payload) for payload in payloads[:8]]
    assert [response.status_code for response in responses] == [422 if place == 5 else 200 for place in range(24)]
    for together, single in zip(responses, alone, strict=False):
        assert [item["id"] for item in together.json().get("items", [])] == [
            item["id"] for item in single.json().get("items", [])
        ]


def test_a_second_endpoint_on_the_same_port_is_refused_in_words(url: str, config: RunConfig):
    with pytest.raises(ConfigError, match=f"serve.port {config.serve.port} cannot be bound"):
        check_port("127.0.0.1", config.serve.port)


def test_a_changed_bundle_is_not_served(url: str, config: RunConfig):
    path = config.bundle_folder / "catalog.jsonl"
    content = path.read_bytes()
    path.write_bytes(content.replace(b"Red Tent Pole", b"Red Tent Pile"))
    try:
        with pytest.raises(CheckpointError, match="checksum"):
            start_endpoint(config)
    finally:
        path.write_bytes(content)


def test_a_serve_config_file_deploys_the_same_endpoint_which_refuses_what_it_cannot_take(
    config: RunConfig, manifest: Manifest
):
    stop_endpoint(config)
    narrow = dataclasses.replace(
        config.serve, port=free_port(), max_batch_size=1, target_ongoing_requests=1, max_queued_requests=1
    )
    document = serve_config(config.bundle_folder, narrow, application_name(config))
    serve.start(http_options=document["http_options"])
    try:
        # what `serve deploy` and a RayService do behind their REST interface
        _get_global_client().deploy_apps(ServeDeploySchema.model_validate(document), _blocking=True)
        url = endpoint_url(narrow.host, narrow.port)
        assert wait_until_healthy(url)["model"]["digest"] == manifest.digest
        responses, health = asyncio.run(overloaded(url))
    finally:
        stop_endpoint(config)
    assert {response.status_code for response in health} == {200}
    refused = [response for response in responses if response.status_code == 429]
    assert {response.status_code for response in responses} == {200, 429}
    assert all(int(response.headers["Retry-After"]) >= 1 for response in refused)
