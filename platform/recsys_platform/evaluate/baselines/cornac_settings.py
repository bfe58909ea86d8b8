"""Which models of cornac there are, and with which settings they are trained.

Sequential models have cornac 3.0's own settings but two: `max_len` is 20 in place of 50, since an epoch costs a quarter
and 96 % of the training sequences of Amazon Beauty are no longer, and there are as many epochs as gave the figures
below. Whether more would help was not tried: for a comparison that is to be printed, raise `evaluate.baseline_epochs`
until the figures stand still, and take the project's own `sasrec`, which stops by its validation ranking, for SASRec.
The matrix models are wider than cornac's 10 factors and learn faster or longer, as chosen on the validation events of
Amazon Beauty (every seventh user; popularity has HR@10 .0153): BPR with cornac's settings .0153, with these .0444, with
lambda_reg 0.001 .0351; MF after 20 epochs .0150, after 100 .0294.

Amazon Beauty whole (22,363 users, 153,776 training events, 12,068 items), HR@10 of 5,000 test users and minutes of one
core for training and ranking: SASRec .0750 in some 23, BERT4Rec .0692 in some 28, GRU4Rec .0564 in at most 6, BPR .0346
and MF .0212 in about one each.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class CornacModel:
    """One model."""

    class_name: str
    """In `cornac.models`."""
    kind: Literal["popularity", "pairs", "ratings", "items", "sequential"]
    """What it learns from, and so what it is asked with: nothing, the user, or (the last two) the history."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the class."""
    epochs: int = 0
    """Passes over the events where the configuration names none."""
    epochs_setting: str | None = None
    """The argument that says how many passes; None where there is nothing to repeat."""
    max_items: int | None = None
    """Items that occur in training at most, where memory grows with their square; None: any number."""


# cornac's defaults, written out so that another version of cornac cannot change a comparison
_SAMPLED_LOSS = {"batch_size": 512, "n_sample": 2048, "sample_alpha": 0.5, "device": "cpu"}
_TRANSFORMER = {
    **_SAMPLED_LOSS,
    "loss": "ce",
    "embedding_dim": 100,
    "num_blocks": 2,
    "num_heads": 1,
    "dropout": 0.2,
    "learning_rate": 0.001,
    "max_len": 20,
}

MODELS: dict[str, CornacModel] = {
    "most_popular": CornacModel(class_name="MostPop", kind="popularity"),
    # Steck 2019, section 3: weights of either sign. Inverts the K x K matrix of common users in float64, in four such
    # matrices at a time, so 32 bytes x K^2: 4.7 GB for Beauty's 12,068 items, 12.8 GB for the most that are allowed
    "ease": CornacModel(
        class_name="EASE", kind="items", settings={"lamb": 500.0, "posB": False, "verbose": False}, max_items=20_000
    ),
    # Rendle et al. 2009
    "bpr": CornacModel(
        class_name="BPR",
        kind="pairs",
        settings={"k": 64, "learning_rate": 0.05, "lambda_reg": 0.01},
        epochs=100,
        epochs_setting="max_iter",
    ),
    # Koren et al. 2009, with the drawn zeros of `cornac_data.rating_set`
    "mf": CornacModel(
        class_name="MF",
        kind="ratings",
        settings={"k": 64, "learning_rate": 0.01, "lambda_reg": 0.02},
        epochs=100,
        epochs_setting="max_iter",
    ),
    # Hidasi et al. 2015; cornac starts its weights from a seed of its own, whatever ours is
    "gru4rec": CornacModel(
        class_name="GRU4Rec",
        kind="sequential",
        settings={**_SAMPLED_LOSS, "layers": [100], "loss": "cross-entropy", "learning_rate": 0.05},
        epochs=10,
        epochs_setting="n_epochs",
    ),
    # Kang and McAuley 2018, with cross-entropy over sampled items in place of one negative
    "sasrec_cornac": CornacModel(
        class_name="SASRec", kind="sequential", settings=_TRANSFORMER, epochs=15, epochs_setting="n_epochs"
    ),
    # Sun et al. 2019; cornac's class learns the next item of each beginning of a sequence, not masked items
    "bert4rec": CornacModel(
        class_name="BERT4Rec", kind="sequential", settings=_TRANSFORMER, epochs=15, epochs_setting="n_epochs"
    ),
}
"""Name in `evaluate.baselines` -> model."""


def number_of_epochs(name: str, chosen: Mapping[str, int]) -> int:
    """Return how many passes a model makes: those of the configuration, or else its own number."""
    return chosen.get(name, MODELS[name].epochs)
