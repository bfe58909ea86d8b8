"""Reads the manifests under k8s/, as they lie there and as `kubectl apply -k` would send them."""

import functools
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
K8S = ROOT / "k8s"
OVERLAYS = ("laptop", "a100")
STAGES = {"data", "train", "tune", "evaluate", "bundle"}

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
    """The commands of an entrypoint: one, or those of a `bash -c "... && ..."`."""
    words = shlex.split(document["spec"]["entrypoint"])
    if words[:2] != ["bash", "-c"]:
        return [words]
    assert len(words) == 3, "bash -c takes one word"
    return [shlex.split(command) for command in words[2].split("&&")]
