"""Best-first search over the item trie: the provably best items, with a certificate.

Every log-probability is at most 0, so the score of a node bounds every item below it. The nodes with the highest bounds
are expanded first, many at once. When no bound is above the k-th best finished item, the answer is proven; among equal scores the
lowest catalogue index below a node decides. A work limit ends the search early; the certificate then says how far off the answer could be.

Shape suffixes: R = requests, W = nodes that are expanded together, F = nodes waiting, M = new children.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from recsys_model.decoding.expansion import Expansion
from recsys_model.decoding.hypotheses import DEAD, Beams, Candidates, first_beams, sort_keys

NODES_TOGETHER = 32
"""Nodes of a request that are expanded in one forward pass: more of them waste work, fewer waste passes."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A bound on the items outside an answer."""

    bound: float
    """No item outside the answer that the rules would let in has a higher score than this; -inf if there is none."""
    missing: float
    """The bound minus the score of the last item: 0 if the answer is exact, inf if it has too few items."""
    num_expanded: int
    """Nodes of the trie that were expanded."""
    leaves_tie: bool = False
    """Whether an item that was not compared may tie with the last one and have a lower index."""

    @property
    def is_exact(self) -> bool:
        """Whether the answer holds the best items by score and index, proven."""
        return self.missing == 0.0 and not self.leaves_tie


class Frontier:
    """The unexpanded nodes of all requests that are still searching, in order of score and lowest index below them."""

    def __init__(self, beams: Beams) -> None:
        self.requests = beams.requests
        self._score_RF = beams.scores
        self._node_RF = beams.nodes
        self._slot_RF = beams.parents
        self._item_RF = torch.zeros_like(beams.nodes)

    def highest_bounds(self) -> Tensor:
        """Return the highest bound of each request, `DEAD` without a node, [R]."""
        return self._score_RF.amax(dim=1)

    def pop(self, num_nodes: int, lowest_R: Tensor | None = None) -> Beams:
        """Take out the nodes with the highest bounds; with `lowest_R` none whose bound is lower than this."""
        best = sort_keys(self._score_RF, self._item_RF).topk(min(num_nodes, self._score_RF.shape[1]), dim=1).indices
        scores, nodes, slots = (each.gather(1, best) for each in (self._score_RF, self._node_RF, self._slot_RF))
        alive = scores > DEAD
        if lowest_R is not None:
            alive &= scores >= lowest_R[:, None]
        self._score_RF = self._score_RF.scatter(1, best, scores.where(~alive, DEAD))
        return Beams(self.requests, nodes.where(alive, 0), scores.where(alive, DEAD), slots.where(alive, 0))

    def push(self, candidates: Candidates | None, num_slots: int, worst_R: Tensor) -> None:
        """Add nodes whose beams are counted from `num_slots` on, and drop nodes whose sort key is not above `worst_R`."""
        if candidates is not None:
            self._score_RF = torch.cat([self._score_RF, candidates.scores], dim=1)
            self._node_RF = torch.cat([self._node_RF, candidates.nodes], dim=1)
            self._slot_RF = torch.cat([self._slot_RF, candidates.slots + num_slots], dim=1)
            self._item_RF = torch.cat([self._item_RF, candidates.items], dim=1)
        key_RF = sort_keys(self._score_RF, self._item_RF)
        score_RF = self._score_RF.where(key_RF > worst_R[:, None], DEAD)
        best = score_RF.topk(max(1, int((score_RF > DEAD).sum(dim=1).max())), dim=1)
        self._score_RF = best.values
        self._node_RF, self._slot_RF, self._item_RF = (
            each.gather(1, best.indices) for each in (self._node_RF, self._slot_RF, self._item_RF)
        )

    def keep_nodes(self, is_kept: Callable[[Tensor, Tensor], Tensor]) -> None:
        """Drop the nodes for which the function of requests and nodes, [X] each, is false."""
        request_RF = self.requests[:, None].expand_as(self._node_RF)
        kept_RF = is_kept(request_RF.flatten(), self._node_RF.flatten()).view_as(self._node_RF)
        self._score_RF = self._score_RF.where(kept_RF, DEAD)

    def keep(self, kept_R: Tensor) -> None:
        """Drop all requests but those at the indices `kept_R`."""
        self.requests = self.requests[kept_R]
        self._score_RF, self._node_RF = self._score_RF[kept_R], self._node_RF[kept_R]
        self._slot_RF, self._item_RF = self._slot_RF[kept_R], self._item_RF[kept_R]


def best_first(expansion: Expansion, num_requests: int, max_expansions: int) -> list[Certificate]:
    """Expand until every request's items are proven best, or `max_expansions` nodes of a request were expanded."""
    frontier, finished = Frontier(first_beams(num_requests, expansion.device)), expansion.finished
    expanded_R = torch.zeros(num_requests, dtype=torch.int64, device=expansion.device)
    certificates: dict[int, Certificate] = {}
    num_slots = 0
    while len(frontier.requests):
        room = max_expansions - int(expanded_R[frontier.requests].max())
        beams = frontier.pop(min(NODES_TOGETHER, room))
        candidates = expansion.expand(beams)
        expanded_R[beams.requests] += (beams.scores > DEAD).sum(dim=1)
        worst_R = finished.worst_scores()[beams.requests]
        frontier.push(candidates, num_slots, finished.worst_keys()[beams.requests])
        num_slots += beams.nodes.shape[1]
        done_R = (frontier.highest_bounds() == DEAD) | (expanded_R[beams.requests] >= max_expansions)
        for row in done_R.nonzero().flatten().tolist():
            request = int(beams.requests[row])
            bound, worst = float(frontier.highest_bounds()[row]), float(worst_R[row])
            missing = bound - worst if bound > DEAD else 0.0
            leaves_tie = bound == worst > DEAD
            certificates[request] = Certificate(max(bound, worst), missing, int(expanded_R[request]), leaves_tie)
        if done_R.any():
            kept_R = (~done_R).nonzero().squeeze(1)
            frontier.keep(kept_R)
            expansion.cache.keep_requests(kept_R)
    return [certificates[request] for request in range(num_requests)]
