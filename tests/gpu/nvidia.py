"""What nvidia-smi tells of the first GPU: the share of time in which it was busy, and the memory that is taken."""

import statistics
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

QUERY = ["nvidia-smi", "--id=0", "--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits"]
HOW = (
    "nvidia-smi, once a second: busy is the share of time in which a kernel ran, however small; memory is all that is "
    "taken on the card, what PyTorch has reserved but does not use included"
)


def read_gpu() -> tuple[float, float] | None:
    """Return the busy share (0 to 1) and the memory taken in GiB, None where there is no NVIDIA GPU."""
    try:
        answer = subprocess.run(QUERY, capture_output=True, text=True, check=False, timeout=10)
        busy, memory_mib = answer.stdout.strip().splitlines()[0].split(",")
        return float(busy) / 100, float(memory_mib) / 1024
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired):
        return None


class GpuWatch:
    """A thread that reads the GPU once a second while the block runs, and calls `tell` every few seconds."""

    def __init__(
        self,
        tell: Callable[[], None],
        read: Callable[[], tuple[float, float] | None] = read_gpu,
        *,
        period_s: float = 1.0,
        tell_every: int = 5,
    ) -> None:
        self.stage = "start"
        """What runs at present; each reading is counted for it."""
        self._tell, self._read, self._period_s, self._tell_every = tell, read, period_s, tell_every
        self._readings: dict[str, list[tuple[float, float]]] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gpu-watch", daemon=True)

    def __enter__(self) -> "GpuWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def figures(self) -> dict[str, Any] | None:
        """Return the most memory and, for each stage, the mean busy share; None where nothing could be read."""
        readings = {stage: list(found) for stage, found in list(self._readings.items())}
        if not readings:
            return None
        return {
            "how": HOW,
            "peak_memory_gib": max(memory for found in readings.values() for _, memory in found),
            "busy": {stage: statistics.mean(busy for busy, _ in found) for stage, found in readings.items()},
        }

    def _run(self) -> None:
        number = 0
        while not self._stopped.is_set():
            began = time.monotonic()
            found = self._read()
            if found is not None:
                self._readings.setdefault(self.stage, []).append(found)
            number += 1
            if number % self._tell_every == 0:
                self._tell()
            self._stopped.wait(max(0.0, self._period_s - (time.monotonic() - began)))
