"""The HTTP API in process: the endpoint with a recommender and without Ray, and its OpenAPI document."""

import dataclasses
import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from fastapi.testclient import TestClient

from recsys_model.bundle import Bundle
from recsys_model.entities.item_columns import build_columns
from recsys_platform.serve import app
from recsys_platform.serve.batching import QueueFullError
from recsys_platform.serve.recommender import Recommender
from recsys_platform.serve.schemas import Health, ModelInfo
from tests.recsys_platform.serve.in_process import InProcess, client_of

INFO = ModelInfo(name="shop", digest="d" * 64, version="0", created="2024-01-01T00:00:00+00:00")
PATHS = {
    "/v1/recommend",
    "/v1/recommend:batch",
    "/v1/rank",
    "/v1/explain",
    "/v1/items",
    "/v1/items:search",
    "/v1/items/{item_id}",
    "/v1/models",
    "/readyz",
    "/healthz",
}


@pytest.fixture(scope="module")
def generator(shop_bundle: Bundle) -> InProcess:
    columns = build_columns({"price": [1, 2, 3, 4, 5, 6, 7, None], "brand": ["Acme", *["Birch"] * 7]}, 8)
    return InProcess(Recommender(dataclasses.replace(shop_bundle, columns=columns), INFO))


@pytest.fixture
def client(generator: InProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    with client_of(generator, monkeypatch) as opened:
        yield opened


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return app.api.openapi()


def bodies(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and schema of each request body."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if "requestBody" in operation:
                schema = operation["requestBody"]["content"]["application/json"]["schema"]
                yield method, path, document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]


def test_every_path_is_documented(document: dict[str, Any]):
    assert set(document["paths"]) == PATHS
    for operations in document["paths"].values():
        for operation in operations.values():
            assert operation["summary"]
            assert operation["description"]
            assert "200" in operation["responses"]


def test_every_reference_leads_to_a_component(document: dict[str, Any]):
    references = set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(document)))
    assert references <= {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert "#/components/schemas/RecommendResponse" in references


def test_every_request_body_has_examples_which_fit_its_schema_and_are_answered(
    document: dict[str, Any], client: TestClient
):
    answered = []
    for method, path, schema in bodies(document):
        assert schema["examples"], path
        for example in schema["examples"]:
            jsonschema.validate(example, {**schema, "components": document["components"]})
            response = client.request(method, path, json=example)
            assert response.status_code in (200, 403, 422), (path, response.text)
            assert response.status_code != 422 or "loc" in response.json()["detail"][0]
            answered.append(path)
    assert set(answered) == {"/v1/recommend", "/v1/recommend:batch", "/v1/rank", "/v1/explain", "/v1/items"}


def test_every_parameter_that_must_be_given_has_an_example_which_is_answered(
    document: dict[str, Any], client: TestClient
):
    asked = []
    for path, operations in document["paths"].items():
        for parameter in operations.get("get", {}).get("parameters", []):
            assert parameter["description"]
            if parameter["required"]:
                (example,) = parameter["schema"]["examples"]
                jsonschema.validate(example, parameter["schema"])
                name = parameter["name"]
                params = {name: example} if parameter["in"] == "query" else {}
                response = client.get(path.replace(f"{{{name}}}", example), params=params)
                assert response.status_code in (200, 404), response.text
                asked.append(path)
    assert asked == ["/v1/items:search", "/v1/items/{item_id}"]


def test_every_field_is_described(document: dict[str, Any]):
    for name, schema in document["components"]["schemas"].items():
        assert schema["description"], name
        for field, content in schema.get("properties", {}).items():
            # a reference to a class is described there
            assert "description" in content or "$ref" in content, (name, field)


@pytest.mark.parametrize(
    ("path", "request_json"),
    [
        ("/v1/recommend", {"history": [{"item": "i0"}, {"item": "?"}], "k": 3, "explain": True, "exact": True}),
        ("/v1/rank", {"history": [{"item": "i0"}], "candidates": ["i1", "i2"]}),
        ("/v1/explain", {"history": [{"item": "i0"}], "item": "i1"}),
    ],
)
def test_answers_fit_their_schemas(document: dict[str, Any], client: TestClient, path: str, request_json: dict):
    response = client.post(path, json=request_json)
    assert response.status_code == 200, response.text
    schema = document["paths"][path]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(response.json(), {**schema, "components": document["components"]})


def test_a_batch_is_answered_in_lines_that_fit_their_schema(document: dict[str, Any], client: TestClient):
    requests = [{"history": [{"item": "i0"}], "k": 2}, {"k": 0}, {"history": [{"item": "x"}], "strict": True}]
    response = client.post("/v1/recommend:batch", json={"requests": requests})
    assert response.headers["content-type"].startswith("application/x-ndjson")
    lines = [json.loads(line) for line in response.text.splitlines()]
    assert [(line["index"], line["status"]) for line in lines] == [(0, 200), (1, 422), (2, 422)]
    schema = document["paths"]["/v1/recommend:batch"]["post"]["responses"]["200"]["content"]["application/x-ndjson"]
    for line in lines:
        jsonschema.validate(line, {**schema["schema"], "components": document["components"]})
    assert client.post("/v1/recommend:batch", json={"requests": [{}] * 1001}).status_code == 422


def test_items_are_looked_up_and_searched(client: TestClient):
    assert client.get("/v1/items/i0").json()["columns"] == {"price": 1.0, "brand": ["Acme"]}
    missing = client.get("/v1/items/a/b")
    assert (missing.status_code, "'a/b'" in missing.json()["detail"]) == (404, True)
    found = client.get("/v1/items:search", params={"title": "stove", "limit": 1})
    assert [item["title"] for item in found.json()["items"]] in (["Camping Stove"], ["Stove Fuel"])
    assert client.get("/v1/items:search").status_code == 422


def test_what_is_served_is_listed(client: TestClient):
    (model,) = client.get("/v1/models").json()["models"]
    assert (model["model"]["name"], model["columns"]) == ("shop", {"price": "number", "brand": "text"})


def test_an_endpoint_is_ready_while_its_queue_has_room_and_healthy_also_when_it_is_full(
    generator: InProcess, client: TestClient, monkeypatch: pytest.MonkeyPatch
):
    assert client.get("/readyz").status_code == client.get("/healthz").status_code == 200

    async def full(_: Any = None) -> Health:
        raise QueueFullError("1 requests wait already, at most 1 may")

    monkeypatch.setattr(generator, "ready", full)
    monkeypatch.setattr(generator, "recommend", full)
    ready, refused = client.get("/readyz"), client.post("/v1/recommend", json={})
    assert (ready.status_code, ready.headers["Retry-After"]) == (503, "1")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    assert client.get("/healthz").status_code == 200
