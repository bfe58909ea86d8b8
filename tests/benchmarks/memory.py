"""Measure the peak memory of this process and its children."""

import threading
from types import TracebackType

import psutil

INTERVAL_S = 0.2


class PeakMemory:
    """Samples memory in the background.

    What processes share, above all Ray's object store, is counted once, as the largest share of one process.
    """

    def __init__(self) -> None:
        self.peak_mib = 0.0
        """Largest sum that was seen, in MiB."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._ended.wait(INTERVAL_S):
            self.peak_mib = max(self.peak_mib, used_mib())


def used_mib() -> float:
    """Return the memory of this process and all below it, in MiB."""
    own, shared = 0, 0
    process = psutil.Process()
    for member in (process, *process.children(recursive=True)):
        try:
            usage = member.memory_info()
        except psutil.Error:
            continue
        own += usage.rss - usage.shared
        shared = max(shared, usage.shared)
    return (own + shared) / 2**20
