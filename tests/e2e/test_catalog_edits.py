"""A served catalogue is edited over HTTP: two replicas, one keeper, a bundle artifact on disk."""

import itertools
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import ray

from recsys_model.bundle import Bundle, write_bundle
from recsys_model.entities.catalog import CatalogItem
from recsys_model.entities.live_catalog import CatalogEdit, CatalogUpdate
from recsys_model.errors import DataError
from recsys_platform.artifacts import write_artifact
from recsys_platform.config.run import RunConfig, build_config
from recsys_platform.serve.client import ask, edit_items, list_items, swap_items
from recsys_platform.serve.recommender import load_recommender
from recsys_platform.serve.schemas import RecommendRequest, RecommendResponse
from recsys_platform.serve.stage import start_endpoint, stop_endpoint
from tests.e2e.ports import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("ray_cluster")]

NUM_REPLICAS = 2


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, shop_bundle: Bundle) -> RunConfig:
    table = {"path": "/nowhere/table.csv"}
    replicas = {"min_replicas": NUM_REPLICAS, "max_replicas": NUM_REPLICAS, "cpus_per_replica": 0.5}
    run = build_config(
        {
            "name": "live",
            "storage": str(tmp_path_factory.mktemp("runs")),
            "input": {"interactions": table, "items": table},
            "decoding": {"num_beams": 10},
            "serve": {"port": free_port(), "catalog_edits": True, **replicas},
        }
    )
    with write_artifact(run.bundle_folder, "bundle", {"name": run.name}) as (folder, _):
        write_bundle(folder, shop_bundle.model, shop_bundle.tokenizer, shop_bundle.catalog, shop_bundle.settings)
    return run


@pytest.fixture(scope="module")
def url(config: RunConfig) -> Iterator[str]:
    yield start_endpoint(config)
    stop_endpoint(config)


def replica_names() -> list[str]:
    actors = ray.util.list_named_actors(all_namespaces=True)
    return [actor["name"] for actor in actors if "#endpoint#" in actor["name"]]


def versions(url: str, num_requests: int = 12) -> set[int]:
    """What many requests are answered with; Serve deals them out to both replicas."""
    return {ask(url, {"time": 0, "k": 1})["catalog_version"] for _ in range(num_requests)}


def wait_for_replicas(url: str, other_than: str = "") -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        names = replica_names()
        if len(names) == NUM_REPLICAS and other_than not in names:
            break
        time.sleep(0.5)
    assert len(replica_names()) == NUM_REPLICAS


def test_an_edit_is_answered_when_all_replicas_recommend_from_it(url: str, config: RunConfig, shop_bundle: Bundle):
    wait_for_replicas(url)
    answer = edit_items(url, [{"id": "n1", "title": "Green Tent"}, {"id": "n2", "title": "Blue Tent"}], ["i3"])
    assert (answer["catalog_version"], answer["added"], answer["removed"], answer["items"]) == (1, 2, 1, 9)
    assert (answer["replicas"], answer["pending"]) == (NUM_REPLICAS, 0)
    assert versions(url) == {1}
    payload = {"history": [{"item": "n1"}, {"item": "i3"}], "k": 10, "time": "2024-02-01", "exclude_seen": False}
    assert scores(ask(url, payload)) == pytest.approx(expected_scores(config, shop_bundle, payload), abs=1e-5)
    assert [item["id"] for item in ask(url, {"time": 0, "allow": ["n2", "i3"]})["items"]] == ["n2"]
    assert [(item["id"], item["text"]) for item in list_items(url)][-2:] == [
        ("n1", "Green Tent"),
        ("n2", "Blue Tent (n2)"),
    ]


def scores(answer: dict[str, Any]) -> dict[str, float]:
    return {item["id"]: item["score"] for item in answer["items"]}


def expected_scores(config: RunConfig, bundle: Bundle, payload: dict[str, Any]) -> dict[str, float]:
    """What the recommender answers without Ray once it follows the same edit."""
    added = [("n1", "Green Tent", "Green Tent"), ("n2", "Blue Tent", "Blue Tent (n2)")]
    items = [CatalogItem(*names, tuple(bundle.tokenizer.encode_entity(names[2]))) for names in added]
    recommender = load_recommender(config.bundle_folder)
    recommender.follow(CatalogUpdate(edits=[CatalogEdit(removed=("i3",), added=tuple(items))]))
    (answer,) = recommender.recommend([RecommendRequest.model_validate(payload)])
    assert isinstance(answer, RecommendResponse)
    return {item.id: item.score for item in answer.items}


def test_nonsense_is_refused_with_the_items_named(url: str):
    before = versions(url)
    with pytest.raises(DataError, match=r"add\.0\.id: 'i0' is in the catalogue(.|\n)*"):
        edit_items(url, [{"id": "i0", "title": "Other"}])
    with pytest.raises(DataError, match=r"remove\.0: 'zzz' is not the id of an item"):
        edit_items(url, remove=["zzz"])
    with pytest.raises(DataError, match=r"add\.0\.title"):
        edit_items(url, [{"id": "n9", "title": "  "}])
    with pytest.raises(DataError, match="must add or remove at least 1 item"):
        edit_items(url)
    assert httpx.post(f"{url}/v1/items", json={"ad": []}, timeout=30.0).status_code == 422
    assert httpx.get(f"{url}/v1/items", params={"limit": 0}, timeout=30.0).status_code == 422
    assert versions(url) == before


def test_a_replica_that_starts_later_has_the_edits(url: str):
    edit_items(url, remove=["i6"])
    lost = replica_names()[0]
    ray.kill(ray.get_actor(lost, namespace="serve"))
    wait_for_replicas(url, other_than=lost)
    answer = edit_until_all_follow(url)
    assert versions(url) == {answer["catalog_version"]}
    assert [item["id"] for item in ask(url, {"time": 0, "allow": ["i6", "n1"]})["items"]] == ["n1"]


def edit_until_all_follow(url: str) -> dict[str, Any]:
    """Edit until the lost replica is forgotten and the new one follows; until then the answers say that one is pending."""
    deadline = time.monotonic() + 120
    for number in itertools.count():
        answer = edit_items(url, [{"id": f"try-{number}", "title": f"Try {number}"}])
        if (answer["replicas"], answer["pending"]) == (NUM_REPLICAS, 0):
            return answer
        assert time.monotonic() < deadline, answer
    raise AssertionError


def test_an_endpoint_that_starts_again_has_the_edits_and_a_swap_brings_the_first_items_back(
    url: str, config: RunConfig
):
    (before,) = versions(url)
    stop_endpoint(config)
    again = start_endpoint(config)
    assert versions(again) == {before}
    items = [{"id": f"i{number}", "title": title} for number, title in enumerate(["Red Tent", "Red Tent Pole", "Oar"])]
    answer = swap_items(again, items)
    assert (answer["added"], answer["items"], answer["pending"]) == (1, 3, 0)
    assert {item["id"] for item in ask(again, {"k": 10, "time": 0})["items"]} == {"i0", "i1", "i2"}
