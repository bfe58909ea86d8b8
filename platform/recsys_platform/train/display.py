"""Shows a running training in the process that started it, which reads the metrics file of the run folder.

The worker of rank 0 appends to this file, on storage that all nodes share. It may run on another machine.
"""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from recsys_platform.config.stages import TrainConfig
from recsys_platform.file_names import METRICS_FILE
from recsys_platform.json_lines import read_latest_json_lines
from recsys_platform.progress import PROGRESS_POLL_S, ProgressDisplay, duration

VALIDATION_NAMES = {"eval/ndcg_at_10": "validation NDCG@10", "eval/loss": "validation loss"}
"""Metric -> what it is called; the first one that a training has is shown."""


class TrainingState:
    """The latest metrics of a training, in words."""

    def __init__(self, train: TrainConfig) -> None:
        self._train = train
        self._values: dict[str, float] = {}

    def read(self, path: Path) -> None:
        """Read the metrics file; what cannot be read now is read the next time.

        After a restart of the workers the file ends at an earlier step.
        """
        # the file may be written anew while it is read
        with contextlib.suppress(OSError, ValueError):
            for line in read_latest_json_lines(path):
                self._values |= line

    @property
    def share(self) -> float:
        """Completed share of the training, 0 to 1."""
        minutes, train = self._values.get("minutes", 0.0), self._train
        by_clock = 0.0 if train.max_minutes is None else minutes / train.max_minutes
        return min(max(self._values.get("epoch", 0.0) / train.epochs, by_clock), 1.0)

    def text(self) -> str:
        """Return the latest metrics in words, the most important ones first."""
        values = self._values
        if "step" not in values:
            return "no step is logged yet"
        parts = [f"epoch {values['epoch']:.1f} of {self._train.epochs}", f"step {values['step']:,}"]
        if "train/loss" in values:
            parts.append(f"loss {values['train/loss']:.4g}")
        parts.append(_time_of(60 * values["minutes"], self.share))
        if "train/tokens_per_s" in values:
            parts.append(f"{values['train/tokens_per_s']:,.0f} tokens/s")
        return ", ".join([*parts, *_validation_of(values)])


@contextlib.contextmanager
def shown_training(train: TrainConfig, folder: Path) -> Iterator[None]:
    """Show the training that writes into `folder` while the block runs."""
    ended = threading.Event()
    with ProgressDisplay("training") as display:
        thread = threading.Thread(target=_follow, args=(TrainingState(train), folder, display, ended), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _follow(state: TrainingState, folder: Path, display: ProgressDisplay, ended: threading.Event) -> None:
    """Show the state once a second, and once more after the end."""
    is_over = False
    while not is_over:
        is_over = ended.wait(PROGRESS_POLL_S)
        state.read(folder / METRICS_FILE)
        display.show(state.share, state.text())


def _time_of(elapsed_s: float, share: float) -> str:
    if share >= 1.0:
        return f"in {duration(elapsed_s)}"
    return f"about {duration(elapsed_s * (1 - share) / max(share, 1e-9))} left"


def _validation_of(values: Mapping[str, float]) -> list[str]:
    return [f"{title} {values[name]:.4g}" for name, title in VALIDATION_NAMES.items() if name in values][:1]
