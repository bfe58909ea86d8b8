"""The manifests under k8s/ against this project: its commands, configs, Serve application and image."""

import importlib
import re
import shlex
import tomllib

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from ray.serve.schema import DeploymentSchema, HTTPOptionsSchema, ServeApplicationSchema, ServeDeploySchema

from recsys_platform.cli import build_parser
from recsys_platform.config.run import RunConfig, load_config
from tests.contracts.manifests import (
    K8S,
    OVERLAYS,
    ROOT,
    STAGES,
    Document,
    cluster_of,
    commands_of,
    of_kind,
    pods_of,
    rendered,
    serve_config_of,
)

IMAGE_CONFIGS = "/home/ray/recsys/ray_configs/"
LONGEST_REQUEST_S = 120.0


@pytest.fixture(scope="module", params=OVERLAYS)
def documents(request: pytest.FixtureRequest) -> list[Document]:
    return rendered(request.param)


def config_of(command: list[str]) -> RunConfig:
    """Load the YAML that a command names, as it lies in the image, with the command's overrides."""
    options = build_parser().parse_args(command[1:])
    path = str(options.config)
    assert path.startswith(IMAGE_CONFIGS), f"{path} is not in the image"
    return load_config(ROOT / "ray_configs" / path.removeprefix(IMAGE_CONFIGS), options.overrides)


def test_no_part_of_an_entrypoint_is_left_to_the_shell_of_the_submitter(documents: list[Document]) -> None:
    for job in of_kind(documents, "RayJob"):
        words = shlex.split(job["spec"]["entrypoint"])
        assert not {"&&", "||", ";", "|", "&"} & set(words)
        assert not re.search(r"[$`]", job["spec"]["entrypoint"])


def test_every_entrypoint_is_a_command_of_this_project_on_a_config_that_loads(documents: list[Document]) -> None:
    for job in of_kind(documents, "RayJob"):
        for command in commands_of(job):
            assert command[0] == "recsys"
            options = build_parser().parse_args(command[1:])
            assert options.json or options.command == "demo-shop"
        config = config_of(commands_of(job)[-1])
        assert config.storage == "/mnt/recsys"
        if job["metadata"]["name"] == "recsys-tune":
            assert config.model.weights is not None
            assert config.lora.enabled, "ranks are searched on a frozen base"


def test_each_stage_reads_what_the_one_before_wrote_and_the_endpoint_serves_the_bundle(
    documents: list[Document],
) -> None:
    jobs = of_kind(documents, "RayJob")
    configs = {job["metadata"]["name"].removeprefix("recsys-"): config_of(commands_of(job)[-1]) for job in jobs}
    assert {config.dataset_folder for config in configs.values()} == {configs["data"].folder / "dataset"}
    assert {configs[stage].folder for stage in STAGES - {"tune"}} == {configs["data"].folder}
    (service,) = of_kind(documents, "RayService")
    (application,) = serve_config_of(service)["applications"]
    assert application["args"]["bundle"] == str(configs["bundle"].bundle_folder)


def test_the_workers_of_a_stage_have_what_its_config_asks_for(documents: list[Document]) -> None:
    for job in of_kind(documents, "RayJob"):
        (group,) = cluster_of(job)["workerGroupSpecs"]
        limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
        num_cpus = group["replicas"] * float(group["rayStartParams"].get("num-cpus", limits["cpu"]))
        num_gpus = group["replicas"] * int(limits.get("nvidia.com/gpu", "0"))
        config = config_of(commands_of(job)[-1])
        if job["metadata"]["name"] in ("recsys-train", "recsys-tune"):
            assert num_cpus > config.train.num_workers * config.train.cpus_per_worker
            assert num_gpus >= config.train.num_workers * config.train.use_gpu


def test_the_demo_shop_is_written_where_its_config_reads_it() -> None:
    (job,) = [job for job in of_kind(rendered("laptop"), "RayJob") if job["metadata"]["name"] == "recsys-data"]
    shop, data = commands_of(job)
    tables = config_of(data).input
    assert tables.users is not None
    paths = {tables.interactions.path, tables.items.path, tables.users.path}
    assert paths == {f"{shop[2]}/{name}.parquet" for name in ("interactions", "items", "users")}


def test_every_key_of_the_serve_config_is_one_that_ray_serve_knows(documents: list[Document]) -> None:
    (service,) = of_kind(documents, "RayService")
    config = serve_config_of(service)
    assert set(config) <= set(ServeDeploySchema.model_fields)
    assert set(config["http_options"]) <= set(HTTPOptionsSchema.model_fields)
    for application in config["applications"]:
        assert set(application) <= set(ServeApplicationSchema.model_fields)
        for deployment in application["deployments"]:
            assert set(deployment) <= set(DeploymentSchema.model_fields)
    ServeDeploySchema.model_validate(config)


def test_the_serve_config_builds_the_application_of_this_project(documents: list[Document]) -> None:
    (service,) = of_kind(documents, "RayService")
    config = serve_config_of(service)
    assert (config["http_options"]["host"], config["http_options"]["port"]) == ("0.0.0.0", 8000)
    (application,) = config["applications"]
    module, _, name = application["import_path"].partition(":")
    application_node = getattr(importlib.import_module(module), name)(application["args"])
    names = {application_node._bound_deployment.name, *(entry["name"] for entry in application["deployments"])}
    assert names == {"endpoint"}


def test_old_clusters_live_longer_than_the_longest_request(documents: list[Document]) -> None:
    (service,) = of_kind(documents, "RayService")
    spec, longest = service["spec"], serve_config_of(service)["http_options"]["request_timeout_s"]
    assert spec["rayClusterDeletionDelaySeconds"] > longest >= LONGEST_REQUEST_S
    assert spec["excludeHeadPodFromServeSvc"] is True
    assert spec["upgradeStrategy"]["type"] == "NewCluster"


def test_replicas_of_the_endpoint_fit_on_its_workers(documents: list[Document]) -> None:
    (service,) = of_kind(documents, "RayService")
    (application,) = serve_config_of(service)["applications"]
    (group,) = cluster_of(service)["workerGroupSpecs"]
    limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert application["deployments"] == [{"name": "endpoint", "max_replicas_per_node": 1}]
    assert application["args"]["max_replicas"] <= group["replicas"]
    assert application["args"].get("cpus_per_replica", 1.0) < float(limits["cpu"])
    assert application["args"].get("use_gpu", False) == ("nvidia.com/gpu" in limits)


def test_the_images_ray_and_python_are_those_of_the_manifests_and_of_the_project(documents: list[Document]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (K8S / "Dockerfile").read_text(encoding="utf-8")
    found = re.search(r"^ARG RAY_IMAGE=rayproject/ray:([\d.]+)-py(\d)(\d+)$", text, re.MULTILINE)
    assert found is not None
    ray_version, python_version = found[1], f"{found[2]}.{found[3]}"
    (pin,) = [entry for entry in project["dependencies"] if entry.startswith("ray[")]
    assert Version(ray_version) in SpecifierSet(pin.partition("]")[2])
    assert Version(python_version) in SpecifierSet(project["requires-python"])
    versions = {cluster_of(document)["rayVersion"] for document in of_kind(documents, "RayJob", "RayService")}
    assert versions == {ray_version}
    assert set(re.findall(r"rayproject/ray:([\d.]+)-", text)) == {ray_version}


def test_the_image_installs_the_project_as_the_user_that_the_pods_run_as(documents: list[Document]) -> None:
    lines = (K8S / "Dockerfile").read_text(encoding="utf-8").splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users == ["1000:100"]
    for document in of_kind(documents, "RayJob", "RayService"):
        for pod in pods_of(document):
            context = pod["securityContext"]
            assert f"{context['runAsUser']}:{context['runAsGroup']}" == users[0]
            assert pod["containers"][0]["image"].startswith("recsysllm-on-ray:")
    copied = [part for line in lines if line.startswith("COPY ") for part in line.split()[2:-1]]
    assert all((ROOT / part).exists() for part in copied)
    ignored = (K8S / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert {f"!{part}" for part in copied} <= set(ignored)
    assert not re.search(r"https?://|index-url", "\n".join(lines))


def test_image_tags_are_the_projects_version(documents: list[Document]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for document in of_kind(documents, "RayJob", "RayService"):
        for pod in pods_of(document):
            tag = pod["containers"][0]["image"].rpartition(":")[2]
            assert tag in (project["version"], f"{project['version']}-gpu")
