"""Lines of Ray that are left out: exactly those, and they are still Ray's.

A test of the second kind that fails says that Ray words a line otherwise or prints it no more. Read the reason that
stands with the line in `ray_output.py` then: the line has new words, or it can be deleted.
"""

import inspect
import logging
import mmap
import subprocess
import sys
from pathlib import Path

import pytest
import ray
from ray._private import ray_constants, worker
from ray._private.authentication import authentication_token_setup
from ray._private.ray_logging import LogDeduplicator
from ray.data._internal import progress
from ray.data._internal.execution import streaming_executor
from ray.data._internal.progress import logging_progress
from ray.serve._private import api, autoscaling_state, client
from ray.serve._private.constants import SERVE_LOGGER_NAME
from ray.serve._private.controller import ServeController
from ray.train.v2._internal.callbacks.preemption_callback import PreemptionCallback

from recsys_platform.ray_output import (
    COLOR_OPTION,
    DATA_LINES,
    DATA_LOGGER,
    INTERVAL_OPTION,
    OWN_LINES,
    SKIP_OPTION,
    LeftOut,
    LeftOutOfData,
    leave_out_lines_of_data,
    leave_out_stray_lines,
)
from recsys_platform.serve.app import build_app

STRAY = [
    "[2026-11-28 00:24:51,269 E 26491 26608] core_worker.cc:2465: Actor with class name: 'PreemptionWatcher' and ID: "
    "'392f675db8c9b3bc598f399d01000000' has constructor arguments in the object store and max_restarts > 0. If the "
    "arguments in the object store go out of scope or are lost, the actor restart will fail. See "
    "https://github.com/ray-project/ray/issues/53727 for more details.",
    "WARNING 2026-11-28 08:27:48,943 controller 12404 -- Cannot deregister autoscaling state for deployment "
    "Deployment(name='keeper', app='recsys') because it is not registered",
    "Task ServeController.graceful_shutdown failed. There are infinite retries remaining, so the task will be retried. "
    "Error: The actor is dead because it was killed by `ray.kill`.",
]
KEPT = [
    STRAY[0].replace("PreemptionWatcher", "NumberedWorker"),
    STRAY[1].replace("keeper", "another"),
    STRAY[2].replace("graceful_shutdown", "deploy_applications"),
    STRAY[2].replace("it was killed by `ray.kill`", "its node has died"),
    "WARNING the validation split is small",
]


def test_exactly_the_stray_lines_of_other_processes_are_left_out() -> None:
    environment: dict[str, str] = {}
    leave_out_stray_lines(environment, is_terminal=True)
    printed = LogDeduplicator(5, None, environment[SKIP_OPTION]).deduplicate({"lines": STRAY + KEPT, "pid": 7})
    assert [line for batch in printed for line in batch["lines"]] == KEPT
    assert COLOR_OPTION not in environment


def test_what_the_environment_leaves_out_already_stays_left_out_and_a_second_call_adds_nothing() -> None:
    environment = {SKIP_OPTION: "small", COLOR_OPTION: "1"}
    leave_out_stray_lines(environment, is_terminal=False)
    once = dict(environment)
    leave_out_stray_lines(environment, is_terminal=False)
    assert environment == once
    assert environment[COLOR_OPTION] == "1"
    printed = LogDeduplicator(5, None, environment[SKIP_OPTION]).deduplicate({"lines": STRAY + KEPT, "pid": 7})
    assert [line for batch in printed for line in batch["lines"]] == KEPT[:-1]


def test_without_a_terminal_processes_are_named_without_colours() -> None:
    environment: dict[str, str] = {}
    leave_out_stray_lines(environment, is_terminal=False)
    assert environment[COLOR_OPTION] == "0"


@pytest.mark.parametrize("name", OWN_LINES)
def test_of_this_process_only_messages_that_begin_so_are_left_out(name: str) -> None:
    leave_out_stray_lines({}, is_terminal=True)
    leave_out_stray_lines({}, is_terminal=True)
    assert [kept for kept in logging.getLogger(name).filters if isinstance(kept, LeftOut)] == [OWN_LINES[name]]
    record = logging.LogRecord(name, logging.WARNING, "file.py", 1, "the proxy on port %d is gone", (8000,), None)
    assert OWN_LINES[name].filter(record)


def left_out(name: str, message: str) -> bool:
    return not OWN_LINES[name].filter(logging.LogRecord(name, logging.INFO, "file.py", 1, message, (), None))


def data_record(message: str, module: str = "execution.streaming_executor", level: int = logging.INFO):
    return logging.LogRecord(f"ray.data._internal.{module}", level, "file.py", 1, message, (), None)


def test_of_ray_data_only_the_blocks_after_the_first_and_what_is_more_than_information_are_kept() -> None:
    filtered = LeftOutOfData()
    first, second = ["======= Running Dataset: a =======", "Total Progress: 0/?", "====="], ["Total Progress: 7/9"]
    records = [
        data_record("Progress will be logged because stdout is a non-interactive terminal.", "progress"),
        data_record("Starting execution of Dataset a. Full logs are in /tmp/ray"),
        *(data_record(line, "progress.logging_progress") for line in first),
        data_record("the memory is short", "progress.logging_progress", logging.WARNING),
        *(data_record(line, "progress.logging_progress") for line in (first[0], *second)),
        data_record("Dataset a failed"),
        data_record("✔️  Dataset a execution finished in 2.80 seconds"),
    ]
    kept = [record.getMessage() for record in records if filtered.filter(record)]
    assert kept == ["the memory is short", first[0], *second, "Dataset a failed"]


def test_lines_of_ray_data_are_kept_off_the_terminal_alone() -> None:
    handlers = logging.getLogger(DATA_LOGGER).handlers
    leave_out_lines_of_data()
    on_terminal = [handler for handler in handlers if DATA_LINES in handler.filters]
    assert [type(handler).__name__ for handler in on_terminal] == ["PlainRayHandler"]
    assert "SessionFileHandler" in [type(handler).__name__ for handler in handlers]


def test_ray_data_still_logs_these_lines_and_reads_the_interval() -> None:
    assert logging_progress.logger.name.endswith(".logging_progress")
    block = inspect.getsource(logging_progress)
    assert 'f"======= Running Dataset: {self._dataset_id} ======="' in block
    assert f'"{INTERVAL_OPTION}"' in block
    assert "Progress will be logged because" in inspect.getsource(progress)
    executor = inspect.getsource(streaming_executor)
    assert "Starting execution of Dataset" in executor
    assert "Execution plan of Dataset" in executor


def test_the_command_line_does_not_import_ray_before_it_sets_the_options() -> None:
    code = "import recsys_platform.cli, sys; print('ray' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"


def test_ray_still_reads_both_options() -> None:
    assert f'"{SKIP_OPTION}"' in inspect.getsource(ray_constants)
    assert f'os.getenv("{COLOR_OPTION}") == "0"' in inspect.getsource(worker.print_worker_logs)


def test_ray_train_still_makes_a_watcher_that_rays_core_warns_of() -> None:
    assert "max_restarts=-1)(PreemptionWatcher)" in inspect.getsource(PreemptionCallback)
    with (Path(ray.__file__).parent / "_raylet.so").open("rb") as file:
        core = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        assert core.find(b"' has constructor arguments in the object store and max_restarts > 0.") > 0


def test_ray_serve_still_warns_of_deployments_without_autoscaling() -> None:
    source = inspect.getsource(autoscaling_state.ApplicationAutoscalingState.deregister_deployment)
    assert "Cannot deregister autoscaling state for deployment {deployment_id} because it is not registered" in source
    args = {"bundle": "/b", "catalog_edits": True}
    keeper = build_app(args)._bound_deployment.init_args[-1]._bound_deployment
    assert (keeper.name, keeper._deployment_config.autoscaling_config) == ("keeper", None)


def test_the_controller_of_ray_serve_still_kills_itself_in_a_call() -> None:
    assert "until the controller is killed" in inspect.getsource(ServeController.graceful_shutdown).replace(
        "\n        # ", " "
    )


def test_ray_still_logs_that_a_local_instance_and_token_authentication_began() -> None:
    assert worker.logger.name == "ray._private.worker"
    assert "Started a local Ray instance." in inspect.getsource(worker)
    assert left_out(worker.logger.name, "Started a local Ray instance.")
    assert not left_out(worker.logger.name, "Connected to Ray cluster.")
    logger = authentication_token_setup.logger
    assert '"Token authentication is enabled for this Ray cluster. ' in inspect.getsource(authentication_token_setup)
    assert left_out(logger.name, "Token authentication is enabled for this Ray cluster. Set ...")
    assert not left_out(logger.name, "Token authentication is disabled for this Ray cluster. ...")


def test_ray_serve_still_logs_that_it_and_the_application_start_and_end() -> None:
    assert SERVE_LOGGER_NAME == api.logger.name == "ray.serve"
    started, ended = inspect.getsource(api), inspect.getsource(client)
    assert "Started Serve in namespace" in started
    assert "Connecting to existing Serve app" in started
    assert "Deleting app {names}" in ended
    assert left_out("ray.serve", "Application 'recsys' is ready at http://127.0.0.1:8000/.")
