"""The Serve application: arguments, deployment settings and the Serve config file."""

import dataclasses
import json
from pathlib import Path

import pytest
from ray import serve
from ray.serve.schema import ServeDeploySchema

from recsys_model.errors import ConfigError
from recsys_platform.config.stages import ServeConfig
from recsys_platform.serve.app import api, build_app, serve_config
from recsys_platform.serve.gate.key_file import FixedKeys
from recsys_platform.serve.gate.keys import ApiKey
from recsys_platform.serve.gate.routes import EDITING, READING


def deployments(app: serve.Application) -> tuple[serve.Deployment, serve.Deployment]:
    """The ingress and the generator bound into it."""
    (generator,) = app._bound_deployment.init_args
    return app._bound_deployment, generator._bound_deployment


def test_the_generator_is_deployed_as_the_configuration_says():
    app = build_app(
        {"bundle": "/b", "max_batch_size": 4, "min_replicas": 2, "max_replicas": 5, "target_ongoing_requests": 3}
    )
    ingress, generator = deployments(app)
    assert (ingress.name, generator.name) == ("ingress", "generator")
    scaling = generator._deployment_config.autoscaling_config
    assert (scaling.min_replicas, scaling.max_replicas, scaling.target_ongoing_requests) == (2, 5, 3)
    assert generator._deployment_config.max_queued_requests == 64
    assert generator.ray_actor_options == {"num_cpus": 1.0, "num_gpus": 0}


@pytest.mark.parametrize(("batch", "target", "smallest"), [(8, 8, 17), (1, 1, 3), (2, 50, 51)])
def test_a_replica_takes_enough_requests_to_fill_the_next_batch_and_to_be_scaled_up(
    batch: int, target: int, smallest: int
):
    _, generator = deployments(build_app({"bundle": "/b", "max_batch_size": batch, "target_ongoing_requests": target}))
    assert generator.max_ongoing_requests == smallest


def test_the_ingress_is_never_the_bottleneck():
    ingress, generator = deployments(build_app({"bundle": "/b", "max_replicas": 3, "max_queued_requests": 10}))
    assert ingress.max_ongoing_requests > 3 * generator.max_ongoing_requests + 10


def test_one_keeper_is_deployed_for_all_where_the_catalogue_may_be_edited():
    app = build_app({"bundle": "/b", "catalog_edits": True, "max_replicas": 3})
    generator, keeper = app._bound_deployment.init_args
    assert generator._bound_deployment.init_args[-1] is keeper
    assert (keeper._bound_deployment.name, keeper._bound_deployment.num_replicas) == ("keeper", 1)
    assert keeper._bound_deployment.max_ongoing_requests > 100


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
    ingress, _ = deployments(build_app({"bundle": "/b", "protect_docs": True}))
    assert ingress.init_kwargs["keys"] == FixedKeys((ApiKey(name="shop", sha256=digest, scopes=("read",)),))
    assert ingress.init_kwargs["config"].protect_docs is True


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
    _, generator = deployments(build_app(application["args"]))
    assert generator.ray_actor_options["num_gpus"] == 1
