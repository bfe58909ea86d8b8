"""The content of `report.json`, typed: the fields are its keys, the docstrings are the descriptions of its schema.

Every part of the report and every plot is made from a `Report` alone. `json_format` writes and reads it.
"""

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from recsys_platform.evaluate.report.measured import (
    LEFT_OUT,
    Breakdowns,
    Competitors,
    Exposure,
    MethodMetrics,
    Part,
    RankingTable,
)
from recsys_platform.splits import DatasetSplit, HeldOut

Wording: TypeAlias = Literal["seen", "unseen"]
LossPoint: TypeAlias = tuple[int, float]
"""Step of the optimiser, from 1, and mean loss of a target token in nats."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitSettings(Part):
    """How a dataset was split into events to train on and held-out ones."""

    kind: Literal["leave_one_out", "temporal"]
    """The rule."""
    valid_from: float | None
    """With `temporal`, time of the first validation event in the unit of the data; null otherwise."""
    test_from: float | None
    """With `temporal`, time of the first test event in the unit of the data; null otherwise."""

    @classmethod
    def of(cls, split: DatasetSplit) -> "SplitSettings":
        """Return the settings of a dataset's split."""
        return cls(kind=split.kind, valid_from=split.valid_from, test_from=split.test_from)


@dataclass(frozen=True, kw_only=True, slots=True)
class ProtocolSettings(Part):
    """What two evaluations must have in common to be compared, in the words of the configuration."""

    dataset_split: SplitSettings
    """How the dataset was split."""
    split: HeldOut
    """Which held-out event of each user is the target."""
    exclude_seen: bool
    """Whether items of a user's history are taken out of the whole catalogue."""
    num_negatives: int
    """With `sampled`, negatives of each user, at least 1."""
    negatives_seed: int
    """With `sampled`, seed of the negatives."""
    candidates_digest: str | None
    """With `given`, SHA-256 of the table of candidates, 64 hexadecimal digits; null where there is none."""
    competitors: tuple[Competitors, ...]
    """Protocols, one ranking each, in the order of `rankings`."""
    seed: int
    """Seed of everything else that is drawn."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingRecord(Part):
    """How the training of a baseline went; empty for one that trains nothing."""

    num_passes: int = field(default=0, metadata=LEFT_OUT)
    """Passes over the training events that were made, at least 1."""
    max_passes: int = field(default=0, metadata=LEFT_OUT)
    """Passes that were allowed, at least 1; absent where the number of passes is fixed, as are the next three."""
    patience: int = field(default=0, metadata=LEFT_OUT)
    """Passes in a row without a better validation NDCG@10 that end the training, at least 1."""
    kept_pass: int = field(default=0, metadata=LEFT_OUT)
    """Pass with the best validation NDCG@10, from 1; its weights rank."""
    validation_ndcg_at_10: float | None = field(default=None, metadata=LEFT_OUT)
    """NDCG@10 on validation events after that pass, 0 to 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BaselineEntry(Part):
    """What one baseline is worth."""

    method: str
    """Its name in `evaluate.baselines`."""
    implementation: str
    """Whose code it is, with which settings, in words."""
    training: str
    """How its training was stopped, in words."""
    record: TrainingRecord
    """The same in figures."""
    public: str | None
    """Public figures that it should reach, with data set and source, in words; null where there are none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BaselineNotes(Part):
    """What is to be said of the baselines."""

    dataset: str | None
    """Name of the recognised public data set; null for any other."""
    methods: tuple[BaselineEntry, ...]
    """One entry for each baseline, in the order of the configuration."""
    notes: tuple[str, ...]
    """Sentences on what a baseline is told, and on public figures."""
    warnings: tuple[str, ...]
    """One sentence for each baseline that falls short of its public figures."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskExample(Part):
    """A question with its answer, to read."""

    question: str
    """The text that the model was given."""
    truth: str
    """What the user did or wrote."""
    answer: str
    """What the model answered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskEntry(Part):
    """The evaluation of one task in one kind of wordings."""

    task: str
    """Name of the task."""
    family: str
    """Family that the task belongs to."""
    templates: Wording
    """Whether the wordings were trained on."""
    template_ids: tuple[str, ...]
    """Wordings that were used, in alphabetical order."""
    num_cases: int
    """Questions that were measured, at least 0."""
    statements: tuple[str, ...]
    """Sentences on events, wordings, answers and baselines."""
    metrics: MethodMetrics
    """Figures of every method; RMSE and MAE in stars, BLEU and ROUGE 0 to 100, others 0 to 1."""
    examples: tuple[TaskExample, ...]
    """Evenly spaced questions."""
    warnings: tuple[str, ...] = field(default=(), metadata=LEFT_OUT)
    """Why figures say less than they seem to: a script that a metric does not see, a BLEU that is 0 by construction."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LearningCurve(Part):
    """The record of the checkpoint's training, as points of step and mean loss of a target token in nats."""

    train: tuple[LossPoint, ...]
    """Training loss over all objectives."""
    eval: tuple[LossPoint, ...]
    """Validation loss of the next item."""
    families: dict[str, tuple[LossPoint, ...]]
    """Family of tasks -> its validation loss."""
    minutes: float | None
    """Duration of the training in minutes, at least 0; null where it was not recorded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Example(Part):
    """One user's case, with titles in place of item ids."""

    user_id: str
    """As in the interactions table."""
    num_history: int
    """Events of the history, at least 1."""
    history: tuple[str, ...]
    """Titles of the latest events of the history, oldest first."""
    truth: str
    """Title of the held-out item."""
    rank: int
    """Place of the held-out item among the recommended ones, 1 for the first; 0 where it is absent."""
    recommended: tuple[str, ...]
    """Titles of the recommended items, best first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report(Part):
    """Everything that an evaluation tells."""

    name: str
    """Name of the run."""
    statements: tuple[str, ...]
    """Sentences that hold for all rankings."""
    rankings: tuple[RankingTable, ...]
    """One table for each protocol; the first is the one that summaries quote."""
    method_titles: dict[str, str]
    """Method -> title; methods without one are called by their names."""
    protocol: ProtocolSettings
    """The settings of the protocol."""
    num_users: int
    """Users that were evaluated, at least 1."""
    num_users_in_split: int
    """Users of the split, of whom the evaluated ones may be a sample."""
    num_items: int
    """Items of the catalogue, at least 1."""
    config: dict[str, Any]
    """The full configuration of the run."""
    versions: dict[str, str]
    """Package -> installed version."""
    baselines: BaselineNotes
    """What the baselines are worth."""
    exposure: dict[str, Exposure]
    """Method -> what it shows; `taken` stands for what the users took."""
    exposure_statements: tuple[str, ...]
    """Sentences on the figures of exposure."""
    breakdowns: Breakdowns | None
    """Figures of groups of users; null where no ranking was measured."""
    learning_curve: LearningCurve | None
    """The training of the checkpoint; null where it holds no record."""
    examples: tuple[Example, ...]
    """Cases that were drawn by seed."""
    examples_statement: str
    """The rule by which they were drawn, in one sentence."""
    tasks: tuple[TaskEntry, ...]
    """One entry for each task and kind of wordings."""
    seconds_recommending: float
    """Seconds of ranking by the model, the start of the workers included."""
    users_per_second: float
    """Evaluated users in each of these seconds."""
    seconds: float
    """Seconds of the whole evaluation."""
