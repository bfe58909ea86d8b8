"""What the data stage asks of Ray Data: its settings, and errors without Ray's traceback around them."""

from collections.abc import Iterator
from contextlib import contextmanager

from ray.data.context import DataContext, ShuffleStrategy
from ray.exceptions import RayError

from recsys_model.errors import RecsysError


@contextmanager
def ray_data_settings() -> Iterator[None]:
    """Set what this stage needs of Ray Data, and put everything back afterwards."""
    context = DataContext.get_current()
    previous = context.shuffle_strategy, context.raise_original_map_exception
    # with given boundaries the fastest of five, two to three times as fast as the hash shuffles (tests/benchmarks/data_shuffle.py)
    context.shuffle_strategy = ShuffleStrategy.SORT_SHUFFLE_PULL_BASED
    # an error in the user's data reaches the user as itself
    context.raise_original_map_exception = True
    try:
        yield
    finally:
        context.shuffle_strategy, context.raise_original_map_exception = previous


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn what a worker raised because of the input into the error itself, without Ray's traceback around it."""
    try:
        yield
    except RayError as error:
        cause = _root_cause(error)
        if isinstance(cause, RecsysError):
            raise type(cause)(str(cause)) from error
        raise


def _root_cause(error: BaseException) -> BaseException:
    """Follow `cause` (Ray) and `__cause__` (Python) to where it began."""
    while (cause := getattr(error, "cause", None) or error.__cause__) is not None:
        error = cause
    return error
