"""The typed content of `report.json`: fields are its keys, docstrings are the descriptions of its schema.

Every section and every plot is rendered from a `Report` alone. `json_format` writes and reads it.
"""

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from recsys_platform.evaluate.report.measured import (
    LEFT_OUT,
    Breakdowns,
    Competitors,
    Exposure,
    MethodMetrics,
    RankingTable,
    ReportPart,
)
from recsys_platform.splits import DatasetSplit, HeldOut

Wording: TypeAlias = Literal["seen", "unseen"]
LossPoint: TypeAlias = tuple[int, float]
"""Optimiser step, from 1, and mean loss per target token in nats."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitSettings(ReportPart):
    """How a dataset was split into training events and held-out events."""

    kind: Literal["leave_one_out", "temporal"]
    """Rule of the split."""
    valid_from: float | None
    """With `temporal`, time of the first validation event in the unit of the data; null otherwise."""
    test_from: float | None
    """With `temporal`, time of the first test event in the unit of the data; null otherwise."""

    @classmethod
    def of(cls, split: DatasetSplit) -> "SplitSettings":
        """Return the settings of a dataset's split."""
        return cls(kind=split.kind, valid_from=split.valid_from, test_from=split.test_from)


@dataclass(frozen=True, kw_only=True, slots=True)
class ProtocolSettings(ReportPart):
    """Settings that two evaluations must share to be comparable."""

    dataset_split: SplitSettings
    """How the dataset was split."""
    split: HeldOut
    """Which held-out event of each user is the target."""
    exclude_seen: bool
    """Whether items of a user's history are removed from the whole catalogue."""
    num_negatives: int
    """With `sampled`, number of negatives per user, at least 1."""
    negatives_seed: int
    """With `sampled`, seed of the negatives."""
    candidates_digest: str | None
    """With `given`, SHA-256 of the table of candidates, 64 hexadecimal digits; null without a table."""
    competitors: tuple[Competitors, ...]
    """Candidate sets, one ranking each, in the order of `rankings`."""
    seed: int
    """Seed of all other random choices."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingRecord(ReportPart):
    """The training of a baseline; empty for a baseline without training."""

    num_passes: int = field(default=0, metadata=LEFT_OUT)
    """Passes over the training events, at least 1."""
    max_passes: int = field(default=0, metadata=LEFT_OUT)
    """Maximum number of passes, at least 1; this and the next three are absent if the number of passes is fixed."""
    patience: int = field(default=0, metadata=LEFT_OUT)
    """Number of passes in a row without a better validation NDCG@10 that end the training, at least 1."""
    kept_pass: int = field(default=0, metadata=LEFT_OUT)
    """Pass with the best validation NDCG@10, from 1; its weights rank."""
    validation_ndcg_at_10: float | None = field(default=None, metadata=LEFT_OUT)
    """NDCG@10 on validation events after that pass, 0 to 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BaselineEntry(ReportPart):
    """One baseline: implementation, training and public figures."""

    method: str
    """Name in `evaluate.baselines`."""
    implementation: str
    """Origin of the code and its settings, in words."""
    training: str
    """Number of passes and end of the training, in words."""
    record: TrainingRecord
    """The same in numbers."""
    public: str | None
    """Public figures to reach, with data set and source, in words; null without any."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BaselineNotes(ReportPart):
    """Notes on all baselines."""

    dataset: str | None
    """Name of the recognised public data set; null for any other."""
    methods: tuple[BaselineEntry, ...]
    """One entry per baseline, in the order of the configuration."""
    notes: tuple[str, ...]
    """Sentences on the input of baselines, and on public figures."""
    warnings: tuple[str, ...]
    """One sentence per baseline below its public figures."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskExample(ReportPart):
    """An example of a question with its answer."""

    question: str
    """Prompt of the model."""
    truth: str
    """The true answer: what the user did or wrote."""
    answer: str
    """The model's answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskEntry(ReportPart):
    """The evaluation of one task in one kind of wordings."""

    task: str
    """Name of the task."""
    family: str
    """Family that the task belongs to."""
    templates: Wording
    """Whether the wordings were trained on."""
    template_ids: tuple[str, ...]
    """Ids of the wordings, in alphabetical order."""
    num_cases: int
    """Number of questions, at least 0."""
    statements: tuple[str, ...]
    """Sentences on events, wordings, answers and baselines."""
    metrics: MethodMetrics
    """Metrics of every method; RMSE and MAE in stars, BLEU and ROUGE 0 to 100, others 0 to 1."""
    examples: tuple[TaskExample, ...]
    """Evenly spaced questions."""
    warnings: tuple[str, ...] = field(default=(), metadata=LEFT_OUT)
    """Why figures say less than they seem to: a script that a metric does not see, a BLEU that is 0 by construction."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LearningCurve(ReportPart):
    """The training of the checkpoint, as points of optimiser step and mean loss per target token in nats."""

    train: tuple[LossPoint, ...]
    """Training loss over all objectives."""
    eval: tuple[LossPoint, ...]
    """Validation loss of the next item."""
    families: dict[str, tuple[LossPoint, ...]]
    """Maps a task family to its validation loss."""
    minutes: float | None
    """Duration of the training in minutes, at least 0; null if it was not recorded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExampleCase(ReportPart):
    """One user's case, with titles instead of item ids."""

    user_id: str
    """User id of the interactions table."""
    num_history: int
    """Number of events of the history, at least 1."""
    history: tuple[str, ...]
    """Titles of the latest events of the history, oldest first."""
    truth: str
    """Title of the held-out item."""
    rank: int
    """Rank of the held-out item among the recommended ones, from 1; 0 if it is not among them."""
    recommended: tuple[str, ...]
    """Titles of the recommended items, best first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report(ReportPart):
    """The whole report of an evaluation."""

    name: str
    """Name of the run."""
    statements: tuple[str, ...]
    """Sentences that hold for all rankings."""
    rankings: tuple[RankingTable, ...]
    """One table per protocol; summaries quote the first one."""
    method_titles: dict[str, str]
    """Maps a method to its title; methods without a title are shown by name."""
    protocol: ProtocolSettings
    """The settings of the protocol."""
    num_users: int
    """Number of evaluated users, at least 1."""
    num_users_in_split: int
    """Number of users of the split; the evaluated users may be a sample."""
    num_items: int
    """Number of items of the catalogue, at least 1."""
    config: dict[str, Any]
    """The full configuration of the run."""
    versions: dict[str, str]
    """Maps a package to its installed version."""
    baselines: BaselineNotes
    """Notes on the baselines."""
    exposure: dict[str, Exposure]
    """Maps a method to the exposure of its recommendations; `taken` stands for the items that users took."""
    exposure_statements: tuple[str, ...]
    """Definitions of the exposure metrics, one sentence each."""
    breakdowns: Breakdowns | None
    """Metrics of groups of users; null if no ranking was measured."""
    learning_curve: LearningCurve | None
    """The training of the checkpoint; null if it has no record."""
    examples: tuple[ExampleCase, ...]
    """Cases drawn by seed."""
    examples_statement: str
    """The rule of the draw, in one sentence."""
    tasks: tuple[TaskEntry, ...]
    """One entry per task and kind of wordings."""
    seconds_recommending: float
    """Seconds of ranking by the model, including the start of the workers."""
    users_per_second: float
    """Evaluated users per second of `seconds_recommending`."""
    seconds: float
    """Seconds of the whole evaluation."""
