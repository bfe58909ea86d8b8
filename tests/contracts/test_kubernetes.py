"""The manifests under k8s/: valid for the API server, for KubeRay, and for this project's own command line."""

import functools
import gzip
import importlib
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from ray.serve.schema import DeploymentSchema, HTTPOptionsSchema, ServeApplicationSchema, ServeDeploySchema

from recsys_platform.cli import build_parser
from recsys_platform.config import RunConfig, load_config

ROOT = Path(__file__).resolve().parents[2]
K8S = ROOT / "k8s"
OVERLAYS = ("laptop", "a100")
CORE_VERSION = "1.37"
IMAGE_CONFIGS = "/home/ray/recsys/ray_configs/"
STAGES = {"data", "train", "tune", "evaluate", "bundle"}
MAX_NAME = {"RayCluster": 53, "RayJob": 47, "RayService": 47}
MAX_LONGEST_REQUEST_S = 120.0

Document = dict[str, Any]


def raw_documents() -> list[tuple[str, Document]]:
    """Every manifest as it lies in the tree; patches without apiVersion are not documents."""
    found = []
    for path in sorted(K8S.rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            if isinstance(document, dict) and document["kind"] != "Kustomization":
                found.append((f"{path.relative_to(K8S)}:{document['kind']}/{document['metadata']['name']}", document))
    return found


@functools.cache
def rendered_text(overlay: str) -> str:
    command = ["kubectl", "kustomize", str(K8S / "overlays" / overlay)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def rendered(overlay: str) -> list[Document]:
    """What `kubectl apply -k` would send."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl, which renders the overlays, is not installed")
    return list(yaml.load_all(rendered_text(overlay), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


@functools.cache
def validator(path: Path) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(gzip.decompress(path.read_bytes())))


@pytest.fixture(scope="module", params=OVERLAYS)
def documents(request: pytest.FixtureRequest) -> list[Document]:
    return rendered(request.param)


def check_schema(document: Document, shared_k8s: Path) -> None:
    """Validate strictly: unknown fields are errors."""
    group, _, version = document["apiVersion"].partition("/")
    if group != "ray.io":
        kubernetes_validate.validate(document, CORE_VERSION, strict=True)
        return
    validator(shared_k8s / f"{document['kind'].lower()}.{group}_{version}.schema.json.gz").validate(document)


def of_kind(documents: list[Document], *kinds: str) -> list[Document]:
    found = [document for document in documents if document["kind"] in kinds]
    assert found, f"no {kinds} among the documents"
    return found


def cluster_of(document: Document) -> Document:
    return document["spec"]["rayClusterSpec" if document["kind"] == "RayJob" else "rayClusterConfig"]


def pods_of(document: Document) -> Iterator[Document]:
    """Pod specs of head, workers and submitter."""
    cluster = cluster_of(document)
    yield cluster["headGroupSpec"]["template"]["spec"]
    for group in cluster["workerGroupSpecs"]:
        yield group["template"]["spec"]
    if document["kind"] == "RayJob":
        yield document["spec"]["submitterPodTemplate"]["spec"]


def serve_config_of(document: Document) -> Document:
    return yaml.safe_load(document["spec"]["serveConfigV2"])


def commands_of(document: Document) -> list[list[str]]:
    """Split an entrypoint such as `recsys demo-shop X && recsys data Y`."""
    return [shlex.split(command) for command in document["spec"]["entrypoint"].split("&&")]


def config_of(command: list[str]) -> RunConfig:
    """Load the YAML that a command names, as it lies in the image, with the command's overrides."""
    options = build_parser().parse_args(command[1:])
    path = str(options.config)
    assert path.startswith(IMAGE_CONFIGS), f"{path} is not in the image"
    return load_config(ROOT / "ray_configs" / path.removeprefix(IMAGE_CONFIGS), options.overrides)


@pytest.mark.parametrize(("name", "document"), raw_documents())
def test_every_document_is_valid_as_it_lies_in_the_tree(name: str, document: Document, shared_k8s: Path) -> None:
    check_schema(document, shared_k8s)


def test_every_rendered_document_is_valid(documents: list[Document], shared_k8s: Path) -> None:
    for document in documents:
        check_schema(document, shared_k8s)


def test_a_misspelled_field_would_be_found(documents: list[Document], shared_k8s: Path) -> None:
    for kind, error in (("RayJob", jsonschema.ValidationError), ("NetworkPolicy", kubernetes_validate.ValidationError)):
        document = json.loads(json.dumps(of_kind(documents, kind)[0]))
        document["spec"]["podSelektor"] = {}
        with pytest.raises(error, match="podSelektor"):
            check_schema(document, shared_k8s)


def test_every_stage_has_a_job_and_the_endpoint_a_service(documents: list[Document]) -> None:
    jobs = of_kind(documents, "RayJob")
    assert {job["metadata"]["name"] for job in jobs} == {f"recsys-{stage}" for stage in STAGES}
    for job in jobs:
        stage = job["metadata"]["name"].removeprefix("recsys-")
        assert job["metadata"]["labels"]["app.kubernetes.io/component"] == stage
        assert commands_of(job)[-1][:2] == ["recsys", stage]
    assert len(of_kind(documents, "RayService")) == 1


def test_the_operators_own_rules_hold(documents: list[Document]) -> None:
    for document in of_kind(documents, "RayJob", "RayService"):
        cluster, spec = cluster_of(document), document["spec"]
        assert len(document["metadata"]["name"]) <= MAX_NAME[document["kind"]]
        assert Version(cluster["rayVersion"]) >= Version("2.52"), "authOptions.mode token needs it"
        assert cluster["authOptions"]["mode"] == "token"
        for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
            assert "resources" not in group, "rayStartParams and the pod's resources say it already"
            assert all(isinstance(value, str) for value in group["rayStartParams"].values())
            assert "preStop" not in json.dumps(group), "Ray drains by itself"
            assert "Probe" not in json.dumps(group), "the operator brings the probes"
            assert group["template"]["spec"]["terminationGracePeriodSeconds"] > 30
        assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
        annotations = cluster["headGroupSpec"]["template"]["metadata"]["annotations"]
        assert annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"
        assert not cluster.get("enableInTreeAutoscaling", False)
        for group in cluster["workerGroupSpecs"]:
            assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
        if "gcsFaultToleranceOptions" in cluster:
            assert document["kind"] == "RayService"
            assert "redis-password" not in cluster["headGroupSpec"]["rayStartParams"]
            assert "RAY_REDIS_ADDRESS" not in json.dumps(cluster)
        assert "ttlSecondsAfterFinished" not in spec or spec["shutdownAfterJobFinishes"] is True


def test_a_finished_job_frees_its_cluster_and_a_failed_training_goes_on(documents: list[Document]) -> None:
    for job in of_kind(documents, "RayJob"):
        spec = job["spec"]
        assert spec["submissionMode"] == "K8sJobMode"
        assert spec["shutdownAfterJobFinishes"] is True
        assert spec["ttlSecondsAfterFinished"] > 0
        assert spec["backoffLimit"] >= 1
        assert spec["activeDeadlineSeconds"] > 0
        resumes = "--resume-if-started" in commands_of(job)[-1]
        assert resumes == (job["metadata"]["name"] == "recsys-train")


def test_no_pod_runs_as_root_or_holds_a_token_and_all_share_one_volume(documents: list[Document]) -> None:
    claims = {claim["metadata"]["name"] for claim in of_kind(documents, "PersistentVolumeClaim")}
    accounts = {account["metadata"]["name"] for account in of_kind(documents, "ServiceAccount")}
    for document in of_kind(documents, "RayJob", "RayService"):
        for pod in pods_of(document):
            (container,) = pod["containers"]
            assert pod["securityContext"]["runAsNonRoot"] is True
            assert pod["securityContext"]["runAsUser"] == 1000
            assert pod["serviceAccountName"] in accounts
            assert pod["automountServiceAccountToken"] is False
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["resources"]["requests"]["memory"] == container["resources"]["limits"]["memory"] or (
                container["name"] == "ray-job-submitter"
            )
            if container["name"] != "ray-job-submitter":
                assert container["volumeMounts"] == [{"name": "recsys", "mountPath": "/mnt/recsys"}]
                assert [volume["persistentVolumeClaim"]["claimName"] for volume in pod["volumes"]] == list(claims)


def test_only_a100_pods_ask_for_gpus_and_they_ask_for_them_right() -> None:
    for document in of_kind(rendered("laptop"), "RayJob", "RayService"):
        assert "nvidia.com/gpu" not in json.dumps(document)
    with_gpus = set()
    for document in of_kind(rendered("a100"), "RayJob", "RayService"):
        for pod in pods_of(document):
            resources = pod["containers"][0]["resources"]
            if "nvidia.com/gpu" not in resources["limits"]:
                assert "nodeSelector" not in pod
                continue
            with_gpus.add(document["metadata"]["name"])
            assert resources["requests"] == resources["limits"]
            assert pod["nodeSelector"] == {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"}
            assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in pod["tolerations"]
    assert with_gpus == {"recsys", "recsys-train", "recsys-tune", "recsys-evaluate"}


def test_volumes_are_shared_between_nodes_wherever_there_are_several() -> None:
    modes = {
        overlay: of_kind(rendered(overlay), "PersistentVolumeClaim")[0]["spec"]["accessModes"] for overlay in OVERLAYS
    }
    assert modes == {"laptop": ["ReadWriteOnce"], "a100": ["ReadWriteMany"]}


def test_everything_is_denied_first_and_only_port_8000_is_opened_to_others(documents: list[Document]) -> None:
    policies = {policy["metadata"]["name"]: policy["spec"] for policy in of_kind(documents, "NetworkPolicy")}
    assert policies["deny-all"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    opened = {}
    for name, spec in policies.items():
        rules = [rule for rule in spec.get("ingress", []) if rule["from"] != [{"podSelector": {}}]]
        opened[name] = sorted(port["port"] for rule in rules for port in rule["ports"])
    assert {name: ports for name, ports in opened.items() if ports} == {
        "allow-operator": [8000, 8265],
        "allow-gateway": [8000],
        "allow-prometheus": [8080, 44217, 44227],
    }
    assert {port["port"] for rule in policies["allow-dns"]["egress"] for port in rule["ports"]} == {53}


def test_the_disruption_budget_selects_the_endpoints_workers_by_an_integer(documents: list[Document]) -> None:
    (budget,) = of_kind(documents, "PodDisruptionBudget")
    assert isinstance(budget["spec"]["minAvailable"], int)
    assert budget["spec"]["selector"]["matchLabels"] == {
        "app.kubernetes.io/component": "endpoint",
        "ray.io/node-type": "worker",
    }
    (service,) = of_kind(documents, "RayService")
    for group in cluster_of(service)["workerGroupSpecs"]:
        assert group["template"]["metadata"]["labels"]["app.kubernetes.io/component"] == "endpoint"


def test_every_entrypoint_is_a_command_of_this_project_on_a_config_that_loads(documents: list[Document]) -> None:
    for job in of_kind(documents, "RayJob"):
        for command in commands_of(job):
            assert command[0] == "recsys"
            options = build_parser().parse_args(command[1:])
            assert options.json or options.command == "demo-shop"
        config = config_of(commands_of(job)[-1])
        assert config.storage == "/mnt/recsys"


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
    assert names == {"ingress", "generator"}


def test_old_clusters_live_longer_than_the_longest_request(documents: list[Document]) -> None:
    (service,) = of_kind(documents, "RayService")
    spec, longest = service["spec"], serve_config_of(service)["http_options"]["request_timeout_s"]
    assert spec["rayClusterDeletionDelaySeconds"] > longest >= MAX_LONGEST_REQUEST_S
    assert spec["excludeHeadPodFromServeSvc"] is True
    assert spec["upgradeStrategy"]["type"] == "NewCluster"


def test_replicas_of_the_endpoint_fit_on_its_workers(documents: list[Document]) -> None:
    (service,) = of_kind(documents, "RayService")
    (application,) = serve_config_of(service)["applications"]
    (group,) = cluster_of(service)["workerGroupSpecs"]
    limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert application["deployments"] == [{"name": "generator", "max_replicas_per_node": 1}]
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
