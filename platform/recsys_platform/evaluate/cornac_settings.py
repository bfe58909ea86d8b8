"""Which models of cornac there are, and with which settings they are trained.

Settings are those of the models' papers for sparse shopping data where these name them, else cornac's own defaults.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class CornacModel:
    """One model."""

    class_name: str
    """In `cornac.models`."""
    kind: Literal["popularity", "pairs", "ratings", "sequential"]
    """What it learns from, and so what it is asked with: nothing, the user, or the history."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the class."""
    epochs: int = 0
    """Passes over the events where the configuration names none."""
    epochs_setting: str | None = None
    """The argument that says how many passes."""


_SEQUENTIAL = {"batch_size": 512, "n_sample": 2048, "sample_alpha": 0.5, "device": "cpu"}

MODELS: dict[str, CornacModel] = {
    "most_popular": CornacModel(class_name="MostPop", kind="popularity"),
    "bpr": CornacModel(
        class_name="BPR",
        kind="pairs",
        settings={"k": 64, "learning_rate": 0.05, "lambda_reg": 0.01},
        epochs=100,
        epochs_setting="max_iter",
    ),
    "mf": CornacModel(
        class_name="MF",
        kind="ratings",
        settings={"k": 64, "learning_rate": 0.01, "lambda_reg": 0.02},
        epochs=20,
        epochs_setting="max_iter",
    ),
    "gru4rec": CornacModel(
        class_name="GRU4Rec",
        kind="sequential",
        settings={**_SEQUENTIAL, "layers": [100], "loss": "cross-entropy", "learning_rate": 0.05},
        epochs=10,
        epochs_setting="n_epochs",
    ),
    "sasrec": CornacModel(
        class_name="SASRec",
        kind="sequential",
        settings={**_SEQUENTIAL, "embedding_dim": 100, "max_len": 50, "learning_rate": 0.001, "dropout": 0.2},
        epochs=10,
        epochs_setting="n_epochs",
    ),
    "bert4rec": CornacModel(
        class_name="BERT4Rec",
        kind="sequential",
        settings={**_SEQUENTIAL, "embedding_dim": 100, "max_len": 50, "learning_rate": 0.001, "dropout": 0.2},
        epochs=10,
        epochs_setting="n_epochs",
    ),
}
"""Name in `evaluate.baselines` -> model."""
