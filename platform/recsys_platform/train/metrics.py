"""Metrics of a training run: JSON lines, which the driver shows, and TensorBoard.

The files are on storage that all nodes share; a run appends to them. After a restart, lines later than the checkpoint
are removed, so each step appears once.
"""

import json
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from recsys_model.config import ObjectiveConfig
from recsys_platform.file_names import METRICS_FILE
from recsys_platform.json_lines import append_json_line, read_json_lines
from recsys_platform.train.engine import StepResult
from recsys_platform.train.progress import Progress

TENSORBOARD = "tensorboard"


class MetricsLog:
    """Appends to the metrics of one run; for the worker of rank 0 only."""

    def __init__(self, folder: Path, progress: Progress, steps_per_epoch: int) -> None:
        """Open the log at the run's present step; later lines are removed."""
        self._path = folder / METRICS_FILE
        self._progress = progress
        self._steps_per_epoch = steps_per_epoch
        kept = [line for line in read_json_lines(self._path) if line["step"] <= progress.step]
        self._path.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
        self._board = SummaryWriter(str(folder / TENSORBOARD), purge_step=progress.step + 1)

    def write(self, metrics: dict[str, float]) -> None:
        """Write metrics of the present step."""
        progress = self._progress
        when = {
            "step": progress.step,
            "epoch": round(progress.step / self._steps_per_epoch, 4),
            "minutes": round(progress.elapsed_s / 60, 4),
        }
        append_json_line(self._path, {**when, **metrics})
        for name, value in metrics.items():
            self._board.add_scalar(name, value, progress.step)
        self._board.flush()

    def close(self) -> None:
        """Flush TensorBoard."""
        self._board.close()


class StepWindow:
    """Sums over the steps between two lines of metrics."""

    def __init__(self) -> None:
        self._token_loss_sum = self._entity_loss_sum = self._seconds = self._waited_s = 0.0
        self._num_targets = self._num_item_targets = self._num_tokens = 0
        self._learning_rate = self._grad_norm = 0.0

    def add(self, result: StepResult, learning_rate: float, seconds: float, waited_s: float) -> None:
        """Count one step; `waited_s` of its `seconds` were spent waiting for data."""
        self._token_loss_sum += result.token_loss_sum
        self._entity_loss_sum += result.entity_loss_sum
        self._num_targets += result.num_targets
        self._num_item_targets += result.num_item_targets
        self._num_tokens += result.num_tokens
        self._seconds += seconds
        self._waited_s += waited_s
        self._learning_rate, self._grad_norm = learning_rate, result.grad_norm

    @property
    def token_loss_sum(self) -> float:
        """Summed token loss of this worker."""
        return self._token_loss_sum

    @property
    def entity_loss_sum(self) -> float:
        """Summed loss over whole items of this worker."""
        return self._entity_loss_sum

    def metrics(self, token_loss_sum: float, entity_loss_sum: float, objective: ObjectiveConfig) -> dict[str, float]:
        """Return the metrics of the window, given the losses summed over all workers; `train/loss` is the minimised loss."""
        seconds = max(self._seconds, 1e-9)
        token_loss = token_loss_sum / max(self._num_targets, 1)
        parts: dict[str, float] = {}
        if entity_loss_sum > 0.0:
            entity_loss = entity_loss_sum / max(self._num_item_targets, 1)
            parts = {"train/token_loss": token_loss, "train/entity_loss": entity_loss}
            parts["train/item_targets_per_s"] = self._num_item_targets / seconds
            token_loss = objective.token_loss_weight * token_loss + objective.entity_loss_weight * entity_loss
        return {
            "train/loss": token_loss,
            **parts,
            "train/learning_rate": self._learning_rate,
            "train/grad_norm": self._grad_norm,
            "train/tokens_per_s": self._num_tokens / seconds,
            "train/data_wait_share": self._waited_s / seconds,
        }


def last_values(lines: list[dict[str, Any]]) -> dict[str, float]:
    """Return the last value of each metric.

    Example:
        >>> last_values([{"step": 1, "train/loss": 2.0}, {"step": 2, "train/loss": 1.5}, {"step": 2, "eval/loss": 3.0}])
        {'train/loss': 1.5, 'eval/loss': 3.0}
    """
    return {name: value for line in lines for name, value in line.items() if "/" in name}
