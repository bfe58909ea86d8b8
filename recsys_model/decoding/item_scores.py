"""Scores of whole items from one state per request: the entity head's, and its blend with tokens and co-occurrence.

Items are in trie order, so the items below a node are neighbours. The same scores give the best items directly, or the
probability of each child, node by node.

Shape suffixes: R = requests, I = items of the trie in its order, N = nodes of the trie, D = hidden size, X = entries.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from recsys_model.decoding.hypotheses import DEAD
from recsys_model.entities.token_trie import TokenTrie
from recsys_model.entity_config import BlendWeights
from recsys_model.entity_head.scorer import EntityScorer
from recsys_model.errors import ConfigError

SPARE = 16
"""Items read behind the best k, so that most ties with the k-th one are seen without a pass over all items."""


class ItemScores:
    """Scores the items of one trie."""

    def __init__(self, scorer: EntityScorer, trie: TokenTrie, *, blends: bool) -> None:
        """Prepare the scores of the entity head; with `blends` those of the blend.

        Raises:
            ConfigError: `blends` is set and the scorer has no weights.
        """
        blend = scorer.blend if blends else BlendWeights(token=0.0, entity=1.0, co_occurrence=0.0)
        if blend is None:
            raise ConfigError(
                "decoding.scoring blend needs the weights that a training finds on validation events, and the "
                "checkpoint has none; train with validation events, or set decoding.scoring to entity"
            )
        device = scorer.vectors.vectors.device
        self._blend = blend
        self._counts = scorer.counts
        self.items_I = torch.from_numpy(trie.items).to(device, torch.int64)
        """Catalogue index of each item."""
        self._vectors_ID = scorer.vectors.vectors[self.items_I]
        self._biases_I = scorer.vectors.biases[self.items_I]
        self._repeat_bias = scorer.vectors.repeat_bias
        self._row_of_item = torch.full((len(scorer.vectors.biases),), -1, device=device)
        self._row_of_item[self.items_I] = torch.arange(len(self.items_I), device=device)
        self._item_start_N = torch.from_numpy(trie.item_start).to(device, torch.int64)
        self._levels = _levels(trie, device)

    @property
    def token_weight(self) -> float:
        """Weight of the token scores; 0 needs no search."""
        return self._blend.token

    def score(self, hidden_RD: Tensor, histories: Sequence[Sequence[int]]) -> Tensor:
        """Return the token-independent part of every item's score, [R, I].

        `histories` are the catalogue indices of each request's history, the latest last.
        """
        if self._blend.entity > 0.0:
            score_RI = self.log_probs(hidden_RD, histories)
            score_RI = score_RI if self._blend.entity == 1.0 else score_RI.mul_(self._blend.entity)
        else:
            score_RI = torch.zeros((len(hidden_RD), len(self.items_I)), device=hidden_RD.device)
        if self._blend.co_occurrence > 0.0:
            for row, history in enumerate(histories):
                place_X, log_count_X = self.log_counts(history)
                score_RI[row, place_X] += self._blend.co_occurrence * log_count_X
        return score_RI

    @property
    def blend(self) -> BlendWeights:
        """Weights of the parts of a score."""
        return self._blend

    def log_probs(self, hidden_RD: Tensor, histories: Sequence[Sequence[int]]) -> Tensor:
        """Return the log-probability that the entity head gives every item, [R, I]."""
        score_RI = torch.addmm(self._biases_I, hidden_RD.float(), self._vectors_ID.T)
        shown = [(row, item) for row, history in enumerate(histories) for item in set(history)]
        if shown:
            row_X, item_X = torch.tensor(shown, device=score_RI.device).T
            place_X = self._row_of_item[item_X]
            is_present_X = place_X >= 0
            score_RI[row_X[is_present_X], place_X[is_present_X]] += self._repeat_bias
        return score_RI.log_softmax(dim=1)

    def log_counts(self, history: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return the items that co-occur with a history, as places in trie order, and log(1 + n) of each, [X]."""
        if self._counts is None:
            return self._row_of_item[:0], self._biases_I[:0]
        successors, log_counts = self._counts.after_history(history, self._blend.history_decay)
        place_X = self._row_of_item[torch.from_numpy(successors).to(self._row_of_item.device)]
        value_X = torch.from_numpy(log_counts).to(self._row_of_item.device)
        return place_X[place_X >= 0], value_X[place_X >= 0]

    def best_below(self, score_RI: Tensor) -> Tensor:
        """Return the highest score among the items below every node, [R, N]."""
        best_RN = score_RI[:, self._item_start_N]
        for children, parents in self._levels:
            # a copy, since torch does not read from and write to the same memory
            below_RX = best_RN[:, children].clone()
            best_RN.scatter_reduce_(1, parents.expand(len(best_RN), -1), below_RX, "amax")
        return best_RN


def child_log_probs(score_RI: Tensor, trie: TokenTrie) -> Tensor:
    """Return the log-probability of every node given its parent, as the items' scores imply it, [R, N]; 0 for the root.

    It is the entity head as a trie-guided generator: the sum along an item's path is its log-softmax over all items.
    Sums are made level by level from the leaves, each around its own largest score, so no item is too far below the
    best.
    """
    start_N = torch.from_numpy(trie.item_start).to(score_RI.device, torch.int64)
    total_RN = score_RI.double()[:, start_N]
    for children, parents in _levels(trie, score_RI.device):
        below_RX = total_RN[:, children]
        first = int(parents.min())
        place_X = (parents - first).expand(len(total_RN), -1)
        shape = (len(total_RN), int(parents.max()) - first + 1)
        largest_RP = below_RX.new_full(shape, -torch.inf).scatter_reduce(1, place_X, below_RX, "amax")
        shifted_RX = (below_RX - largest_RP.gather(1, place_X)).exp()
        sum_RP = below_RX.new_zeros(shape).scatter_add(1, place_X, shifted_RX)
        inner = parents.unique()
        total_RN[:, inner] = (largest_RP + sum_RP.log())[:, inner - first]
    parent_N = torch.from_numpy(np.maximum(trie.parents, 0)).to(score_RI.device, torch.int64)
    return total_RN - total_RN[:, parent_N]


def best_items(score_RI: Tensor, items_I: Tensor, k: int) -> list[list[tuple[int, float]]]:
    """Return (catalogue index, score) of each request's best k items; of equal scores the lower index comes first."""
    num_items = score_RI.shape[1]
    best = score_RI.topk(min(k + SPARE, num_items), dim=1)
    answers = []
    for score_I, scores, items in zip(score_RI, best.values.tolist(), items_I[best.indices].tolist(), strict=True):
        # the index decides among all ties with the k-th one, which may continue behind the items read
        if k < len(scores) < num_items and scores[-1] == scores[k - 1] > DEAD:
            place_X = (score_I >= scores[-1]).nonzero().squeeze(1)
            scores, items = score_I[place_X].tolist(), items_I[place_X].tolist()
        pairs = [(item, score) for item, score in zip(items, scores, strict=True) if score > DEAD]
        answers.append(sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:k])
    return answers


def _levels(trie: TokenTrie, device: torch.device) -> list[tuple[slice, Tensor]]:
    """Return the nodes of each level, the lowest first, and their parents; the root is no child."""
    levels: list[tuple[slice, Tensor]] = []
    start, stop = 1, int(trie.first_child[1])
    while start < stop:
        parents = torch.from_numpy(trie.parents[start:stop]).to(device, torch.int64)
        levels.append((slice(start, stop), parents))
        start, stop = stop, int(trie.first_child[stop])
    return levels[::-1]
