"""The Serve application: arguments, deployment settings and the Serve config file."""

import dataclasses
import json
from pathlib import Path

import pytest
from ray import serve
from ray.serve.schema import ServeDeploySchema

from recsys_model.errors import ConfigError
from recsys_platform.config.serve import ServeConfig
from recsys_platform.serve.app import api, build_app, serve_config
from recsys_platform.serve.gate.key_file import FixedKeys
from recsys_platform.serve.gate.keys import ApiKey
from recsys_platform.serve.gate.routes import EDITING, READING


def endpoint_of(**args: object) -> serve.Deployment:
    """The deployment that answers requests."""
    return build_app({"bundle": "/b", **args})._bound_deployment


def test_the_endpoint_is_deployed_as_the_configuration_says():
    endpoint = endpoint_of(max_batch_size=4, min_replicas=2, max_replicas=5, target_ongoing_requests=3)
    assert endpoint.name == "endpoint"
    scaling = endpoint._deployment_config.autoscaling_config
    assert (scaling.min_replicas, scaling.max_replicas, scaling.target_ongoing_requests) == (2, 5, 3)
    assert endpoint.ray_actor_options == {"num_cpus": 1.0, "num_gpus": 0}


def test_a_replica_takes_more_requests_than_it_lets_wait_so_that_it_refuses_them_itself():
    endpoint = endpoint_of(max_batch_size=4, max_queued_requests=10)
    assert endpoint.max_ongoing_requests > 4 + 10
    # Ray Serve refuses none before they reach a replica
    assert endpoint._deployment_config.max_queued_requests == -1


def test_one_keeper_is_deployed_for_all_where_the_catalogue_may_be_edited():
    endpoint = endpoint_of(catalog_edits=True, max_replicas=3)
    keeper = endpoint.init_args[-1]._bound_deployment
    assert (keeper.name, keeper.num_replicas) == ("keeper", 1)
    assert keeper.max_ongoing_requests > 100
    assert len(endpoint_of().init_args) == len(endpoint.init_args) - 1


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({}, "args.bundle must be the absolute path"),
        ({"bundle": "relative/bundle"}, "got 'relative/bundle'"),
        ({"bundle": 3}, "got 3"),
        ({"bundle": "/b", "max_batch": 3}, "max_batch: unknown key"),
        ({"bundle": "/b", "max_batch_size": 0}, "max_batch_size must be at least 1, got 0"),
        ({"bundle": "/b", "max_batch_size": "many"}, "max_batch_size: .*integer"),
        ({"bundle": "/b", "keys_file": "keys.json"}, "args.keys_file must be an absolute path, got 'keys.json'"),
        ({"bundle": "/b", "port": 8001}, "args.port belongs into http_options"),
        ({"bundle": "/b", "name": "a"}, "args.name belongs into the application in the Serve config"),
        ({"bundle": "/b", "start_timeout_s": 5}, "args.start_timeout_s belongs into the run file of `recsys serve`"),
    ],
)
def test_a_wrong_argument_is_named(args: dict, message: str):
    with pytest.raises(ConfigError, match=message):
        build_app(args)


def test_the_ingress_gets_the_keys_of_the_environment_by_their_digests(monkeypatch: pytest.MonkeyPatch):
    digest = "0" * 64
    monkeypatch.setenv("RECSYS_KEYS", json.dumps({"keys": [{"name": "shop", "sha256": digest, "scopes": ["read"]}]}))
    endpoint = endpoint_of(protect_docs=True)
    assert endpoint.init_kwargs["keys"] == FixedKeys((ApiKey(name="shop", sha256=digest, scopes=("read",)),))
    assert endpoint.init_args[1].protect_docs is True


def test_every_route_that_changes_something_is_known_to_the_gate():
    described = api.openapi()["paths"]
    writing = {path for path, methods in described.items() if set(methods) - {"get", "head"}}
    assert writing <= READING | EDITING, "a route that is in neither needs a key with `admin`"


def test_a_serve_config_names_the_file_of_keys_by_its_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    document = serve_config(Path("/b"), ServeConfig(keys_file="keys.json"), "shop")
    assert document["applications"][0]["args"]["keys_file"] == str(tmp_path / "keys.json")


def test_the_serve_config_is_valid_and_builds_the_same_application():
    config = ServeConfig(host="0.0.0.0", port=8123, max_batch_size=3, use_gpu=True)
    document = serve_config(Path("/volume/run/bundle"), config, "shop")
    checked = ServeDeploySchema.model_validate(document)
    assert (checked.http_options.host, checked.http_options.port) == ("0.0.0.0", 8123)
    (application,) = document["applications"]
    elsewhere = ("host", "port", "name", "route_prefix", "start_timeout_s")
    settings = {name: value for name, value in dataclasses.asdict(config).items() if name not in elsewhere}
    assert (application["name"], application["route_prefix"]) == ("shop", "/")
    assert application["args"] == {"bundle": "/volume/run/bundle", **settings}
    assert build_app(application["args"])._bound_deployment.ray_actor_options["num_gpus"] == 1
