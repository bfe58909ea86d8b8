"""A stage is stopped at its limit, leaves time to what follows, and the alarm of somebody else goes on."""

import signal
import time

import pytest

from tests.gpu.budget import Budget, OutOfTimeError


def test_a_stage_that_takes_too_long_is_stopped_and_leaves_what_is_kept_for_later() -> None:
    budget = Budget(60.0)
    began = time.monotonic()
    with pytest.raises(OutOfTimeError, match="data was stopped after"), budget.stage("data", keep_s=59.9):
        time.sleep(30)
    assert time.monotonic() - began < 15
    assert budget.left_s > 40
    assert list(budget.seconds) == ["data"]


def test_a_stage_for_which_no_time_is_left_does_not_begin() -> None:
    now = [100.0]
    budget = Budget(60.0, started=50.0, clock=lambda: now[0])
    assert (budget.left_s, budget.spent_s) == (10.0, 50.0)
    message = "no time is left for train: 10 s, of which 20 s are kept"
    with pytest.raises(OutOfTimeError, match=message), budget.stage("train", keep_s=20.0):
        raise AssertionError("the block must not run")


def test_seconds_of_stages_are_kept_and_no_alarm_stays() -> None:
    budget = Budget(60.0)
    handler, (left_s, _) = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)
    with budget.stage("data"):
        pass
    with pytest.raises(ValueError, match="wrong"), budget.stage("train"):
        raise ValueError("wrong")
    assert list(budget.seconds) == ["data", "train"]
    assert signal.getsignal(signal.SIGALRM) is handler
    assert (signal.getitimer(signal.ITIMER_REAL)[0] > 0) == (left_s > 0)


@pytest.mark.e2e
def test_a_driver_that_waits_for_ray_is_stopped(ray_cluster: None) -> None:
    import ray

    @ray.remote(num_cpus=0)
    def wait() -> None:
        time.sleep(200)

    reference = wait.remote()
    began = time.monotonic()
    with pytest.raises(OutOfTimeError, match="train was stopped after"), Budget(60.0).stage("train", keep_s=58.0):
        ray.get(reference)
    assert time.monotonic() - began < 60
    ray.cancel(reference, force=True)


def test_ctrl_c_stays_ctrl_c() -> None:
    with pytest.raises(KeyboardInterrupt), Budget(60.0).stage("data"):
        raise KeyboardInterrupt
