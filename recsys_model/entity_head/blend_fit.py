"""Fit the weights of a blended score by NDCG@10 on validation events.

The candidates of a user hold every item that a blend could rank among its first ten: the best items by the entity head,
the best by tokens, and all items that ever came later than one of the user's latest items. A part is left out unless
its gain exceeds the standard error of the gain, since each part costs time.

Shape suffixes: U = users, M = candidates of the user who has most.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recsys_model.entity_config import BlendWeights

WEIGHTS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""Candidate weights of a part; the weight of the entity head is 1."""
HISTORY_DECAYS = (0.0, 0.3, 0.5, 0.7, 0.85)
"""Candidate decays of earlier history items in the co-occurrence counts."""
NDCG_K = 10
"""The weights are fitted for NDCG@k with this k."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class BlendCandidates:
    """The parts of the scores of each user's candidates; padding has the entity score -inf."""

    entity: Floats
    """Log-probability of each candidate by the entity head, [U, M]."""
    log_counts: Mapping[float, Floats]
    """For each decay over the history, log(1 + training events later than the user's latest items), [U, M]."""
    is_target: npt.NDArray[np.bool_]
    """The held-out item, at most one a user, [U, M]."""


def find_blend(candidates: BlendCandidates) -> BlendWeights:
    """Return the weights of the parts without a search; 0 for the counts if their gain is within its standard error."""
    decay, weight = _best_weight(candidates.entity, candidates.log_counts, candidates.is_target)
    return BlendWeights(token=0.0, entity=1.0, co_occurrence=weight, history_decay=decay if weight > 0.0 else 0.0)


def find_token_weight(candidates: BlendCandidates, token_UM: Floats, weights: BlendWeights) -> float:
    """Return the weight of the tokens in addition to the other parts; 0 if their gain is within its standard error.

    `token_UM` is the log-probability of each candidate by the trie-guided generator, of the first users alone.
    """
    num_users = len(token_UM)
    base_UM = candidates.entity[:num_users]
    if weights.co_occurrence > 0.0:
        base_UM = base_UM + np.float32(weights.co_occurrence) * candidates.log_counts[weights.history_decay][:num_users]
    _, weight = _best_weight(base_UM.astype(np.float32), {0.0: token_UM}, candidates.is_target[:num_users])
    return weight


def ndcg_of(score_UM: Floats, is_target_UM: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return each user's NDCG@10 (U); the target loses every tie, and a user without it among the candidates gets 0."""
    target_U = np.where(is_target_UM, score_UM, -np.inf).max(axis=1)
    rank_U = (score_UM >= target_U[:, None]).sum(axis=1)
    counts_U = is_target_UM.any(axis=1) & (rank_U <= NDCG_K)
    return np.where(counts_U, 1.0 / np.log2(rank_U + 1.0), 0.0)


def _best_weight(
    base_UM: Floats, variants: Mapping[float, Floats], is_target_UM: npt.NDArray[np.bool_]
) -> tuple[float, float]:
    """Return the best variant of a part, and its weight when added to the base.

    The weight is 0 where its gain is not above the gain's standard error.
    """
    if base_UM.size == 0:
        return 0.0, 0.0
    without_U = ndcg_of(base_UM, is_target_UM)
    best, best_U = (0.0, 0.0), without_U
    for variant, part_UM in variants.items():
        for weight in WEIGHTS:
            gains_U = ndcg_of((base_UM + np.float32(weight) * part_UM).astype(np.float32), is_target_UM)
            if gains_U.mean() > best_U.mean():
                best, best_U = (variant, weight), gains_U
    gain_U = best_U - without_U
    standard_error = gain_U.std(ddof=1) / np.sqrt(len(gain_U)) if len(gain_U) > 1 else np.inf
    # a gain of a single user equals its standard error, whatever rounding says
    return best if gain_U.mean() > standard_error * (1.0 + 1e-9) else (0.0, 0.0)
