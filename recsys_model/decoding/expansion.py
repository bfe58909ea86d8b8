"""One step of any search over the item trie: feed the labels of some nodes, then score their children.

What is searched, and in which order, is left to `beam.py` and `exact.py`.

Shape suffixes: R = requests, W = nodes of a request, Q = tokens of all of these, P = inner nodes of all requests,
C = children of these, M = children of the request that has most, D = hidden size, N = nodes of the trie.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from recsys_model.backbones.base import Backbone
from recsys_model.decoding.cache import BeamCache, PartAEncoder
from recsys_model.decoding.edges import Edges
from recsys_model.decoding.hypotheses import DEAD, Beams, Candidates, Finished, rank_in_group
from recsys_model.decoding.item_lists import ItemFilter, ItemLists
from recsys_model.decoding.prompts import encode_prompts
from recsys_model.decoding.reuse import PartAStore
from recsys_model.decoding.scoring import ChildScorer, Scoring
from recsys_model.entities.cut_trie import cut_labels
from recsys_model.entities.token_trie import TokenTrie
from recsys_model.infilling.example import PartA
from recsys_model.text.tokenizer import SpecialTokens

MAX_LM_LABEL = 4
"""Tokens of a label that are fed in one pass with `scoring: lm`, where each one is scored against the whole vocabulary."""


class SearchSpace:
    """The items as a model can generate them."""

    def __init__(
        self,
        model: Backbone,
        trie: TokenTrie,
        special: SpecialTokens,
        scoring: Scoring,
        store: PartAStore | None = None,
        num_items: int | None = None,
    ) -> None:
        """Take the trie of a catalogue with `num_items` indices, by default as many as the trie has items."""
        self.model = model
        self.special = special
        self.store = store
        trie = trie if scoring == "trie" else cut_labels(trie, MAX_LM_LABEL)
        self.scorer = ChildScorer(model, trie, scoring)
        self.edges = Edges(model, trie, special.start, scoring)
        self.lists = ItemLists(trie, model.device, num_items)
        self.first_item_N = torch.from_numpy(trie.items[trie.item_start]).to(model.device, torch.int64)

    def encode(self, prompts: Sequence[PartA]) -> PartAEncoder:
        """Return the keys and values of part A of all prompts.

        Raises:
            ConfigError: a prompt is too long for the model.
        """
        return encode_prompts(self.model, prompts, self.special) if self.store is None else self.store.encode(prompts)


class Expansion:
    """The expansions of one call: what was fed so far, and the best items found."""

    def __init__(
        self,
        space: SearchSpace,
        prompts: Sequence[PartA],
        k: int,
        items: ItemFilter,
        *,
        keeps_beams: bool = False,
    ) -> None:
        """Encode the prompts; with `keeps_beams`, beams go on from any beam of the call, else from the last ones.

        Raises:
            ConfigError: a prompt is too long for the model.
        """
        self._space = space
        self._items = items
        self._inter_R = torch.tensor([prompt.mask_position for prompt in prompts], device=space.model.device)
        self.device = space.model.device
        self.cache = BeamCache(space.encode(prompts), keeps_beams=keeps_beams)
        self.finished = Finished(len(prompts), k, space.model.device)

    def expand(self, beams: Beams) -> Candidates | None:
        """Feed the beams' labels, keep the items that this decides, return what can still improve; None if nothing can."""
        beams, hidden_RWD = self._feed(beams)
        edges, num_beams = self._space.edges, beams.nodes.shape[1]
        is_leaf_RW = edges.is_leaf_N[beams.nodes]
        self._finish_leaves(beams, is_leaf_RW)
        slot_P = ((beams.scores > DEAD) & ~is_leaf_RW).flatten().nonzero().squeeze(1)
        if not len(slot_P):
            return None
        children = self._space.scorer.expand(beams.nodes.flatten()[slot_P])
        log_prob_C = self._space.scorer.log_probs(hidden_RWD.flatten(0, 1)[slot_P], children)
        slot_C = slot_P[children.rows]
        has_item_C = self._items.has_item(beams.requests[slot_C // num_beams], children.nodes)
        score_C = (beams.scores.flatten()[slot_C] + log_prob_C).where(has_item_C, DEAD)
        found = _by_request(score_C, children.nodes, slot_C, beams.nodes.shape)
        certain_RM = edges.is_certain_N[found.nodes]
        items_RM = self._space.first_item_N[found.nodes]
        bound_R = self.finished.add(beams.requests, found.scores.where(certain_RM, DEAD), items_RM)
        open_RM = ~certain_RM & (found.scores > bound_R[:, None])
        return Candidates(found.scores.where(open_RM, DEAD), found.nodes, found.slots)

    def _feed(self, beams: Beams) -> tuple[Beams, Tensor]:
        """Feed the labels of all beams; return the beams with these scored, and the state behind each label."""
        edges = self._space.edges
        length_RW = edges.num_tokens(beams.nodes).where(beams.scores > DEAD, 0)
        layout = self.cache.advance(beams.parents, length_RW)
        token_RQ, intra_RQ = edges.tokens(beams.nodes, layout)
        inter_RQ = self._inter_R[beams.requests, None].expand_as(token_RQ)
        hidden_RQD = self._space.model.hidden_states(token_RQ, inter_RQ, intra_RQ, self.cache)
        score_RW = beams.scores + edges.forced_log_probs(beams.nodes, layout, hidden_RQD)
        last_RWD = layout.last[:, :, None].expand(-1, -1, hidden_RQD.shape[2])
        return Beams(beams.requests, beams.nodes, score_RW, beams.parents), hidden_RQD.gather(1, last_RWD)

    def _finish_leaves(self, beams: Beams, is_leaf_RW: Tensor) -> None:
        request_RW = beams.requests[:, None].expand_as(beams.nodes)
        has_item_RW = self._items.has_item(request_RW.flatten(), beams.nodes.flatten()).reshape(beams.nodes.shape)
        score_RW = beams.scores.where(is_leaf_RW & has_item_RW, DEAD)
        self.finished.add(beams.requests, score_RW, self._space.first_item_N[beams.nodes])


def _by_request(score_C: Tensor, node_C: Tensor, slot_C: Tensor, shape_RW: torch.Size) -> Candidates:
    """Sort children, whose slots are ascending, into one row a request."""
    num_requests, num_beams = shape_RW
    request_C = slot_C // num_beams
    rank_C = rank_in_group(request_C, num_requests)
    slot_RM = slot_C.new_zeros((num_requests, int(rank_C.max()) + 1))
    node_RM, score_RM = torch.zeros_like(slot_RM), torch.full_like(slot_RM, DEAD, dtype=torch.float32)
    slot_RM[request_C, rank_C] = slot_C % num_beams
    node_RM[request_C, rank_C] = node_C
    score_RM[request_C, rank_C] = score_C
    return Candidates(score_RM, node_RM, slot_RM)
