"""Refuses at once what a Ray cluster can never hold: more CPUs, GPUs or workers than its nodes have.

Ray itself waits for such resources without end, since a node might be added.
"""

import logging
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from recsys_model.errors import ConfigError
from recsys_platform.ray_nodes import UNLIMITED, NodeKind, autoscaler_groups, has_autoscaler, living_nodes

logger = logging.getLogger(__name__)

UNIT = 10_000
"""Ray counts CPUs and GPUs in ten-thousandths."""
NODES_PATIENCE_S = 60.0
POLL_S = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """Equal processes that must run at the same time, each on one node."""

    setting: str
    """The setting that asks for them, for example `train.num_workers`."""
    count: int
    """How many there are."""
    num_cpus: float
    """CPUs of each."""
    num_gpus: float = 0
    """GPUs of each."""
    way_out: str = ""
    """Which settings to lower."""

    def __post_init__(self) -> None:
        assert self.num_cpus > 0 or self.num_gpus > 0, "a process that needs nothing fits everywhere"

    def __str__(self) -> str:
        gpus = f" and {self.num_gpus:g} GPU" if self.num_gpus else ""
        return f"{self.setting} asks for {self.count} x {self.num_cpus:g} CPU{gpus}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """What a cluster can hold."""

    nodes: Sequence[NodeKind]
    """Its nodes, also those that its autoscaler may still add where it publishes their limits."""
    is_open_ended: bool = False
    """Whether an autoscaler may add nodes up to a limit that it does not publish."""

    def __str__(self) -> str:
        kinds: dict[tuple[float, float], int] = {}
        for node in self.nodes:
            kinds[node.num_cpus, node.num_gpus] = kinds.get((node.num_cpus, node.num_gpus), 0) + node.count
        parts = [_node_text(count, cpus, gpus) for (cpus, gpus), count in kinds.items()]
        return ", ".join(parts) or "no node"

    def holds(self, demands: Iterable[Demand]) -> bool:
        """Return whether all processes can run at the same time, the largest placed first.

        Example:
            >>> two_nodes = Cluster(nodes=[NodeKind(2, 0), NodeKind(2, 0)])
            >>> two_nodes.holds([Demand(setting="w", count=4, num_cpus=1)])
            True
            >>> two_nodes.holds([Demand(setting="w", count=1, num_cpus=3)])
            False
        """
        free = [[_units(node.num_cpus), _units(node.num_gpus), node.count] for node in self.nodes]
        for demand in sorted(demands, key=lambda each: (-each.num_gpus, -each.num_cpus)):
            left = demand.count
            for node in list(free):
                left -= _place(node, free, demand, left)
            if left > 0:
                return False
        return True


def check_room(demands: Sequence[Demand], cluster: Cluster | None = None) -> None:
    """Raise if the cluster can never hold all of `demands` at the same time; without `cluster`, ask Ray.

    The nodes of a cluster that was joined may still be starting: they are waited for, `NODES_PATIENCE_S` at most. On a
    cluster with an autoscaler the nodes that it may add count as well. If it does not publish their number, a demand
    beyond the present nodes is a warning: the command then waits for the autoscaler.

    Raises:
        ConfigError: naming what is asked for, what there is, and the way out.
    """
    cluster = _patiently_read(demands) if cluster is None else cluster
    if cluster.holds(demands):
        return
    # the first one that does not fit next to those before it
    place = next(place for place in range(len(demands)) if not cluster.holds(demands[: place + 1]))
    others = f" next to {', '.join(map(str, demands[:place]))}" if place else ""
    text = f"{demands[place]}{others}, but the Ray cluster has {cluster}"
    if cluster.is_open_ended:
        logger.warning("%s; waiting for its autoscaler to add nodes", text)
        return
    raise ConfigError(f"{text}; {demands[place].way_out}, or use a larger cluster (num_cpus, if Ray runs here alone)")


def room_for(demand: Demand, cluster: Cluster | None = None) -> int:
    """Return how many of the processes of `demand`, at most its `count`, fit on the cluster at the same time."""
    cluster = read_cluster() if cluster is None else cluster
    free = [[_units(node.num_cpus), _units(node.num_gpus), node.count] for node in cluster.nodes]
    placed = 0
    for node in list(free):
        placed += _place(node, free, demand, demand.count - placed)
    return placed


def largest_node_cpus() -> int:
    """Return the CPUs of the largest node that is up; Ray must be initialised."""
    return int(max((node.num_cpus for node in living_nodes()), default=1))


def read_cluster() -> Cluster:
    """Return what the cluster that this process is connected to can hold."""
    living = living_nodes()
    groups = autoscaler_groups()
    if groups is not None:
        # groups include the nodes that are up, but not a head outside of all groups
        total = [*groups, *(node for node in living if not any(_is_like(node, group) for group in groups))]
        return Cluster(nodes=total)
    return Cluster(nodes=living, is_open_ended=has_autoscaler())


def _patiently_read(demands: Sequence[Demand]) -> Cluster:
    """Return the cluster once it holds `demands`, or has an autoscaler, or no more nodes are expected."""
    is_joined = "RAY_ADDRESS" in os.environ
    deadline = time.monotonic() + (NODES_PATIENCE_S if is_joined else 0.0)
    while True:
        cluster = read_cluster()
        left_s = deadline - time.monotonic()
        if left_s <= 0 or cluster.is_open_ended or cluster.holds(demands):
            return cluster
        if left_s > NODES_PATIENCE_S - POLL_S:
            logger.info("the cluster has %s; nodes that are starting are waited for, %g s", cluster, NODES_PATIENCE_S)
        time.sleep(POLL_S)


def _is_like(node: NodeKind, group: NodeKind) -> bool:
    return (node.num_cpus, node.num_gpus) == (group.num_cpus, group.num_gpus)


def _place(node: list[int], free: list[list[int]], demand: Demand, wanted: int) -> int:
    """Put up to `wanted` processes on nodes of one kind, and return how many there are."""
    cpus, gpus, count = node
    need_cpus, need_gpus = _units(demand.num_cpus), _units(demand.num_gpus)
    each = min(have // need for have, need in ((cpus, need_cpus), (gpus, need_gpus)) if need > 0)
    placed = min(wanted, each * count)
    if placed <= 0:
        return 0
    # full nodes, one that is partly full, and those that are left
    full, rest = divmod(placed, each)
    node[2] = 0
    for num_nodes, load in ((full, each), (1 if rest else 0, rest), (count - full - (1 if rest else 0), 0)):
        if num_nodes:
            free.append([cpus - load * need_cpus, gpus - load * need_gpus, num_nodes])
    return placed


def _units(amount: float) -> int:
    return max(1, round(amount * UNIT)) if amount > 0 else 0


def _node_text(count: int, cpus: float, gpus: float) -> str:
    nodes = "1 node with" if count == 1 else f"{count} nodes, each with" if count < UNLIMITED else "nodes with"
    return f"{nodes} {cpus:g} CPU" + (f" and {gpus:g} GPU" if gpus else "")
