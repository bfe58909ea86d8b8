"""Searches under caps: the greedy choice over all items, made without scoring all items.

An item is settled once no unexpanded node can hold a better one, or one that ties with it. Settled items are offered to the
greedy choice in order of score, so the choice is final. A group that became full takes its items from the request, and the
nodes above such items alone are dropped. What is not settled may still be displaced. Where no item counts for two groups,
that only makes the answer better, so a node below the last item of the answer so far is dropped, too. Where groups overlap,
one item can displace two and let in a worse one; then such a node is passed over, but kept.

Shape suffixes: R = requests, M = new items of the request that has most, I = items in trie order.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recsys_model.decoding.caps import NO_ITEMS, NOTHING, CappedChoice, Pairs, RankedItems
from recsys_model.decoding.exact import NODES_TOGETHER, Certificate, Frontier
from recsys_model.decoding.expansion import Expansion
from recsys_model.decoding.hypotheses import DEAD, LAST_INDEX, first_beams, sort_keys
from recsys_model.decoding.item_lists import ItemLists
from recsys_model.decoding.item_scores import best_items

READ_TOGETHER = 4
"""Items that are read at a time, in multiples of those that are still missing: more are sorted in vain, fewer are read again
once the groups that became full are taken out, which costs more."""


class CappedItems:
    """The finished items of all requests that are not settled yet, and the choices that they are offered to."""

    def __init__(self, choices: Sequence[CappedChoice], device: torch.device, *, is_exact: bool) -> None:
        """Take a choice per request; unless `is_exact`, nodes are dropped by the answer so far even where groups overlap."""
        self.choices = choices
        """What each request gets."""
        self._device = device
        drops = [not (is_exact and choice.has_overlapping_groups) for choice in choices]
        self._drops_R = torch.tensor(drops, dtype=torch.bool, device=device)
        self._pending = [NO_ITEMS] * len(choices)
        self._worst: list[float | None] = [DEAD] * len(choices)

    def add(self, request_R: Tensor, score_RM: Tensor, item_RM: Tensor) -> Tensor:
        """Add items (score `DEAD`: none); return the sort key that a node of each of these requests must exceed."""
        row, column = (score_RM > DEAD).nonzero(as_tuple=True)
        score_X, item_X = (each_RM[row, column].cpu().numpy() for each_RM in (score_RM, item_RM))
        stop_R = torch.searchsorted(row, torch.arange(len(request_R), device=row.device), right=True).tolist()
        start = 0
        for request, stop in zip(request_R.tolist(), stop_R, strict=True):
            if stop > start:
                new = RankedItems.sorted(item_X[start:stop], score_X[start:stop])
                self._pending[request] = self._pending[request].merged(new)
                self._worst[request] = None
            start = stop
        return self.worst_keys()[request_R]

    def worst_scores(self) -> Tensor:
        """Return the score of each request's last item if no better one came, `DEAD` if it has too few, [R]."""
        for request, worst in enumerate(self._worst):
            if worst is None:
                choice = self.choices[request].copy()
                choice.offer(self._pending[request])
                self._worst[request] = choice.items[-1][1] if choice.is_complete else DEAD
        return torch.tensor(self._worst, device=self._device)

    def worst_keys(self) -> Tensor:
        """Return the sort key that a node must exceed; every node that ties with the last item does, [R]."""
        worst_R = self.worst_scores().where(self._drops_R, DEAD)
        return sort_keys(worst_R, torch.full_like(worst_R, LAST_INDEX, dtype=torch.int64))

    def settle(self, request: int, bound: float = DEAD) -> npt.NDArray[np.int64]:
        """Offer the items above `bound`, which no further item reaches; return the items of groups that became full.

        A complete choice forbids nothing any more.
        """
        choice, pending = self.choices[request], self._pending[request]
        num_settled = pending.num_above(bound)
        if not num_settled:
            return NOTHING
        choice.offer(pending.first(num_settled))
        forbidden = NOTHING if choice.is_complete else choice.take_forbidden()
        self._pending[request] = pending.behind(num_settled, forbidden)
        return forbidden


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
        frontier.push(candidates, num_slots, finished.worst_keys()[beams.requests])
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
        item_X, score_X = (np.array(column) for column in zip(*pairs, strict=True))
        choice.offer(RankedItems(item_X, score_X))
        if choice.is_complete:
            return choice.items
        score_I[lists.rows_of(np.concatenate([item_X, choice.take_forbidden()]))] = DEAD
