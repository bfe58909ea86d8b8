"""Private names of Ray and DeepSpeed: they are still there, and a training does without them where they are not.

A test of the first kind that fails says that a workaround of `train/ray_internals.py` has lost its name. Read the
docstring of the function then: it has a new name to use, or it can be deleted.
"""

import inspect
import logging
import sys
from types import SimpleNamespace

import pytest
from ray._private import worker
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.execution import context
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from recsys_platform.train.ray_internals import Trainer, leave_out_shm_comm, silence_reports, without_cleaner

CALLBACKS = [object(), PlacementGroupCleanerCallback(), object()]


def test_ray_still_makes_callbacks_in_the_method_that_is_overridden():
    assert issubclass(Trainer, DataParallelTrainer)
    source = inspect.getsource(DataParallelTrainer)
    assert "def _create_default_callbacks(self)" in source
    assert "callbacks=self._create_default_callbacks()" in source
    assert "PlacementGroupCleanerCallback()" in source


def test_ray_still_names_the_logger_of_its_reports_after_a_file():
    assert context.logger.name == context.__file__


def test_deepspeed_still_has_a_table_of_the_ops_that_fit_the_machine(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DS_ACCELERATOR", "cpu")
    import deepspeed

    leave_out_shm_comm()

    assert deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] is False


def test_the_cleaner_of_placement_groups_is_left_out_where_there_is_no_dashboard(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker, "get_dashboard_url", lambda: None)
    assert without_cleaner(CALLBACKS) == [CALLBACKS[0], CALLBACKS[2]]

    monkeypatch.setattr(worker, "get_dashboard_url", lambda: "127.0.0.1:8265")
    assert without_cleaner(CALLBACKS) == CALLBACKS


def test_reports_are_silent_up_to_warnings(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(context.logger, "level", logging.INFO)

    silence_reports()

    assert context.logger.level == logging.WARNING


def test_the_op_of_shared_memory_is_marked_as_unfit(monkeypatch: pytest.MonkeyPatch):
    ops = SimpleNamespace(__compatible_ops__={"deepspeed_shm_comm": True, "cpu_adam": True})
    monkeypatch.setitem(sys.modules, "deepspeed", SimpleNamespace(ops=ops))

    leave_out_shm_comm()

    assert ops.__compatible_ops__ == {"deepspeed_shm_comm": False, "cpu_adam": True}


@pytest.mark.parametrize("moved", ["ray._private.worker", "ray.train.v2._internal.callbacks.placement_group_callback"])
def test_without_the_names_of_the_cleaner_all_callbacks_stay(moved: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, moved, None)

    assert without_cleaner(CALLBACKS) == CALLBACKS


def test_without_the_module_of_the_reports_nothing_is_silenced(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "ray.train.v2._internal.execution", None)
    monkeypatch.setattr(context.logger, "level", logging.INFO)

    silence_reports()

    assert context.logger.level == logging.INFO


def test_without_a_table_of_ops_deepspeed_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch):
    ops = SimpleNamespace()
    monkeypatch.setitem(sys.modules, "deepspeed", SimpleNamespace(ops=ops))

    leave_out_shm_comm()

    assert vars(ops) == {}
