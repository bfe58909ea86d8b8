"""The Serve config inside the RayService, deployed for real."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import ray
import yaml
from prometheus_client.parser import text_string_to_metric_families
from ray import serve
from ray.serve._private.logging_utils import get_serve_logs_dir
from ray.serve.context import _get_global_client
from ray.serve.schema import ServeDeploySchema

from recsys_model.bundle import Bundle, write_bundle
from recsys_platform.artifacts import open_artifact, write_artifact
from recsys_platform.serve.gate.key_file import write_keys
from recsys_platform.serve.gate.keys import ApiKey, digest_of
from recsys_platform.serve.metrics import DECODE_SECONDS, IN_FLIGHT, ITEMS, REFUSALS, REQUEST_SECONDS, WAITING
from recsys_platform.serve.stage import stop_application, wait_until_healthy
from tests.e2e.ports import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("ray_cluster")]

SECRET = "the key of the shop"
BEARER = {"Authorization": f"Bearer {SECRET}"}
MANIFEST = Path(__file__).resolve().parents[2] / "k8s" / "base" / "endpoint.yaml"


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory, shop_bundle: Bundle) -> dict[str, Any]:
    """The config as the manifest holds it, but for the address and the places of bundle and keys."""
    folder = tmp_path_factory.mktemp("runs") / "demo" / "bundle"
    with write_artifact(folder, "bundle", {"name": "demo"}) as (partial, _):
        write_bundle(partial, shop_bundle.model, shop_bundle.tokenizer, shop_bundle.catalog, shop_bundle.settings)
    document = yaml.safe_load(yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))["spec"]["serveConfigV2"])
    document["http_options"].update(host="127.0.0.1", port=free_port())
    keys = tmp_path_factory.mktemp("secret") / "keys.json"
    write_keys(keys, [ApiKey(name="shop", sha256=digest_of(SECRET), scopes=("read",))])
    document["applications"][0]["args"].update(bundle=str(folder), keys_file=str(keys))
    return document


@pytest.fixture(scope="module")
def url(document: dict[str, Any]) -> Iterator[str]:
    serve.start(proxy_location=document["proxy_location"], http_options=document["http_options"])
    try:
        # what the operator does through the REST interface of the head
        _get_global_client().deploy_apps(ServeDeploySchema.model_validate(document), _blocking=True)
        url = f"http://127.0.0.1:{document['http_options']['port']}"
        wait_until_healthy(url)
        yield url
    finally:
        stop_application(document["applications"][0]["name"])


def test_the_endpoint_of_the_manifest_recommends_items_of_the_catalogue_over_http(url: str, shop_bundle: Bundle):
    request = {"user_features": {"city": "Berlin"}, "history": [{"item": "i0"}, {"item": "Stove Fuel"}], "k": 5}
    response = httpx.post(f"{url}/v1/recommend", json=request, headers=BEARER, timeout=60.0)
    assert response.status_code == 200, response.text
    items = response.json()["items"]
    found = {item["id"] for item in items}
    assert len(items) == len(found) == 5
    assert found <= {item.item_id for item in shop_bundle.catalog.items} - {"i0", "i4"}
    assert all(item["title"] for item in items)


def test_a_bad_request_to_the_endpoint_of_the_manifest_names_the_field(url: str):
    response = httpx.post(f"{url}/v1/recommend", json={"k": "many"}, headers=BEARER, timeout=60.0)
    assert (response.status_code, response.json()["detail"][0]["loc"]) == (422, ["body", "k"])


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/v1/recommend", {}, 401),
        ("POST", "/v1/recommend", {"Authorization": "Bearer another"}, 401),
        ("PUT", "/v1/items", BEARER, 403),
        ("GET", "/healthz", {}, 200),
    ],
)
def test_the_endpoint_of_the_manifest_is_closed_to_all_without_a_key_that_allows_the_request(
    url: str, method: str, path: str, headers: dict[str, str], status: int
):
    assert httpx.request(method, url + path, json={}, headers=headers, timeout=60.0).status_code == status


def test_what_the_manifest_sets_is_what_runs(url: str, document: dict[str, Any]):
    (wanted,) = document["applications"]
    status = serve.status().applications[wanted["name"]]
    assert (status.status, set(status.deployments)) == ("RUNNING", {"endpoint"})
    details = _get_global_client().get_serve_details()["applications"][wanted["name"]]
    endpoint = details["deployments"]["endpoint"]["deployment_config"]
    assert details["route_prefix"] == wanted["route_prefix"]
    assert endpoint["max_replicas_per_node"] == wanted["deployments"][0]["max_replicas_per_node"]
    assert endpoint["autoscaling_config"]["max_replicas"] == wanted["args"]["max_replicas"]


def test_an_answer_has_the_id_of_its_request_once_and_a_line_in_the_log_beside_those_of_ray(
    url: str, document: dict[str, Any]
):
    headers = BEARER | {"X-Request-Id": "order-17"}
    answer = httpx.post(f"{url}/v1/recommend", json={"k": 2}, headers=headers, timeout=60.0)
    assert answer.headers.get_list("X-Request-Id") == ["order-17"]
    bundle = open_artifact(Path(document["applications"][0]["args"]["bundle"]), "bundle")
    logs = Path(get_serve_logs_dir()).glob("requests_*.jsonl")
    lines = [json.loads(line) for log in logs for line in log.read_text(encoding="utf-8").splitlines()]
    (line,) = [line for line in lines if line["request_id"] == "order-17"]
    assert (line["status"], line["path"], line["key"]) == (200, "/v1/recommend", "shop")
    assert (line["model"], line["catalog_version"]) == (bundle.digest, 0)


def test_a_request_that_cannot_be_answered_in_time_is_answered_504_and_the_next_one_as_ever(url: str):
    late = BEARER | {"X-Request-Timeout-Ms": "1"}
    answer = httpx.post(f"{url}/v1/recommend", json={"k": 2}, headers=late, timeout=60.0)
    assert (answer.status_code, "1 ms of X-Request-Timeout-Ms" in answer.text) == (504, True)
    assert httpx.post(f"{url}/v1/recommend", json={"k": 2}, headers=BEARER, timeout=60.0).status_code == 200


def test_ray_exports_the_metrics_of_the_endpoint(url: str):
    assert httpx.post(f"{url}/v1/recommend", json={"k": 2}, headers=BEARER, timeout=60.0).status_code == 200
    (node,) = ray.nodes()
    port = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
    wanted = {f"ray_{metric.name}" for metric in (REQUEST_SECONDS, IN_FLIGHT, REFUSALS, DECODE_SECONDS, WAITING, ITEMS)}
    deadline = time.monotonic() + 120.0
    while True:
        families = {
            family.name: family for family in text_string_to_metric_families(httpx.get(port, timeout=60.0).text)
        }
        if wanted <= set(families) or time.monotonic() > deadline:
            break
        time.sleep(2.0)
    assert wanted - set(families) == set()
    labels = [sample.labels for sample in families[f"ray_{REQUEST_SECONDS.name}"].samples]
    assert {("recsys", "endpoint", "/v1/recommend", "200")} <= {
        (each["application"], each["deployment"], each["path"], each["status"]) for each in labels
    }
