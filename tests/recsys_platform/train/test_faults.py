"""Faults of settings end a training; lost workers do not."""

import pickle

import pytest
import torch
from ray.exceptions import RayActorError
from ray.train.v2._internal.exceptions import WorkerHealthCheckFailedError
from ray.train.v2._internal.execution.failure_handling import DefaultFailurePolicy, FailureDecision
from ray.train.v2.api.config import FailureConfig
from ray.train.v2.api.exceptions import ControllerError, WorkerGroupError

from recsys_model.errors import CheckpointError, ConfigError, DataError
from recsys_platform.train.faults import EndAtFaults, fault_behind, fault_of, faults_named, with_way_out

DIVERGED = ConfigError("training diverged at step 6")


def test_an_error_of_ours_ends_the_training_whatever_the_others_raise_after_it():
    exceptions = {0: RuntimeError("Connection closed by peer"), 1: DIVERGED}

    with pytest.raises(ControllerError) as error:
        EndAtFaults().after_exception(run_context=None, worker_exceptions=exceptions)

    assert fault_behind(error.value) is DIVERGED


def test_the_first_worker_is_heard_where_several_raise():
    assert fault_of({1: DataError("second"), 0: DIVERGED}) is DIVERGED


@pytest.mark.parametrize("lost", [RayActorError(), WorkerHealthCheckFailedError("gone", RayActorError())])
def test_a_lost_worker_is_worth_another_start_though_another_one_raises_an_error_of_ours(lost):
    assert fault_of({0: CheckpointError("half a file"), 1: lost}) is None


def test_errors_of_other_libraries_are_worth_another_start():
    assert fault_of({0: RuntimeError("CUDA error: unknown")}) is None


def test_ray_starts_the_workers_again_after_their_own_errors_and_not_after_what_the_callback_raises():
    policy = DefaultFailurePolicy(FailureConfig(max_failures=3))
    assert policy.make_decision(WorkerGroupError("x", {0: DIVERGED})) is FailureDecision.RETRY
    assert policy.make_decision(ControllerError(DIVERGED)) is FailureDecision.RAISE


def test_the_fault_survives_its_way_from_the_controller():
    error = pickle.loads(pickle.dumps(ControllerError(DIVERGED)))
    assert str(fault_behind(error)) == "training diverged at step 6"
    assert fault_behind(WorkerGroupError("x", {0: DIVERGED})) is None
    assert fault_behind(ControllerError(RuntimeError("of Ray"))) is None


def test_a_file_that_cannot_be_read_now_is_worth_another_start():
    ours = CheckpointError("a file cannot be read: stale handle")
    ours.__cause__ = OSError("stale handle")

    with pytest.raises(OSError, match="a file cannot be read: stale handle") as error, faults_named():
        raise ours
    assert not isinstance(error.value, CheckpointError)


def test_other_errors_of_ours_stay_what_they_are():
    with pytest.raises(ConfigError, match="diverged"), faults_named():
        raise DIVERGED


def test_a_gpu_without_enough_memory_is_a_fault_of_settings_that_are_named():
    expected = r"tried to allocate 9 GiB; lower train\.row_tokens or train\.batch_size"
    with pytest.raises(ConfigError, match=expected), faults_named():
        raise torch.OutOfMemoryError("tried to allocate 9 GiB")


def test_what_to_do_depends_on_whether_there_is_a_checkpoint():
    assert str(with_way_out(DIVERGED, has_checkpoint=False)).endswith(
        "same fault: training diverged at step 6\ncorrect it and start again; the run left nothing behind"
    )
    both = str(with_way_out(DIVERGED, has_checkpoint=True))
    assert "start over with --overwrite; or continue from the last checkpoint with --resume" in both
    assert isinstance(with_way_out(DataError("d"), has_checkpoint=True), DataError)
