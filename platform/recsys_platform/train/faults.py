"""Tells faults of settings and data, which every start would repeat, from workers that were lost.

Ray Train starts the workers again after any exception. Here only a lost worker and errors of other libraries are worth
another start; an error that this project raises on purpose ends the training.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from ray.train.v2.api.callback import UserCallback
from ray.train.v2.api.exceptions import ControllerError, TrainingFailedError

from recsys_model.errors import ConfigError, RecsysError


class EndAtFaults(UserCallback):
    """Ends a training without another start where a worker raised one of our errors and none was lost.

    Ray retries errors of workers. It does not retry the error of a controller, which is what a callback raises.
    """

    def after_exception(self, run_context: object, worker_exceptions: Mapping[int, Exception]) -> None:
        """Raise the fault, if there is one."""
        del run_context
        fault = fault_of(worker_exceptions)
        if fault is not None:
            raise ControllerError(fault)


def fault_of(worker_exceptions: Mapping[int, Exception]) -> RecsysError | None:
    """Return our own error out of those of all workers, by rank; None if a worker was lost, or there is none of ours.

    Other workers fail as well once one of them has, with errors of the connection to it.
    """
    if any(type(error).__module__.partition(".")[0] == "ray" for error in worker_exceptions.values()):
        return None
    ours = [error for _, error in sorted(worker_exceptions.items()) if isinstance(error, RecsysError)]
    return ours[0] if ours else None


@contextmanager
def faults_named() -> Iterator[None]:
    """Let a worker raise one of our errors if, and only if, another start would meet it again.

    A file that could not be read is worth another start: storage of a network fails for a moment.

    Raises:
        ConfigError: in place of a GPU's exhausted memory.
        OSError: in place of our error about a file.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise ConfigError(
            f"the memory of the GPU does not suffice: {error}; lower train.row_tokens or train.batch_size, which "
            "train.accumulation_steps makes up for, or set train.activation_checkpointing to true"
        ) from error
    except RecsysError as error:
        if isinstance(error.__cause__, OSError):
            raise OSError(str(error)) from error
        raise


def fault_behind(error: TrainingFailedError) -> RecsysError | None:
    """Return the fault with which `EndAtFaults` ended a training; None if it failed in another way."""
    if isinstance(error, ControllerError) and isinstance(error.controller_failure, RecsysError):
        return error.controller_failure
    return None


def with_way_out(fault: RecsysError, *, has_checkpoint: bool) -> RecsysError:
    """Return a fault with what to do about it."""
    way_out = "correct it and start again; the run left nothing behind"
    if has_checkpoint:
        way_out = (
            "correct it and start over with --overwrite; or continue from the last checkpoint with --resume, if what "
            "you change may change in the middle of a training"
        )
    return type(fault)(f"training ended, since another start would meet the same fault: {fault}\n{way_out}")
