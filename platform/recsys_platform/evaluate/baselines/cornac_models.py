"""Published recommenders of the library `cornac` as rankers, trained on the events that our model was trained on.

A model knows the items that occur in training; all others share the last place. It is asked with all that is known
of a user, as our model is: the sequential ones and EASE get the history (items that never occurred in training are left
out), the matrix models know a user by the training events alone. A user without any is given the items' biases.

Shape suffixes: N = items of the catalogue, K = items that occur in training, E = events.
"""

import contextlib
import dataclasses
import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from recsys_model.errors import ConfigError, DataError
from recsys_model.evaluation.baselines import Ranker, Sequences, keys_of_scores
from recsys_platform.evaluate.baselines.cornac_data import TrainingEvents, interaction_set, rating_set, session_set
from recsys_platform.evaluate.baselines.cornac_settings import MODELS, CornacModel
from recsys_platform.evaluate.workers.pool import torch_threads


def check_installed(baselines: Sequence[str]) -> None:
    """Raise where a baseline is asked for whose library is missing: at once, not after the model has ranked.

    Raises:
        ConfigError: cornac is not installed.
    """
    wanted = [name for name in baselines if name in MODELS]
    if wanted and importlib.util.find_spec("cornac") is None:
        raise ConfigError(
            f"evaluate.baselines {', '.join(wanted)} needs the package cornac, which is not installed; "
            "run: pip install 'recsysllm-on-ray[baselines]'"
        )


def cornac_version() -> dict[str, str]:
    """Return the package's name and version, nothing where it is not installed."""
    try:
        return {"cornac": importlib.metadata.version("cornac")}
    except importlib.metadata.PackageNotFoundError:
        return {}


def build_ranker(
    name: str,
    training_sequences: Sequences,
    num_items: int,
    *,
    seed: int,
    num_threads: int,
    epochs: int | None = None,
    show_progress: bool = True,
) -> Ranker:
    """Return a trained model of cornac as a ranker of the whole catalogue.

    Args:
        name: One of `MODELS`.
        training_sequences: Catalogue indices of each user's training events, in order.
        num_items: Items of the catalogue.
        seed: Of the weights and of what is drawn in training.
        num_threads: Threads of torch in training and ranking; the matrix models train on one, to be repeatable.
        epochs: Passes over the events; none takes the model's own number.
        show_progress: Whether cornac's progress bars go to standard error.

    Raises:
        ConfigError: cornac is not installed.
        DataError: there is nothing to learn from, there are more items than the model can hold, or the training diverged.
    """
    check_installed([name])
    model = MODELS[name]
    events = TrainingEvents(training_sequences, num_items)
    events.require(min_events=2 if model.kind == "sequential" else 1)
    _require_room(name, model, len(events.item_K))
    with _progress_and_seeds(seed, num_threads):
        trained = _train(model, events, seed, epochs, show_progress)
    return CornacRanker(name, trained, events, model.kind, num_threads)


@dataclasses.dataclass(frozen=True)
class CornacRanker:
    """A trained model of cornac; items of equal score have equal keys."""

    name: str
    """As in the configuration."""
    model: Any
    """The model, of cornac's own class."""
    events: TrainingEvents
    """The items and users that it knows."""
    kind: str
    """What it is asked with, as `CornacModel.kind` says."""
    num_threads: int
    """Threads of torch."""

    def scores(self, history: Sequence[int] | np.ndarray, user: int | None = None) -> np.ndarray:
        """Return cornac's scores of the items that occur in training (K)."""
        if self.kind == "sequential":
            with torch_threads(self.num_threads):
                # these models keep users apart by their history alone
                return np.asarray(self.model.score(0, self.events.places_of(history)))
        if self.kind == "items":
            # cornac would take the training events alone: its rows of weights are added up for the history instead
            places = sorted(set(self.events.places_of(history)))
            return np.asarray(self.model.B[places].sum(axis=0))
        place = None if user is None else self.events.user_to_place.get(user)
        if self.kind == "popularity":
            return np.asarray(self.model.score(0))
        return np.array(self.model.i_biases if place is None else self.model.score(place))

    def sort_keys(self, history: Sequence[int] | np.ndarray, user: int | None = None) -> np.ndarray:
        """Return the sort keys (N): 0 for items that never occurred in training, equal ones for equal scores.

        Raises:
            DataError: a score is not finite.
        """
        score_K = self.scores(history, user)
        if not np.isfinite(score_K).all():
            raise DataError(
                f"the scores of the baseline {self.name} must be finite: its training diverged; "
                f"choose fewer evaluate.baseline_epochs.{self.name} or take it out of evaluate.baselines"
            )
        key_N = np.zeros(self.events.num_items, dtype=np.int64)
        key_N[self.events.item_K] = keys_of_scores(score_K) + 1
        return key_N


def _train(model: CornacModel, events: TrainingEvents, seed: int, epochs: int | None, show_progress: bool) -> Any:
    settings = dict(model.settings)
    if model.epochs_setting is not None:
        settings |= {model.epochs_setting: epochs or model.epochs, "seed": seed}
    if model.kind == "sequential":
        settings["verbose"] = show_progress
        # cornac's GRU4Rec fails where a batch has more places than there are sequences
        settings["batch_size"] = min(settings["batch_size"], events.num_sequences)
    build = {"sequential": session_set, "ratings": rating_set}.get(model.kind, interaction_set)
    trained = getattr(importlib.import_module("cornac.models"), model.class_name)(**settings)
    return trained.fit(build(events, seed))


def _require_room(name: str, model: CornacModel, num_items: int) -> None:
    """Raise where a model of items times items would need too much memory."""
    if model.max_items is not None and num_items > model.max_items:
        raise DataError(
            f"the baseline {name} must have at most {model.max_items:,} items in training, since its memory grows with "
            f"their square, got {num_items:,}, which take {32 * num_items**2 / 1e9:.0f} GB; "
            f"take it out of evaluate.baselines (item_knn has no such limit)"
        )


@contextlib.contextmanager
def _progress_and_seeds(seed: int, num_threads: int) -> Iterator[None]:
    """Seed the global generators that cornac uses and give them back as they were; its words go to standard error."""
    numpy_state = np.random.get_state()  # noqa: NPY002 (cornac draws from it)
    with torch.random.fork_rng(devices=[]), torch_threads(num_threads), contextlib.redirect_stdout(sys.stderr):
        torch.manual_seed(seed)
        try:
            yield
        finally:
            np.random.set_state(numpy_state)  # noqa: NPY002
