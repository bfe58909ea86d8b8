"""Ray Data settings of the data stage, and errors without Ray's traceback."""

from collections.abc import Iterator
from contextlib import contextmanager

from ray.data.context import DataContext, ShuffleStrategy
from ray.exceptions import RayError

from recsys_model.errors import RecsysError
from recsys_platform.ray_output import leave_out_lines_of_data


@contextmanager
def ray_data_settings() -> Iterator[None]:
    """Set the Ray Data options of this stage, and restore the previous ones afterwards."""
    leave_out_lines_of_data()
    context = DataContext.get_current()
    previous = context.shuffle_strategy, context.raise_original_map_exception
    # the fastest of five with given boundaries, two to three times as fast as the hash shuffles (tests/benchmarks/data_shuffle.py)
    context.shuffle_strategy = ShuffleStrategy.SORT_SHUFFLE_PULL_BASED
    # an error in the user's data is raised as itself
    context.raise_original_map_exception = True
    try:
        yield
    finally:
        context.shuffle_strategy, context.raise_original_map_exception = previous


@contextmanager
def plain_errors() -> Iterator[None]:
    """Raise an input error of a worker as itself, without Ray's traceback."""
    try:
        yield
    except RayError as error:
        cause = _root_cause(error)
        if isinstance(cause, RecsysError):
            raise type(cause)(str(cause)) from error
        raise


def _root_cause(error: BaseException) -> BaseException:
    """Follow `cause` (Ray) and `__cause__` (Python) to the first error."""
    while (cause := getattr(error, "cause", None) or error.__cause__) is not None:
        error = cause
    return error
