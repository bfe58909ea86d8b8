"""The nodes of a Ray cluster, and those that its autoscaler may add."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import ray
from ray.exceptions import RaySystemError

UNLIMITED = 1_000_000
"""Nodes of a group without a limit."""
AUTOSCALER_REPORT = b"__autoscaling_status"
MIRRORED = "node_"
"""Node types of a cluster whose nodes Ray's monitor only mirrors begin so; it adds none to them."""


@dataclass(frozen=True, slots=True)
class NodeKind:
    """Nodes of one size."""

    num_cpus: float
    """CPUs of each."""
    num_gpus: float
    """GPUs of each."""
    count: int = 1
    """How many there are, or can be."""


def living_nodes() -> list[NodeKind]:
    """Return the nodes that are up and have CPUs or GPUs; Ray must be initialised."""
    resources = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    nodes = [NodeKind(each.get("CPU", 0.0), each.get("GPU", 0.0)) for each in resources]
    return [node for node in nodes if node.num_cpus > 0 or node.num_gpus > 0]


def autoscaler_groups() -> list[NodeKind] | None:
    """Return the node groups that the cluster's manager has published to Ray; None where it has not.

    Ray has no public name for it in 2.60. If a later version has moved this one, limits are unknown.
    """
    try:
        from ray._private.state import state

        config = state.get_cluster_config()
    except (ImportError, AttributeError, RaySystemError):
        return None
    groups = [] if config is None else [group for group in config.node_group_configs if group.max_count != 0]
    if not groups:
        return None
    return [
        NodeKind(
            float(group.resources.get("CPU", 0)),
            float(group.resources.get("GPU", 0)),
            UNLIMITED if group.max_count < 0 else group.max_count,
        )
        for group in groups
    ]


def has_autoscaler() -> bool:
    """Return whether an autoscaler that may add nodes runs on the cluster.

    Ray's monitor runs on every cluster and reports to Ray's key-value store. Where it only mirrors the nodes, it makes
    up a type for each of them. The second version of the autoscaler does not report there, but says that it runs.
    """
    try:
        from ray.autoscaler.v2.utils import is_autoscaler_v2
        from ray.experimental.internal_kv import _internal_kv_get

        if is_autoscaler_v2(fetch_from_server=True):
            return True
        report = _internal_kv_get(AUTOSCALER_REPORT)
    except (ImportError, AttributeError, AssertionError):
        return False
    return report is not None and manages_nodes(json.loads(report))


def manages_nodes(report: Mapping[str, object]) -> bool:
    """Return whether a report of Ray's monitor names a node type of its own.

    Example:
        >>> manages_nodes({"autoscaler_report": {"active_nodes": {"node_3fa2": 1}}})
        False
        >>> manages_nodes({"autoscaler_report": {"active_nodes": {"head": 1}, "pending_nodes": []}})
        True
    """
    summary = report.get("autoscaler_report")
    types = summary.get("active_nodes", {}) if isinstance(summary, dict) else {}
    return any(not str(name).startswith(MIRRORED) for name in types)
