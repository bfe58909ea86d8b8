"""Train SASRec until its validation NDCG@10 stops improving, and keep the best pass.

Every event of a training sequence but the first is a target; the loss is the cross-entropy over all items. Each user's
validation event follows the training sequence and is never trained on: it only selects the pass. The validation ranking
excludes the items of the training sequence, as the test does.

A training may write its state to a file after each pass. The next call with that file resumes after that pass and ends
with the same weights as an uninterrupted training.

The users of a step are drawn at random and computed in groups of similar length, which saves padding.

Shape suffixes: B = users of a group, T = events of the longest history, E = targets, D = width, N = items.
"""

import copy
import math
import os
import pickle
import uuid
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recsys_model.entity_head.cross_entropy import item_cross_entropy
from recsys_model.errors import CheckpointError, DataError
from recsys_model.evaluation.baselines import Sequences
from recsys_model.evaluation.metrics import ndcg_gains
from recsys_model.evaluation.sasrec import SASRec, SASRecConfig, SASRecRanker

GROUP_USERS = 64
"""Users computed together in training, with histories of similar length."""
RANKED_USERS = 256
"""Users ranked together in validation: bounds the scores at 256 x N floats."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass over the training events."""

    number: int
    """From 1."""
    loss: float
    """Mean over its targets, in nats."""
    validation_ndcg: float
    """NDCG@10 over the users with a validation event."""


@dataclass(frozen=True, slots=True)
class TrainedSASRec:
    """The result of a training."""

    model: SASRec
    """With the weights of the kept pass."""
    passes: list[Pass]
    """All of them, in order."""
    kept_pass: int
    """The first one with the best validation NDCG@10."""

    def ranker(self) -> SASRecRanker:
        """Return the model as a ranker of the catalogue."""
        return SASRecRanker(self.model)


def train_sasrec(
    sequences: Sequences,
    validation_items: Sequence[int | None],
    num_items: int,
    config: SASRecConfig,
    *,
    seed: int,
    on_pass: Callable[[Pass], None] = lambda _: None,
    state_file: Path | None = None,
) -> TrainedSASRec:
    """Train a model; the same seed and number of threads give the same one.

    Args:
        sequences: Catalogue indices of each user's training events, in order.
        validation_items: The validation event of each user, None without one.
        num_items: Items of the catalogue.
        config: Sizes and settings.
        seed: Of the weights, the order of users and the dropout.
        on_pass: Called after each pass.
        state_file: Written after each pass and resumed from; it must come from a call with the same arguments.

    Raises:
        CheckpointError: the file cannot be read as the state of such a training.
        DataError: no user has two training events, or none with training events has a validation event, or the
            training diverged.
    """
    trained = [np.asarray(sequence)[-config.max_history - 1 :] for sequence in sequences if len(sequence) >= 2]
    validation_cases = _validation_cases(sequences, validation_items)
    _require_cases(len(trained), len(validation_cases))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        training = _Training(SASRec(num_items, config), config, np.random.default_rng(seed))
        if state_file is not None and state_file.exists():
            training.load(state_file)
        while training.has_next_pass:
            training.run_pass(trained, validation_cases)
            if state_file is not None:
                training.save(state_file)
            on_pass(training.passes[-1])
        return training.result()


def _validation_cases(sequences: Sequences, validation_items: Sequence[int | None]) -> list[tuple[np.ndarray, int]]:
    """Return each user's training events and validation item, if there are both."""
    return [
        (np.asarray(sequence), item)
        for sequence, item in zip(sequences, validation_items, strict=True)
        if item is not None and len(sequence) > 0
    ]


class _Training:
    """A training between two passes."""

    def __init__(self, model: SASRec, config: SASRecConfig, generator: np.random.Generator) -> None:
        self.passes: list[Pass] = []
        self._model, self._config, self._generator = model, config, generator
        self._optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
        self._kept = 0
        self._kept_weights = copy.deepcopy(model.state_dict())

    @property
    def has_next_pass(self) -> bool:
        """Whether another pass follows."""
        num_passes = len(self.passes)
        return num_passes < self._config.max_passes and num_passes - self._kept < self._config.patience

    def run_pass(self, sequences: list[np.ndarray], validation_cases: list[tuple[np.ndarray, int]]) -> None:
        """Train on all sequences once and rank the validation events."""
        loss = _train_pass(self._model, self._optimizer, sequences, self._config.batch_users, self._generator)
        self.passes.append(Pass(len(self.passes) + 1, loss, validation_ndcg(self._model, validation_cases)))
        if self._kept == 0 or self.passes[-1].validation_ndcg > self.passes[self._kept - 1].validation_ndcg:
            self._kept, self._kept_weights = len(self.passes), copy.deepcopy(self._model.state_dict())

    def result(self) -> TrainedSASRec:
        """Return the model with the weights of the best pass."""
        self._model.load_state_dict(self._kept_weights)
        return TrainedSASRec(self._model, self.passes, self._kept)

    def save(self, path: Path) -> None:
        """Write the state that the next pass depends on; the file is replaced atomically."""
        state = {
            "weights": self._model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "torch_generator": torch.get_rng_state(),
            "numpy_generator": self._generator.bit_generator.state,
            "passes": [astuple(each) for each in self.passes],
            "kept": self._kept,
            "kept_weights": self._kept_weights,
        }
        # two evaluations of one dataset may train the same at once
        partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
        with partial.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)

    def load(self, path: Path) -> None:
        """Restore the state after the pass that called `save`."""
        try:
            state: dict[str, Any] = torch.load(path, weights_only=True)
            self._model.load_state_dict(state["weights"])
            self._optimizer.load_state_dict(state["optimizer"])
            torch.set_rng_state(state["torch_generator"])
            self._generator.bit_generator.state = state["numpy_generator"]
            self.passes = [Pass(*each) for each in state["passes"]]
            self._kept, self._kept_weights = state["kept"], state["kept_weights"]
        except (OSError, EOFError, RuntimeError, ValueError, KeyError, TypeError, pickle.UnpicklingError) as error:
            reason = " ".join(str(error).split())
            raise CheckpointError(
                f"{path} cannot be read as the state of a training of sasrec ({reason}); delete it to train from the start"
            ) from error


def _train_pass(
    model: SASRec,
    optimizer: torch.optim.Optimizer,
    sequences: list[np.ndarray],
    batch_users: int,
    generator: np.random.Generator,
) -> float:
    """Step once for each batch of users; return the mean loss of the targets."""
    model.train()
    order = generator.permutation(len(sequences))
    total = 0.0
    for start in range(0, len(order), batch_users):
        optimizer.zero_grad(set_to_none=True)
        loss, num_targets = batch_loss(model, [sequences[user] for user in order[start : start + batch_users]])
        (loss / num_targets).backward()
        optimizer.step()
        total += float(loss.detach())
    mean = total / sum(len(sequence) - 1 for sequence in sequences)
    if not math.isfinite(mean):
        raise DataError(f"the loss of sasrec must be finite, got {mean}; take it out of evaluate.baselines")
    return mean


def batch_loss(model: SASRec, sequences: Sequence[np.ndarray]) -> tuple[torch.Tensor, int]:
    """Return the cross-entropy of all events but the first of each sequence, summed, and how many they are."""
    in_order = sorted(sequences, key=len)
    groups = [in_order[start : start + GROUP_USERS] for start in range(0, len(in_order), GROUP_USERS)]
    state_ED = torch.cat([_states(model, group) for group in groups])
    target_E = torch.from_numpy(np.concatenate([sequence[1:] for sequence in in_order]))
    return item_cross_entropy(state_ED, model.items.weight, None, target_E), len(target_E)


def _states(model: SASRec, sequences: Sequence[np.ndarray]) -> torch.Tensor:
    """Return the states after all events but the last of each sequence, one sequence after the other (E, D)."""
    length_B = torch.tensor([len(sequence) - 1 for sequence in sequences])
    state_BTD = model(_padded([sequence[:-1] for sequence in sequences]), length_B)
    return state_BTD[torch.arange(state_BTD.shape[1]) < length_B[:, None]]


@torch.no_grad()
def validation_ndcg(model: SASRec, validation_cases: Sequence[tuple[np.ndarray, int]]) -> float:
    """Return the mean NDCG@10 of the items that follow the sequences, without the items of the sequences."""
    model.eval()
    in_order = sorted(validation_cases, key=lambda row: len(row[0]))
    groups = [in_order[start : start + RANKED_USERS] for start in range(0, len(in_order), RANKED_USERS)]
    return float(np.mean(np.concatenate([ndcg_gains(_ranks(model, group), 10) for group in groups])))


def _ranks(model: SASRec, validation_cases: Sequence[tuple[np.ndarray, int]]) -> np.ndarray:
    """Return the rank of each item (B), 0 for one that the sequence has; the target is the last of its equals."""
    recent = [sequence[-model.config.max_history :] for sequence, _ in validation_cases]
    row_B = torch.arange(len(validation_cases))
    length_B = torch.tensor([len(sequence) for sequence in recent])
    target_B = torch.tensor([item for _, item in validation_cases])
    score_BN = model(_padded(recent), length_B)[row_B, length_B - 1] @ model.items.weight.T
    own_B1 = score_BN[row_B, target_B][:, None]
    for row, (sequence, _) in enumerate(validation_cases):
        score_BN[row, torch.from_numpy(sequence)] = -torch.inf
    is_seen_B = torch.isneginf(score_BN[row_B, target_B])
    return torch.where(is_seen_B, 0, (score_BN >= own_B1).sum(dim=1)).numpy()


def _padded(sequences: Sequence[np.ndarray]) -> torch.Tensor:
    """Return the sequences as rows (B, T), any item behind the shorter ones."""
    items_BT = np.zeros((len(sequences), max(map(len, sequences))), dtype=np.int64)
    for row, sequence in enumerate(sequences):
        items_BT[row, : len(sequence)] = sequence
    return torch.from_numpy(items_BT)


def _require_cases(num_trained: int, num_validation: int) -> None:
    if num_trained == 0 or num_validation == 0:
        raise DataError(
            "sasrec and last_item must have a user with two training events and one with a validation event, got "
            f"{num_trained} and {num_validation} users; take them out of evaluate.baselines"
        )
