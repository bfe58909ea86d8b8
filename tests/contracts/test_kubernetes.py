"""The manifests under k8s/: valid for the API server and for KubeRay, and closed to strangers."""

import functools
import gzip
import json
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
from packaging.version import Version

from tests.contracts.manifests import (
    K8S,
    OVERLAYS,
    STAGES,
    Document,
    cluster_of,
    commands_of,
    of_kind,
    pods_of,
    raw_documents,
    rendered,
    serve_config_of,
)

CORE_VERSION = "1.37"
KEY_MOUNTS = [{"name": "keys", "mountPath": "/etc/recsys", "readOnly": True}]
KEY_VOLUMES = [{"name": "keys", "secret": {"secretName": "recsys-keys", "defaultMode": 0o440}}]
MAX_NAME = {"RayCluster": 53, "RayJob": 47, "RayService": 47}


@pytest.fixture(scope="module", params=OVERLAYS)
def documents(request: pytest.FixtureRequest) -> list[Document]:
    return rendered(request.param)


@functools.cache
def validator(path: Path) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(gzip.decompress(path.read_bytes())))


def check_schema(document: Document, shared_k8s: Path) -> None:
    """Validate strictly: unknown fields are errors."""
    group, _, version = document["apiVersion"].partition("/")
    schema_of_operator = shared_k8s / f"{document['kind'].lower()}.{group}_{version}.schema.json.gz"
    if schema_of_operator.is_file():
        validator(schema_of_operator).validate(document)
    else:
        kubernetes_validate.validate(document, CORE_VERSION, strict=True)


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
        assert spec["activeDeadlineSeconds"] > 0
        stage = job["metadata"]["name"].removeprefix("recsys-")
        assert ("--resume-if-started" in commands_of(job)[-1]) == (stage == "train")
        assert (spec["backoffLimit"] == 0) == (stage == "tune"), "an unfinished search stands in a retry's way"


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
                shared, *others = container["volumeMounts"]
                assert shared == {"name": "recsys", "mountPath": "/mnt/recsys"}
                claim, *secrets = pod["volumes"]
                assert [claim["persistentVolumeClaim"]["claimName"]] == list(claims)
                assert (others, secrets) == (
                    (KEY_MOUNTS, KEY_VOLUMES) if document["kind"] == "RayService" else ([], [])
                )


def test_the_endpoint_reads_its_keys_from_where_the_secret_is_mounted(documents: list[Document]) -> None:
    (service,) = of_kind(documents, "RayService")
    (application,) = serve_config_of(service)["applications"]
    assert application["args"]["keys_file"] == "/etc/recsys/keys.json"
    assert "--from-file=keys.json" in (K8S / "README.md").read_text(encoding="utf-8")


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
