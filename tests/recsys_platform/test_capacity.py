"""What a cluster can never hold is refused in a sentence; what its autoscaler may bring is waited for."""

import logging

import pytest
import ray

from recsys_model.errors import ConfigError
from recsys_platform import capacity
from recsys_platform.capacity import Cluster, Demand, check_room, largest_node_cpus, read_cluster, room_for
from recsys_platform.ray_nodes import NodeKind

LAPTOP = Cluster(nodes=[NodeKind(2, 0)])
GPU_NODES = Cluster(nodes=[NodeKind(8, 0), NodeKind(16, 4), NodeKind(16, 4)])


def workers(count: int, num_cpus: float = 1, num_gpus: float = 0) -> Demand:
    return Demand(
        setting="train.num_workers",
        count=count,
        num_cpus=num_cpus,
        num_gpus=num_gpus,
        way_out="lower train.num_workers",
    )


def test_more_workers_than_the_cluster_has_cpus_are_refused_with_both_numbers():
    with pytest.raises(
        ConfigError,
        match=r"train\.num_workers asks for 9 x 1 CPU, but the Ray cluster has 1 node with 2 CPU; lower train\.num_workers",
    ):
        check_room([workers(9)], LAPTOP)


def test_as_many_as_there_are_fit():
    check_room([workers(2)], LAPTOP)
    check_room([workers(8, num_cpus=4, num_gpus=1)], GPU_NODES)


def test_a_worker_must_fit_on_one_node():
    with pytest.raises(
        ConfigError, match=r"1 x 17 CPU, but the Ray cluster has 1 node with 8 CPU, 2 nodes, each with 16"
    ):
        check_room([workers(1, num_cpus=17)], GPU_NODES)


def test_gpus_are_counted_as_well():
    with pytest.raises(ConfigError, match="asks for 9 x 1 CPU and 1 GPU, but"):
        check_room([workers(9, num_gpus=1)], GPU_NODES)
    with pytest.raises(ConfigError, match="the Ray cluster has 1 node with 2 CPU; "):
        check_room([workers(1, num_gpus=1)], LAPTOP)


def test_demands_at_the_same_time_share_the_nodes():
    ingress = Demand(setting="serve", count=1, num_cpus=0.1)
    check_room([workers(1), ingress], LAPTOP)
    with pytest.raises(ConfigError, match=r"serve asks for 1 x 0\.1 CPU next to train\.num_workers asks for 2 x 1 CPU"):
        check_room([workers(2), ingress], LAPTOP)


def test_tenths_add_up_exactly():
    tenth = Demand(setting="a", count=10, num_cpus=0.1)
    assert Cluster(nodes=[NodeKind(1, 0)]).holds([tenth])
    assert not Cluster(nodes=[NodeKind(1, 0)]).holds([tenth, Demand(setting="b", count=1, num_cpus=0.1)])


def test_nodes_that_an_autoscaler_can_add_count_up_to_its_limit():
    growing = Cluster(nodes=[NodeKind(4, 1, count=3)])
    check_room([workers(3, num_cpus=4, num_gpus=1)], growing)
    with pytest.raises(
        ConfigError, match="4 x 4 CPU and 1 GPU, but the Ray cluster has 3 nodes, each with 4 CPU and 1"
    ):
        check_room([workers(4, num_cpus=4, num_gpus=1)], growing)


def test_an_autoscaler_without_a_known_limit_is_waited_for_with_a_warning(caplog):
    with caplog.at_level(logging.WARNING):
        check_room([workers(9)], Cluster(nodes=[NodeKind(2, 0)], is_open_ended=True))
    assert "asks for 9 x 1 CPU, but the Ray cluster has 1 node with 2 CPU; waiting for its autoscaler" in caplog.text


def test_the_room_is_the_number_of_processes_that_fit():
    assert room_for(workers(9), LAPTOP) == 2
    assert room_for(workers(3, num_gpus=1), GPU_NODES) == 3
    assert room_for(workers(99, num_cpus=5, num_gpus=2), GPU_NODES) == 4
    assert room_for(workers(1, num_gpus=1), LAPTOP) == 0


def test_nodes_are_read_from_ray(monkeypatch):
    nodes = [
        {"Alive": True, "Resources": {"CPU": 4.0, "GPU": 1.0, "memory": 1e9}},
        {"Alive": False, "Resources": {"CPU": 64.0}},
        {"Alive": True, "Resources": {"node:__internal_head__": 1.0}},
    ]
    monkeypatch.setattr(ray, "nodes", lambda: nodes)
    monkeypatch.setattr(capacity, "autoscaler_groups", lambda: None)
    monkeypatch.setattr(capacity, "has_autoscaler", lambda: False)
    assert read_cluster() == Cluster(nodes=[NodeKind(4.0, 1.0)])
    assert largest_node_cpus() == 4


def test_a_node_of_a_joined_cluster_that_is_still_starting_is_waited_for(monkeypatch, caplog):
    two, three = Cluster(nodes=[NodeKind(2, 0)]), Cluster(nodes=[NodeKind(2, 0), NodeKind(2, 0)])
    states = [two, two, three]
    monkeypatch.setattr(capacity, "read_cluster", lambda: states.pop(0))
    monkeypatch.setattr(capacity, "POLL_S", 0.01)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.9:6379")
    with caplog.at_level(logging.INFO):
        check_room([workers(4)])
    assert states == []
    assert "the cluster has 1 node with 2 CPU; nodes that are starting are waited for, 60 s" in caplog.text


def test_no_node_is_waited_for_on_a_ray_of_its_own(monkeypatch):
    states = [LAPTOP]
    monkeypatch.setattr(capacity, "read_cluster", lambda: states.pop(0))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(ConfigError, match="asks for 4 x 1 CPU"):
        check_room([workers(4)])


def test_published_groups_replace_the_nodes_that_they_brought(monkeypatch):
    nodes = [{"Alive": True, "Resources": {"CPU": 2.0}}, {"Alive": True, "Resources": {"CPU": 8.0}}]
    monkeypatch.setattr(ray, "nodes", lambda: nodes)
    monkeypatch.setattr(capacity, "autoscaler_groups", lambda: [NodeKind(8.0, 0.0, count=5)])
    assert read_cluster() == Cluster(nodes=[NodeKind(8.0, 0.0, count=5), NodeKind(2.0, 0.0)])


@pytest.mark.e2e
def test_a_ray_of_this_machine_is_read_and_is_not_waited_for(ray_cluster):
    """The private names that are read are still there: `autoscaler_groups` and `has_autoscaler` fall back without them."""
    from ray._private.state import state
    from ray.autoscaler.v2.utils import is_autoscaler_v2
    from ray.experimental.internal_kv import _internal_kv_get

    assert state.get_cluster_config() is None
    assert not is_autoscaler_v2(fetch_from_server=True)
    assert callable(_internal_kv_get)
    assert read_cluster() == Cluster(nodes=[NodeKind(4.0, 0.0)])
    with pytest.raises(ConfigError, match=r"asks for 5 x 1 CPU, but the Ray cluster has 1 node with 4 CPU"):
        check_room([workers(5)])
