"""Failing to reach Ray is told in a sentence, with the way out."""

import pytest
import ray

from recsys_platform.cluster import ClusterError, connected


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which nothing of Ray answers."""

    def fail(**_: object) -> None:
        raise ConnectionError("nobody there")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", fail)
    monkeypatch.setattr(ray, "shutdown", lambda: None)


def test_an_unreachable_cluster_is_named_with_the_way_out(unreachable: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.9:6379")

    expected = r"RAY_ADDRESS 10\.0\.0\.9:6379 cannot be joined: nobody there; check"
    with pytest.raises(ClusterError, match=expected), connected(2):
        pytest.fail("the block ran without a cluster")


def test_a_local_ray_that_does_not_start_is_told(unreachable: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    with pytest.raises(ClusterError, match="no local Ray could be started: nobody there"), connected(2):
        pytest.fail("the block ran without a cluster")


def test_a_local_ray_that_comes_up_too_slowly_is_told_without_a_traceback(
    unreachable: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def time_out(**_: object) -> None:
        raise Exception("The current node timed out during startup")  # as Ray does

    monkeypatch.setattr(ray, "init", time_out)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    expected = "timed out during startup; a machine busy with other work"
    with pytest.raises(ClusterError, match=expected), connected(2):
        pytest.fail("the block ran without a cluster")
