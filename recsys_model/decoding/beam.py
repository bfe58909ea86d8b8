"""Beam search over the item trie.

All requests of a call advance in lockstep, one decision a step: a beam enters a node of the compressed trie and is fed
the node's whole label at once. Every log-probability is at most 0, so a beam's score bounds all items below it: a beam
that cannot beat the k-th best finished item is dropped. Finished items are kept apart from the beams, and a subtree
that holds only excluded items is never entered. So every beam leads to an item, and `min(k, items left)` items come
back.

Shape suffixes: R = requests.
"""

from recsys_model.decoding.cache import BeamCache
from recsys_model.decoding.expansion import Expansion
from recsys_model.decoding.hypotheses import DEAD, Beams, best_beams, first_beams


def beam_search(expansion: Expansion, num_requests: int, num_beams: int) -> None:
    """Advance `num_beams` beams per request until none can improve its items; the result is in `expansion.finished`."""
    beams = first_beams(num_requests, expansion.device)
    while beams.nodes.numel():
        candidates = expansion.expand(beams)
        if candidates is None:
            return
        beams = best_beams(beams.requests, candidates, num_beams)
        beams = _without_done_requests(beams, expansion.cache)


def _without_done_requests(beams: Beams, cache: BeamCache) -> Beams:
    """Drop requests without a beam once they are half of all, since copying the others is not free."""
    if not beams.nodes.numel():
        return beams
    kept_R = (beams.scores[:, 0] > DEAD).nonzero().squeeze(1)
    if 2 * len(kept_R) > len(beams.scores):
        return beams
    cache.keep_requests(kept_R)
    return beams.keep_requests(kept_R)
