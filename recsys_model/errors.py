"""The errors that a user can cause, each also the builtin it would otherwise have been.

They carry one message only, so they survive pickling between Ray processes.
"""


class RecsysError(Exception):
    """Root of every error that this project raises on purpose."""


class ConfigError(RecsysError, ValueError):
    """A setting is unknown, out of range or contradicts another one."""


class DataError(RecsysError, ValueError):
    """Input data, or a request, does not satisfy its contract."""


class UnaskableError(DataError):
    """A question cannot be asked about an event: it is too long, or too few other items could be offered."""


class CheckpointError(RecsysError, RuntimeError):
    """An artifact is missing, damaged, or does not fit what it is used for."""
