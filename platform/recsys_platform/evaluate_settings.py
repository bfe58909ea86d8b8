"""The section `evaluate` of a run's YAML file: who is asked, against which competitors, beside which baselines."""

from dataclasses import dataclass
from typing import Literal

from recsys_model.config import require
from recsys_model.text.tasks import TASKS


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluateConfig:
    """Ranking the held-out item of each user against the whole catalogue."""

    split: Literal["test", "valid"] = "test"
    """`test`: the last event of each user; `valid`: the one before."""
    num_users: int = 0
    """Users to evaluate, drawn by seed; 0 takes all."""
    num_workers: int = 2
    """Actors that share the users."""
    batch_size: int = 16
    """Users decoded together."""
    competitors: tuple[Literal["catalogue", "sampled", "given"], ...] = ("catalogue",)
    """Whom the target has to beat, one table each: every item; itself and `num_negatives` seeded items that the user
    never took; or the items of `candidates`."""
    num_negatives: int = 99
    """With `sampled`, negatives of each user."""
    negatives_seed: int = 0
    """With `sampled`, seed of the negatives; apart from the run's own, so that all runs meet the same."""
    candidates: str | None = None
    """With `given`, a Parquet or CSV file with the columns user_id and item_id, the user's held-out item among them."""
    exclude_seen: bool = False
    """Whether items already in the user's history are taken out of the whole catalogue."""
    baselines: tuple[
        Literal["popularity", "co_occurrence", "most_popular", "bpr", "mf", "gru4rec", "sasrec", "bert4rec"], ...
    ] = ("popularity", "co_occurrence")
    """What else ranks the same cases; all but the first two need `pip install 'recsysllm-on-ray[baselines]'`."""
    baseline_epochs: int | None = None
    """Passes of bpr, mf, gru4rec, sasrec and bert4rec over the training events; none takes each model's own number."""
    bootstrap_samples: int = 1000
    """Resamples of the users for the 95 % intervals."""
    tasks: bool | tuple[str, ...] = True
    """Tasks to ask, by name; true takes all that the checkpoint was trained on, false none."""
    task_users: int = 1000
    """Users whom each task is asked about, drawn by seed; 0 takes all."""
    use_gpu: bool = False
    """One GPU, and bf16, for each worker."""

    def __post_init__(self) -> None:
        require(self.num_users >= 0, f"evaluate.num_users must not be negative, got {self.num_users}")
        require(self.task_users >= 0, f"evaluate.task_users must not be negative, got {self.task_users}")
        unknown = [] if isinstance(self.tasks, bool) else [task for task in self.tasks if task not in TASKS]
        require(not unknown, f"evaluate.tasks must be true, false or names out of {', '.join(TASKS)}; got {unknown}")
        for name in ("num_workers", "batch_size", "bootstrap_samples", "num_negatives"):
            value = getattr(self, name)
            require(value >= 1, f"evaluate.{name} must be at least 1, got {value}")
        require(
            0 < len(set(self.baselines)) == len(self.baselines),
            f"evaluate.baselines must name each baseline once, and at least one, got {self.baselines}",
        )
        require(
            self.baseline_epochs is None or self.baseline_epochs >= 1,
            f"evaluate.baseline_epochs must be at least 1, got {self.baseline_epochs}",
        )
        names = set(self.competitors)
        require(
            0 < len(names) == len(self.competitors),
            f"evaluate.competitors must name each table once, and at least one, got {self.competitors}",
        )
        require(
            ("given" in names) == (self.candidates is not None),
            f"evaluate.candidates belongs to evaluate.competitors: given, got {self.candidates} for {self.competitors}",
        )
