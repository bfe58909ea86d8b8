"""The project's own SASRec, and the same model without blocks, as baselines of an evaluation."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from recsys_model.evaluation.baselines import Ranker, Sequences
from recsys_model.evaluation.sasrec import SASRecConfig
from recsys_model.evaluation.sasrec_training import Pass, train_sasrec
from recsys_platform.evaluate.ranking.cases import EvaluationData
from recsys_platform.evaluate.report.content import TrainingRecord
from recsys_platform.json_lines import append_json_line, read_latest_json_lines
from recsys_platform.splits import HeldOut

SASREC_MODELS = {"sasrec": SASRecConfig(), "last_item": SASRecConfig(num_blocks=0)}
"""Name in `evaluate.baselines` -> sizes and settings; passes and patience are those of the configuration."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldOutEvents:
    """What a model may train on, and the events that choose its pass."""

    sequences: Sequences
    """Of each user, in order."""
    validation_items: list[int | None]
    """The event of each user that follows; None where there is none."""


def events_to_train_on(data: EvaluationData, split: HeldOut) -> HeldOutEvents:
    """Return the training sequences and what validates them.

    Where the validation events are what is ranked they cannot choose the pass as well: the last training event of
    each user does so then and is not trained on.
    """
    if split == "test":
        return HeldOutEvents(sequences=data.training_sequences, validation_items=data.validation_items)
    return HeldOutEvents(
        sequences=[sequence[:-1] for sequence in data.training_sequences],
        validation_items=[int(sequence[-1]) if len(sequence) else None for sequence in data.training_sequences],
    )


@dataclass(frozen=True, slots=True)
class TrainingFiles:
    """Files of one training, which other processes may read while it runs."""

    folder: Path
    """Exists."""
    name: str
    """What the files begin with."""

    @property
    def state(self) -> Path:
        """What the next pass depends on."""
        return self.folder / f"{self.name}.state.pt"

    def add_pass(self, each: Pass) -> None:
        """Tell that a pass has ended."""
        append_json_line(self._passes, dataclasses.asdict(each))

    def latest_pass(self) -> Pass | None:
        """Return the last pass that has ended."""
        passes = read_latest_json_lines(self._passes)
        return Pass(**passes[-1]) if passes else None

    @property
    def _passes(self) -> Path:
        return self.folder / f"{self.name}.passes.jsonl"


def build_sasrec(
    name: str,
    events: HeldOutEvents,
    num_items: int,
    *,
    seed: int,
    max_passes: int,
    patience: int,
    files: TrainingFiles | None = None,
) -> tuple[Ranker, TrainingRecord]:
    """Return a trained model of `SASREC_MODELS` as a ranker, and how its training went.

    With files a training that was interrupted, or has ended before, goes on where it was.

    Raises:
        CheckpointError: the state in the files cannot be read.
        DataError: there is nothing to learn from, or the training diverged.
    """
    config = dataclasses.replace(SASREC_MODELS[name], max_passes=max_passes, patience=patience)
    trained = train_sasrec(
        events.sequences,
        events.validation_items,
        num_items,
        config,
        seed=seed,
        on_pass=files.add_pass if files is not None else lambda _: None,
        state_file=files.state if files is not None else None,
    )
    record = TrainingRecord(
        num_passes=len(trained.passes),
        max_passes=max_passes,
        patience=patience,
        kept_pass=trained.kept_pass,
        validation_ndcg_at_10=trained.passes[trained.kept_pass - 1].validation_ndcg,
    )
    return trained.ranker(), record
