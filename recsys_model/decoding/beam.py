"""Trie-guided beam search: the answer to a prompt is always an item of the catalogue.

All requests of a call advance in lockstep, one decision a step: a beam enters a node of the compressed trie and
is fed the node's whole label at once, whatever its length. Every log-probability is at most 0, so a beam's
score bounds all items below it: a beam that cannot beat the k-th best finished item is dropped. Finished items
are kept beside the beams, and a subtree that holds only excluded items is never entered; so every beam leads
to an item, no beam vanishes without leaving one, and `min(k, items left)` items come back.

Shape suffixes: R = requests, W = beams of a request, Q = tokens of all beams of a request, P = beams at inner nodes in
all requests, C = children of their nodes, M = children of the request that has most, D = hidden size, N = nodes.
"""

import dataclasses
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from recsys_model.backbones.base import Backbone
from recsys_model.config import DecodingConfig
from recsys_model.decoding.cache import BeamCache
from recsys_model.decoding.edges import Edges
from recsys_model.decoding.excluded import ExclusionCounter, ExclusionFilter
from recsys_model.decoding.hypotheses import DEAD, Beams, Finished, best_beams, first_beams, rank_in_group
from recsys_model.decoding.prompts import check_position_id, encode_prompts
from recsys_model.decoding.scoring import ChildScorer
from recsys_model.entities.catalog import Catalog
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.errors import ConfigError, DataError
from recsys_model.infilling.example import PartA
from recsys_model.text.tokenizer import SpecialTokens


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One item for one request."""

    item: int
    """Catalogue index."""
    score: float
    """Sum of the log-probabilities of its tokens and `[E]`, at most 0."""


class TrieGuidedGenerator:
    """Generates the best items of a catalogue for prompts; the model's weights may change between calls.

    `scoring: trie` renormalises each step over the children of the node in the trie of all items, excluded or not,
    so excluding an item does not change the scores of the others.
    """

    def __init__(
        self,
        model: Backbone,
        catalog: Catalog,
        special: SpecialTokens,
        config: DecodingConfig,
    ) -> None:
        """Compile the trie for the device that the model is on.

        Raises:
            ConfigError: an item has more tokens than the model has position ids.
            DataError: the catalogue is empty or two items have the same tokens.
        """
        trie = build_token_trie([item.token_ids for item in catalog.items], special.end)
        self._model = model
        self._special = special
        self._config = config
        self._device = model.device
        self._scorer = ChildScorer(model, trie, config.scoring)
        self._edges = Edges(model, trie, special.start, config.scoring)
        self._exclusions = ExclusionCounter(trie, model.device)
        self._first_item_N = torch.from_numpy(trie.items[trie.item_start]).to(model.device, torch.int64)
        check_position_id(model, self._edges.largest_intra_id, "the longest item")

    @torch.inference_mode()
    def recommend(
        self, prompts: Sequence[PartA], k: int, excluded: Sequence[Collection[int]] | None = None
    ) -> list[list[Recommendation]]:
        """Return for each prompt its best items, best first: distinct, none of them excluded.

        Each list has `min(k, items left)` entries; `excluded` gives the catalogue indices not wanted per prompt.
        All prompts are searched together, so memory grows with their number.

        Raises:
            ConfigError: `k` is below 1 or above the number of beams, or a prompt is too long for the model.
            DataError: `excluded` does not fit the prompts or the catalogue.
        """
        if not 1 <= k <= self._config.num_beams:
            raise ConfigError(
                f"k must be from 1 to decoding.num_beams ({self._config.num_beams}), got {k}; "
                "ask for fewer items or raise decoding.num_beams"
            )
        excluded = [()] * len(prompts) if excluded is None else excluded
        if len(excluded) != len(prompts):
            raise DataError(f"excluded must have one entry per prompt, got {len(excluded)} for {len(prompts)} prompts")
        if not prompts:
            return []
        was_training = self._model.training
        self._model.eval()
        try:
            finished = self._search(prompts, k, self._exclusions.filter_of(excluded))
        finally:
            self._model.train(was_training)
        return [[Recommendation(item, score) for item, score in pairs] for pairs in finished.as_lists()]

    def _search(self, prompts: Sequence[PartA], k: int, exclusion: ExclusionFilter) -> Finished:
        """Advance all beams until none can improve its request's items."""
        cache = BeamCache(encode_prompts(self._model, prompts, self._special))
        inter_R = torch.tensor([prompt.mask_position for prompt in prompts], device=self._device)
        finished = Finished(len(prompts), k, self._device)
        beams = first_beams(len(prompts), self._device)
        while beams.nodes.numel():
            beams, hidden_RWD = self._feed(beams, inter_R, cache)
            beams = self._step(beams, hidden_RWD, finished, exclusion)
            beams = _without_done_requests(beams, cache)
        return finished

    def _feed(self, beams: Beams, inter_R: Tensor, cache: BeamCache) -> tuple[Beams, Tensor]:
        """Feed the labels of all beams; return the beams with these scored, and the state behind each label."""
        length_RW = self._edges.num_tokens(beams.nodes).where(beams.scores > DEAD, 0)
        layout = cache.advance(beams.parents, length_RW)
        token_RQ, intra_RQ = self._edges.tokens(beams.nodes, layout)
        inter_RQ = inter_R[beams.requests, None].expand_as(token_RQ)
        hidden_RQD = self._model.hidden_states(token_RQ, inter_RQ, intra_RQ, cache)
        score_RW = beams.scores + self._edges.forced_log_probs(beams.nodes, layout, hidden_RQD)
        last_RWD = layout.last[:, :, None].expand(-1, -1, hidden_RQD.shape[2])
        return dataclasses.replace(beams, scores=score_RW), hidden_RQD.gather(1, last_RWD)

    def _step(self, beams: Beams, hidden_RWD: Tensor, finished: Finished, exclusion: ExclusionFilter) -> Beams:
        """Hand over the beams that end, score the children of the others and choose the next beams."""
        num_requests, num_beams = beams.nodes.shape
        is_leaf_RW = self._edges.is_leaf_N[beams.nodes]
        self._finish_leaves(beams, is_leaf_RW, finished, exclusion)
        slot_P = ((beams.scores > DEAD) & ~is_leaf_RW).flatten().nonzero().squeeze(1)
        if not len(slot_P):
            return beams.none()
        children = self._scorer.expand(beams.nodes.flatten()[slot_P])
        log_prob_C = self._scorer.log_probs(hidden_RWD.flatten(0, 1)[slot_P], children)
        slot_C = slot_P[children.rows]
        request_C = slot_C // num_beams
        has_item_C = exclusion.has_item(beams.requests[request_C], children.nodes)
        score_C = (beams.scores.flatten()[slot_C] + log_prob_C).where(has_item_C, DEAD)

        rank_C = rank_in_group(request_C, num_requests)
        slot_RM = slot_C.new_zeros((num_requests, int(rank_C.max()) + 1))
        node_RM, score_RM = torch.zeros_like(slot_RM), torch.full_like(slot_RM, DEAD, dtype=torch.float32)
        slot_RM[request_C, rank_C] = slot_C
        node_RM[request_C, rank_C] = children.nodes
        score_RM[request_C, rank_C] = score_C

        final_RM = self._edges.is_certain_N[node_RM]
        bound_R = finished.add(beams.requests, score_RM.where(final_RM, DEAD), self._first_item_N[node_RM])
        open_RM = ~final_RM & (score_RM > bound_R[:, None])
        parent_RM = slot_RM % num_beams
        return best_beams(beams.requests, score_RM.where(open_RM, DEAD), node_RM, parent_RM, self._config.num_beams)

    def _finish_leaves(self, beams: Beams, is_leaf_RW: Tensor, finished: Finished, exclusion: ExclusionFilter) -> None:
        request_RW = beams.requests[:, None].expand_as(beams.nodes)
        has_item_RW = exclusion.has_item(request_RW.flatten(), beams.nodes.flatten()).reshape(beams.nodes.shape)
        score_RW = beams.scores.where(is_leaf_RW & has_item_RW, DEAD)
        finished.add(beams.requests, score_RW, self._first_item_N[beams.nodes])


def _without_done_requests(beams: Beams, cache: BeamCache) -> Beams:
    """Drop requests that have no beam left, once they are half of all; copying the others has a price too."""
    if not beams.nodes.numel():
        return beams
    kept_R = (beams.scores[:, 0] > DEAD).nonzero().squeeze(1)
    if 2 * len(kept_R) > len(beams.scores):
        return beams
    cache.keep_requests(kept_R)
    return beams.keep_requests(kept_R)
