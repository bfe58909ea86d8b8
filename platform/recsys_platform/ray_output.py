"""What Ray prints in a run that goes well and that leaves a user nothing to do: exactly these lines are left out.

Read in Ray 2.60. Lines of other processes are left out by Ray's own option RAY_DEDUP_LOGS_SKIP_REGEX, lines of this
process by filters of Python's logging. A Ray that words a line or names a logger otherwise prints it again; a test of
each then fails and says what to delete.
"""

import logging
from collections.abc import MutableMapping

SKIP_OPTION = "RAY_DEDUP_LOGS_SKIP_REGEX"
"""Lines that match are not printed; Ray reads this variable when it is imported."""
COLOR_OPTION = "RAY_COLOR_PREFIX"
"""With 0, the process that a line comes from is named without colours."""

PREEMPTION_WATCHER = r"Actor with class name: 'PreemptionWatcher' .* has constructor arguments in the object store"
"""Ray Train makes this actor with restarts and with arguments in the object store, and Ray's core warns of the two
together. A lost argument would end the watcher alone, which only tells of nodes about to be taken away. Delete it when
`PreemptionCallback` makes the actor otherwise."""
DEREGISTER = r"autoscaling state for deployment .*name='keeper', app='[^']*'\) because it is not registered"
"""Ray Serve deregisters the autoscaling of each deployment when it starts and ends, also of those with a fixed number
of replicas, which never had any. Delete it when `ApplicationAutoscalingState.deregister_deployment` is silent."""
SHUTDOWN = r"Task ServeController\.graceful_shutdown failed\. .* killed by `ray\.kill`"
"""`serve.shutdown` waits for a call in which the controller of Ray Serve kills itself, and Ray reports the call as
failed. Delete it when the call returns."""
FORWARDED_LINES = (PREEMPTION_WATCHER, DEREGISTER, SHUTDOWN)
"""Regular expressions of lines that Ray forwards to this process."""

INTERVAL_OPTION = "RAY_DATA_NON_TTY_PROGRESS_LOG_INTERVAL"
"""Seconds between two blocks of progress lines of Ray Data, where standard output is no terminal."""
DATA_LOGGER = "ray.data"


class LeftOut(logging.Filter):
    """Leaves out messages by their beginning."""

    def __init__(self, *beginnings: str) -> None:
        super().__init__()
        self._beginnings = beginnings

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the message is kept."""
        return not record.getMessage().startswith(self._beginnings)


OWN_LINES = {
    # `recsys_platform.cluster` logs the same, with the number of CPUs
    "ray._private.worker": LeftOut("Started a local Ray instance."),
    # access to the cluster of this command needs a token, which Ray makes and uses itself
    "ray._private.authentication.authentication_token_setup": LeftOut("Token authentication is enabled for this Ray"),
    # the command tells when the endpoint answers, and `serve/stage.py` when another Serve is used
    "ray.serve": LeftOut(
        "Started Serve in namespace",
        "Connecting to existing Serve app",
        "Application '",
        "Deleting app",
    ),
}
"""Logger -> the filter of its lines. Delete a line when Ray logs it below INFO."""


class LeftOutOfData(LeftOut):
    """Leaves out what Ray Data logs of every pass over a dataset, and the block of progress lines at its start.

    That block counts zeros. The next ones, after half a minute, are kept.
    """

    def __init__(self) -> None:
        super().__init__(
            "Starting execution of Dataset",
            "Execution plan of Dataset",
            "✔️  Dataset",
            "Progress will be logged because",
            "[dataset]: A new progress UI is available",
        )
        self._datasets: set[str] = set()
        self._is_first_block = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the message is kept."""
        message = record.getMessage()
        if record.levelno > logging.INFO:
            return True
        if message.startswith("======= Running Dataset"):
            self._is_first_block = message not in self._datasets
            self._datasets.add(message)
        is_of_block = record.name.endswith(".logging_progress")
        return super().filter(record) and not (is_of_block and self._is_first_block)


DATA_LINES = LeftOutOfData()


def leave_out_lines_of_data() -> None:
    """Keep lines of Ray Data off the terminal; its own log file has them all. Ray Data must be imported."""
    for handler in logging.getLogger(DATA_LOGGER).handlers:
        if handler.name == "console":
            handler.addFilter(DATA_LINES)


def leave_out_stray_lines(environment: MutableMapping[str, str], *, is_terminal: bool) -> None:
    """Leave out the lines above, and colours where standard error is no terminal; call it before Ray is imported.

    What `environment` leaves out already stays left out. Ray Data is told to log its progress twice a minute.
    """
    others = environment.get(SKIP_OPTION, "")
    lines = [line for line in FORWARDED_LINES if line not in others] + ([others] if others else [])
    environment[SKIP_OPTION] = "|".join(lines)
    environment.setdefault(INTERVAL_OPTION, "30")
    if not is_terminal:
        environment.setdefault(COLOR_OPTION, "0")
    for name, left_out in OWN_LINES.items():
        logging.getLogger(name).addFilter(left_out)
