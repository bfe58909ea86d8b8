"""Train SASRec until its validation NDCG@10 stops improving, and keep the best pass.

Every event of a training sequence but the first is a target; the loss is the cross-entropy over all items. Each user's
validation event follows the training sequence and is never trained on: it only chooses the pass. Items of the training
sequence are taken out of the validation ranking, as in the test.

The users of a step are drawn at random. They are computed in groups of similar length, so that
little padding is computed.

Shape suffixes: B = users of a group, T = events of the longest history, E = targets, D = width, N = items.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from recsys_model.entity_head.cross_entropy import item_cross_entropy
from recsys_model.errors import DataError
from recsys_model.evaluation.baselines import Sequences
from recsys_model.evaluation.metrics import ndcg_gains
from recsys_model.evaluation.sasrec import SASRec, SASRecConfig, SASRecRanker

GROUP_USERS = 64
"""Users computed together in training: a group's histories differ little in length."""
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
    """What a training came to."""

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
) -> TrainedSASRec:
    """Train a model; the same seed and number of threads give the same one.

    Args:
        sequences: Catalogue indices of each user's training events, in order.
        validation_items: The event of each user that follows them, None where there is none.
        num_items: Items of the catalogue.
        config: Sizes and settings.
        seed: Of the weights, the order of users and the dropout.
        on_pass: Is told of each pass when it ends.

    Raises:
        DataError: no user has two training events, or none with training events has a validation event, or the
            training diverged.
    """
    trained = [np.asarray(sequence)[-config.max_history - 1 :] for sequence in sequences if len(sequence) >= 2]
    asked = [
        (np.asarray(sequence), item)
        for sequence, item in zip(sequences, validation_items, strict=True)
        if item is not None and len(sequence) > 0
    ]
    _require_users(len(trained), len(asked))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = SASRec(num_items, config)
        return _train(model, trained, asked, config, np.random.default_rng(seed), on_pass)


def _train(
    model: SASRec,
    sequences: list[np.ndarray],
    asked: list[tuple[np.ndarray, int]],
    config: SASRecConfig,
    generator: np.random.Generator,
    on_pass: Callable[[Pass], None],
) -> TrainedSASRec:
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    passes: list[Pass] = []
    kept, kept_weights = 0, copy.deepcopy(model.state_dict())
    while len(passes) < config.max_passes and len(passes) - kept < config.patience:
        loss = _train_pass(model, optimizer, sequences, config.batch_users, generator)
        passes.append(Pass(len(passes) + 1, loss, validation_ndcg(model, asked)))
        on_pass(passes[-1])
        if kept == 0 or passes[-1].validation_ndcg > passes[kept - 1].validation_ndcg:
            kept, kept_weights = len(passes), copy.deepcopy(model.state_dict())
    model.load_state_dict(kept_weights)
    return TrainedSASRec(model, passes, kept)


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
    state_BTD = model(_padded([sequence[:-1] for sequence in sequences]))
    length_B = torch.tensor([len(sequence) - 1 for sequence in sequences])
    return state_BTD[torch.arange(state_BTD.shape[1]) < length_B[:, None]]


@torch.no_grad()
def validation_ndcg(model: SASRec, asked: Sequence[tuple[np.ndarray, int]]) -> float:
    """Return the mean NDCG@10 of the items that follow the sequences, whose own items are taken out."""
    model.eval()
    in_order = sorted(asked, key=lambda row: len(row[0]))
    groups = [in_order[start : start + RANKED_USERS] for start in range(0, len(in_order), RANKED_USERS)]
    return float(np.mean(np.concatenate([ndcg_gains(_ranks(model, group), 10) for group in groups])))


def _ranks(model: SASRec, asked: Sequence[tuple[np.ndarray, int]]) -> np.ndarray:
    """Return the rank of each item (B), 0 for one that the sequence has; the target is the last of its equals."""
    recent = [sequence[-model.config.max_history :] for sequence, _ in asked]
    row_B = torch.arange(len(asked))
    last_B = torch.tensor([len(sequence) - 1 for sequence in recent])
    target_B = torch.tensor([item for _, item in asked])
    score_BN = model(_padded(recent))[row_B, last_B] @ model.items.weight.T
    own_B1 = score_BN[row_B, target_B][:, None]
    for row, (sequence, _) in enumerate(asked):
        score_BN[row, torch.from_numpy(sequence)] = -torch.inf
    is_seen_B = torch.isneginf(score_BN[row_B, target_B])
    return torch.where(is_seen_B, 0, (score_BN >= own_B1).sum(dim=1)).numpy()


def _padded(sequences: Sequence[np.ndarray]) -> torch.Tensor:
    """Return the sequences as rows (B, T), any item behind the shorter ones."""
    items_BT = np.zeros((len(sequences), max(map(len, sequences))), dtype=np.int64)
    for row, sequence in enumerate(sequences):
        items_BT[row, : len(sequence)] = sequence
    return torch.from_numpy(items_BT)


def _require_users(num_trained: int, num_asked: int) -> None:
    if num_trained == 0 or num_asked == 0:
        raise DataError(
            "sasrec and last_item must have a user with two training events and one with a validation event, got "
            f"{num_trained} and {num_asked} users; take them out of evaluate.baselines"
        )
