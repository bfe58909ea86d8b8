"""Searches under caps: the greedy choice over all items, made without scoring all items.

An item is settled once no unexpanded node can hold a better one, or one that ties with it. Settled items are offered to the
greedy choice in order of score, so the choice is final. A group that became full takes its items from the request, and the
nodes above such items alone are dropped. What is not settled may still be displaced, and with several caps a displaced item
can let in a worse one; so a node is passed over while it cannot change the answer, but it is kept.

Shape suffixes: R = requests, M = new items of the request that has most, I = items in trie order.
"""

import bisect
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recsys_model.decoding.caps import NOTHING, CappedChoice, Pairs
from recsys_model.decoding.exact import NODES_TOGETHER, Certificate, Frontier
from recsys_model.decoding.expansion import Expansion
from recsys_model.decoding.hypotheses import DEAD, first_beams
from recsys_model.decoding.item_lists import ItemLists
from recsys_model.decoding.item_scores import best_items

READ_TOGETHER = 4
"""Items that are read at a time, in multiples of those that are still missing: more are sorted in vain, fewer are read again
once the groups that became full are taken out, which costs more."""


class CappedItems:
    """The finished items of all requests that are not settled yet, and the choices that they are offered to."""

    def __init__(self, choices: Sequence[CappedChoice], device: torch.device, *, bounds_nodes: bool) -> None:
        """Take a choice per request; with `bounds_nodes` nodes that cannot improve the answer so far are dropped for good."""
        self.choices = choices
        """What each request gets."""
        self._device = device
        self._bounds_nodes = bounds_nodes
        self._pending: list[list[tuple[float, int]]] = [[] for _ in choices]
        self._worst = [DEAD] * len(choices)

    def add(self, request_R: Tensor, score_RM: Tensor, item_RM: Tensor) -> Tensor:
        """Add items (score `DEAD`: none); return for each of these requests the score below which nodes are dropped."""
        row, column = (score_RM > DEAD).nonzero(as_tuple=True)
        columns = (request_R[row].tolist(), (-score_RM[row, column]).tolist(), item_RM[row, column].tolist())
        for request, negative, item in zip(*columns, strict=True):
            self._pending[request].append((negative, item))
        for request in set(columns[0]):
            self._pending[request].sort()
            self._worst[request] = self._worst_of(request)
        return self.worst_scores()[request_R] if self._bounds_nodes else score_RM.new_full((len(request_R),), DEAD)

    def worst_scores(self) -> Tensor:
        """Return the score of each request's last item if no better one came, `DEAD` if it has too few, [R]."""
        return torch.tensor(self._worst, device=self._device)

    def settle(self, request: int, bound: float = DEAD) -> npt.NDArray[np.int64]:
        """Offer the items above `bound`, which no further item reaches; return the items of groups that became full.

        A complete choice forbids nothing any more.
        """
        choice, pending = self.choices[request], self._pending[request]
        num_settled = bisect.bisect_left(pending, (-bound, -1))
        choice.offer(_pairs(pending[:num_settled]))
        rest = pending[num_settled:]
        forbidden = NOTHING if choice.is_complete else choice.take_forbidden()
        if len(forbidden):
            is_gone = np.isin([item for _, item in rest], forbidden).tolist()
            rest = [pair for pair, gone in zip(rest, is_gone, strict=True) if not gone]
        self._pending[request] = rest
        return forbidden

    def _worst_of(self, request: int) -> float:
        choice = self.choices[request].copy()
        choice.offer(_pairs(self._pending[request]))
        return choice.items[-1][1] if choice.is_complete else DEAD


def _pairs(pending: Sequence[tuple[float, int]]) -> Pairs:
    return [(item, -negative) for negative, item in pending]


def capped_best_first(
    expansion: Expansion, finished: CappedItems, num_requests: int, max_expansions: int
) -> list[Certificate]:
    """Expand until every request's items are settled, or `max_expansions` nodes of a request were expanded."""
    frontier = Frontier(first_beams(num_requests, expansion.device))
    expanded_R = torch.zeros(num_requests, dtype=torch.int64, device=expansion.device)
    certificates: dict[int, Certificate] = {}
    num_slots = 0
    while len(frontier.requests):
        room = max_expansions - int(expanded_R[frontier.requests].max())
        beams = frontier.pop(min(NODES_TOGETHER, room), finished.worst_scores()[frontier.requests])
        candidates = expansion.expand(beams)
        expanded_R[beams.requests] += (beams.scores > DEAD).sum(dim=1)
        frontier.push(candidates, num_slots, torch.full_like(beams.scores[:, 0], DEAD))
        num_slots += beams.nodes.shape[1]
        _settle(frontier, finished, expansion)
        bounds, requests = frontier.highest_bounds().tolist(), frontier.requests.tolist()
        num_expanded = expanded_R[frontier.requests].tolist()
        is_open = []
        for request, bound, number in zip(requests, bounds, num_expanded, strict=True):
            is_done = finished.choices[request].is_complete or bound == DEAD
            is_open.append(not is_done and number < max_expansions)
            if not is_open[-1]:
                certificates[request] = _certify(finished, request, DEAD if is_done else bound, number)
        if not all(is_open):
            kept_R = torch.tensor(is_open, device=expansion.device).nonzero().squeeze(1)
            frontier.keep(kept_R)
            expansion.cache.keep_requests(kept_R)
    return [certificates[request] for request in range(num_requests)]


def _settle(frontier: Frontier, finished: CappedItems, expansion: Expansion) -> None:
    """Settle what can be; a full group takes nodes away, which can settle more."""
    while True:
        forbids = False
        bounds = frontier.highest_bounds().tolist()
        for request, bound in zip(frontier.requests.tolist(), bounds, strict=True):
            forbidden = finished.settle(request, bound)
            if len(forbidden):
                expansion.forbid(request, forbidden)
                forbids = True
        if not forbids:
            return
        frontier.keep_nodes(expansion.has_item)


def _certify(finished: CappedItems, request: int, bound: float, num_expanded: int) -> Certificate:
    """Complete the answer of a request that ends, with nodes left whose highest bound is `bound`; `DEAD` proves it."""
    choice = finished.choices[request]
    finished.settle(request)
    worst = choice.items[-1][1] if choice.is_complete else DEAD
    missing = bound - worst if bound > DEAD else 0.0
    return Certificate(max(bound, worst), missing, num_expanded, leaves_tie=bound == worst > DEAD)


def choose_from_scores(score_I: Tensor, items_I: Tensor, choice: CappedChoice, lists: ItemLists) -> Pairs:
    """Return the greedy choice from the scores of all items in trie order, `DEAD` for forbidden ones."""
    score_I = score_I.clone()
    while True:
        (pairs,) = best_items(score_I[None], items_I, READ_TOGETHER * choice.num_missing)
        if not pairs:
            return choice.items
        choice.offer(pairs)
        if choice.is_complete:
            return choice.items
        done = np.array([item for item, _ in pairs])
        score_I[lists.rows_of(np.concatenate([done, choice.take_forbidden()]))] = DEAD
