"""State of a beam search: live beams, finished items, and the choice of the next beams.

Scores may tie. Every choice is by score and then by catalogue index, lower first, so an answer of k items is the beginning of
the answer of k + 1 items. A node stands at the lowest catalogue index below it, excluded items included.

Shape suffixes: R = requests, W = beams of a request, M = candidates of the request that has most,
K = requested items, G = entries that belong to groups, X = any entries.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

DEAD = float("-inf")
"""Score of a slot that holds nothing."""
INDEX_BITS = 32
"""Low bits of a sort key that hold an index."""
LAST_INDEX = (1 << INDEX_BITS) - 1
"""An index that stands behind all others."""


@dataclass(frozen=True, slots=True)
class Beams:
    """The beams of the requests that are still searching, best first; a dead slot has score `DEAD` and node 0."""

    requests: Tensor
    """Index of each request among all prompts of the call, [R]."""
    nodes: Tensor
    """Node of the item trie that each beam has reached, [R, W]."""
    scores: Tensor
    """Sum of log-probabilities so far, [R, W]."""
    parents: Tensor
    """The parent of each beam among the beams of the previous step, [R, W]."""

    def keep_requests(self, kept_R: Tensor) -> "Beams":
        """Return the beams of the requests at the indices `kept_R`."""
        return Beams(self.requests[kept_R], self.nodes[kept_R], self.scores[kept_R], self.parents[kept_R])


@dataclass(frozen=True, slots=True)
class Candidates:
    """Children that may be entered next, request by request."""

    scores: Tensor
    """Score of the path that ends with the child's first token, `DEAD` without one, [R, M]."""
    nodes: Tensor
    """The child's node, [R, M]."""
    slots: Tensor
    """The beam that it continues, [R, M]."""
    items: Tensor
    """The lowest catalogue index below the child, [R, M]."""


def sort_keys(score_X: Tensor, index_X: Tensor) -> Tensor:
    """Return int64 keys that are larger the earlier an entry comes: by score, then by index, lower first.

    Args:
        score_X: Scores, compared as float32.
        index_X: Whole numbers from 0 to `LAST_INDEX`, of the same shape or one that broadcasts.

    Example:
        >>> sort_keys(torch.tensor([-0.5, -0.25, -0.5]), torch.tensor([4, 9, 2])).argsort(descending=True).tolist()
        [1, 2, 0]
    """
    # 0.0 is added because -0.0 has other bits than 0.0; the bits of negative floats ascend as the numbers descend
    bits_X = (score_X.float() + 0.0).view(torch.int32)
    ascending_X = torch.where(bits_X < 0, bits_X ^ 0x7FFFFFFF, bits_X).long()
    return (ascending_X << INDEX_BITS) + (LAST_INDEX - index_X.long())


def first_beams(num_requests: int, device: torch.device) -> Beams:
    """Return one beam at the root for each request."""
    root_RW = torch.zeros((num_requests, 1), dtype=torch.int64, device=device)
    return Beams(torch.arange(num_requests, device=device), root_RW, root_RW.float(), root_RW)


def best_beams(request_R: Tensor, candidates: Candidates, max_beams: int) -> Beams:
    """Return the best `max_beams` candidates of each request, without slots that are dead in all requests."""
    key_RM = sort_keys(candidates.scores, candidates.items)
    index_RW = key_RM.topk(min(max_beams, key_RM.shape[1]), dim=1).indices
    score_RW = candidates.scores.gather(1, index_RW)
    num_beams = int((score_RW > DEAD).sum(dim=1).max())
    score_RW, index_RW = score_RW[:, :num_beams], index_RW[:, :num_beams]
    alive_RW = score_RW > DEAD
    node_RW = candidates.nodes.gather(1, index_RW).where(alive_RW, 0)
    parent_RW = candidates.slots.gather(1, index_RW).where(alive_RW, 0)
    return Beams(request_R, node_RW, score_RW, parent_RW)


class FinishedItems(Protocol):
    """The finished items of the requests of a search."""

    def add(self, request_R: Tensor, score_RM: Tensor, item_RM: Tensor) -> Tensor:
        """Add items (score `DEAD`: none); return the sort key that a node of each of these requests must exceed, [R]."""
        ...

    def worst_scores(self) -> Tensor:
        """Return for every request the score below which no further item enters the answer as it is now, [R]."""
        ...

    def worst_keys(self) -> Tensor:
        """Return for every request the sort key that a node must exceed, [R]."""
        ...


class Finished:
    """The best `k` finished items of each request so far."""

    def __init__(self, num_requests: int, k: int, device: torch.device) -> None:
        self._score_RK = torch.full((num_requests, k), DEAD, device=device)
        self._item_RK = torch.zeros((num_requests, k), dtype=torch.int64, device=device)

    def add(self, request_R: Tensor, score_RM: Tensor, item_RM: Tensor) -> Tensor:
        """Add items (score `DEAD`: none) and return the `worst_keys` of these requests."""
        scores_RX = torch.cat([self._score_RK[request_R], score_RM], dim=1)
        items_RX = torch.cat([self._item_RK[request_R], item_RM], dim=1)
        best = sort_keys(scores_RX, items_RX).topk(self._score_RK.shape[1], dim=1)
        self._score_RK[request_R] = scores_RX.gather(1, best.indices)
        self._item_RK[request_R] = items_RX.gather(1, best.indices)
        return best.values[:, -1]

    def worst_keys(self) -> Tensor:
        """Return the sort key of each request's k-th best item, one of `DEAD` if it has fewer items, [R]."""
        return sort_keys(self._score_RK[:, -1], self._item_RK[:, -1])

    def worst_scores(self) -> Tensor:
        """Return each request's k-th best score, `DEAD` if it has fewer items, [R]."""
        return self._score_RK[:, -1]

    def as_lists(self) -> list[list[tuple[int, float]]]:
        """Return (item, score) per request, best first; of equal scores the lower item index comes first."""
        rows = zip(self._item_RK.tolist(), self._score_RK.tolist(), strict=True)
        return [[pair for pair in zip(items, scores, strict=True) if pair[1] > DEAD] for items, scores in rows]


def rank_in_group(group_G: Tensor, num_groups: int) -> Tensor:
    """Number the entries of each group from 0; groups are ascending.

    >>> rank_in_group(torch.tensor([0, 0, 2, 2, 2]), 3).tolist()
    [0, 1, 0, 1, 2]
    """
    counts = torch.bincount(group_G, minlength=num_groups)
    first = counts.cumsum(0) - counts
    return torch.arange(len(group_G), device=group_G.device) - first[group_G]
