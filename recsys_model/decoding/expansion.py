"""One step of any search over the item trie: feed the labels of some nodes, then score their children.

`beam.py` and `exact.py` decide which nodes are expanded, and in which order.

Shape suffixes: R = requests, W = nodes of a request, Q = tokens of all of these, P = inner nodes of all requests,
C = children of these, M = children of the request that has most, D = hidden size, N = nodes of the trie.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recsys_model.backbones.base import Backbone
from recsys_model.config import Scoring
from recsys_model.decoding.cache import BeamCache, PartAEncoder
from recsys_model.decoding.edges import Edges
from recsys_model.decoding.hypotheses import DEAD, Beams, Candidates, Finished, FinishedItems, rank_in_group, sort_keys
from recsys_model.decoding.item_lists import ItemFilter, ItemLists
from recsys_model.decoding.item_scores import ItemScores
from recsys_model.decoding.prefix_cache import PartACache
from recsys_model.decoding.prompts import Starts, encode_prompts
from recsys_model.decoding.scoring import ChildScorer
from recsys_model.entities.cut_trie import cut_labels
from recsys_model.entities.token_trie import TokenTrie
from recsys_model.entity_head.scorer import EntityScorer
from recsys_model.errors import ConfigError
from recsys_model.infilling.prompt import Prompt
from recsys_model.text.tokenizer import SpecialTokens

MAX_LM_LABEL = 4
"""Tokens of a label that are fed in one pass with `scoring: lm`, where each one is scored against the whole vocabulary."""


class SearchSpace:
    """The item trie of one model, with everything that scores it."""

    def __init__(
        self,
        model: Backbone,
        trie: TokenTrie,
        special: SpecialTokens,
        scoring: Scoring,
        prefix_cache: PartACache | None = None,
        num_items: int | None = None,
        scorer: EntityScorer | None = None,
        temperature: float = 1.0,
    ) -> None:
        """Take the trie of a catalogue with `num_items` indices, by default as many as the trie has items.

        Raises:
            ConfigError: the scoring needs an entity head or blend weights that the model does not have.
        """
        self.model = model
        self.vectors = None if scorer is None else scorer.vectors
        self.blends = scoring == "blend"
        """Whether a score has several parts."""
        self.item_scores: ItemScores | None = None
        """Scores of whole items, if the scoring uses them."""
        if scoring in ("entity", "blend"):
            if scorer is None:
                raise ConfigError(
                    f"decoding.scoring {scoring} needs a model with an entity head, and this one was trained without; "
                    "set decoding.scoring to trie, or train with entity.enabled"
                )
            self.item_scores = ItemScores(scorer, trie, blends=scoring == "blend")
            scoring = "trie"
        self.special = special
        self.prefix_cache = prefix_cache
        self.trie = trie
        self.scoring: Scoring = scoring
        """How tokens are scored: `trie` or `lm`."""
        self.temperature = temperature
        trie = trie if scoring == "trie" else cut_labels(trie, MAX_LM_LABEL)
        self.scorer = ChildScorer(model, trie, scoring, temperature)
        self.edges = Edges(model, trie, special.start, scoring)
        self.lists = ItemLists(trie, model.device, num_items)
        self.lowest_item_N = torch.from_numpy(trie.lowest_items()).to(model.device, torch.int64)
        """The lowest catalogue index below each node, which decides among nodes with equal scores."""

    def encode(self, prompts: Sequence[Prompt]) -> PartAEncoder:
        """Return the keys and values of all prompts.

        Raises:
            ConfigError: a prompt is too long for the model.
        """
        if self.prefix_cache is not None:
            return self.prefix_cache.encode(prompts)
        return encode_prompts(self.model, prompts, self.special, self.vectors)


class Expansion:
    """The state of one search: its cache and its best finished items."""

    def __init__(
        self,
        space: SearchSpace,
        prompts: Sequence[Prompt],
        items: ItemFilter,
        finished: FinishedItems | None = None,
        *,
        keeps_beams: bool = False,
        encoded: PartAEncoder | None = None,
    ) -> None:
        """Encode the prompts.

        Args:
            space: The item trie and what scores it.
            prompts: The prompt of each request.
            items: What each request may get.
            finished: Takes the items that are found; by default the best one of each request.
            keeps_beams: Every earlier beam can be a parent, else only those of the last step.
            encoded: Keys and values of the prompts, if they were encoded before.

        Raises:
            ConfigError: a prompt is too long for the model.
        """
        self._space = space
        self._items = items
        self._starts = Starts(prompts, space.model.device, space.vectors)
        self._histories = [prompt.history for prompt in prompts]
        self._best_RN: Tensor | None = None
        self.device = space.model.device
        self.cache = BeamCache(space.encode(prompts) if encoded is None else encoded, keeps_beams=keeps_beams)
        self.finished: FinishedItems = Finished(len(prompts), 1, space.model.device) if finished is None else finished

    def expand(self, beams: Beams) -> Candidates | None:
        """Feed the beams' labels, finish the decided items, return the open children, None if there are none."""
        # 1. feed: the state behind a label predicts the children of its node; a leaf has none, its item is finished
        is_first = self.cache.is_empty
        beams, hidden_RWD, first_RD = self._feed(beams)
        if is_first and self._space.item_scores is not None:
            beams = self._with_item_scores(beams, first_RD)
        edges, num_beams = self._space.edges, beams.nodes.shape[1]
        is_leaf_RW = edges.is_leaf_N[beams.nodes]
        self._finish_leaves(beams, is_leaf_RW)
        slot_P = ((beams.scores > DEAD) & ~is_leaf_RW).flatten().nonzero().squeeze(1)
        if not len(slot_P):
            return None
        # 2. score: parent + log-probability; a blend also adds the best item below the child minus the parent's
        children = self._space.scorer.expand(beams.nodes.flatten()[slot_P])
        log_prob_C = self._space.scorer.log_probs(hidden_RWD.flatten(0, 1)[slot_P], children)
        slot_C = slot_P[children.rows]
        request_C = beams.requests[slot_C // num_beams]
        has_item_C = self._items.has_item(request_C, children.nodes)
        if self._best_RN is not None and self._space.item_scores is not None:
            log_prob_C = self._space.item_scores.token_weight * log_prob_C
            parent_C = beams.nodes.flatten()[slot_C]
            log_prob_C += self._best_RN[request_C, children.nodes] - self._best_RN[request_C, parent_C]
        score_C = (beams.scores.flatten()[slot_C] + log_prob_C).where(has_item_C, DEAD)
        score_RM, node_RM, slot_RM = _by_request(score_C, children.nodes, slot_C, beams.nodes.shape)
        # 3. bound: certain children finish their items; an open child below the k-th best finished item can be dropped
        certain_RM, item_RM = edges.is_certain_N[node_RM], self._space.lowest_item_N[node_RM]
        bound_R = self.finished.add(beams.requests, score_RM.where(certain_RM, DEAD), item_RM)
        open_RM = ~certain_RM & (sort_keys(score_RM, item_RM) > bound_R[:, None])
        return Candidates(score_RM.where(open_RM, DEAD), node_RM, slot_RM, item_RM)

    def has_item(self, request_X: Tensor, node_X: Tensor) -> Tensor:
        """Return for each pair of request and node whether the request may get at least one item below."""
        return self._items.has_item(request_X, node_X)

    def forbid(self, request: int, items: npt.NDArray[np.int64]) -> None:
        """Take further catalogue indices from a request that has a mask; nodes above them alone are not entered any more."""
        self._items.forbid(request, self._space.lists.rows_of(items))

    def _with_item_scores(self, beams: Beams, first_RD: Tensor) -> Beams:
        """Score whole items, and begin with the best of these scores.

        From then on a step into a child adds `weight x log-probability` and the difference of the best item scores
        below child and parent. Neither is above 0, so a node's score still bounds all items below it.
        """
        item_scores = self._space.item_scores
        assert item_scores is not None, "only called where whole items are scored"
        score_RI = self._items.remove_from(item_scores.score(first_RD, self._histories))
        self._best_RN = item_scores.best_below(score_RI)
        return replace(beams, scores=self._best_RN[:, :1])

    def first_states(self) -> Tensor:
        """Feed the last `[S]` of every prompt and return the state that predicts an item, [R, D]."""
        request_R = torch.arange(len(self._histories), device=self.device)
        self.cache.advance(torch.zeros_like(request_R)[:, None])
        starts = self._starts
        hidden_R1D = self._space.model.hidden_states(
            torch.full_like(request_R, self._space.special.start)[:, None],
            starts.inter_R[:, None],
            torch.ones_like(request_R)[:, None],
            self.cache,
            starts.added_at(request_R, 1),
        )
        return hidden_R1D[:, 0]

    def score_items(self) -> Tensor:
        """Return the token-independent score of every item, `DEAD` for filtered items, [R, I]."""
        assert self._space.item_scores is not None, "only called where whole items are scored"
        return self._items.remove_from(self._space.item_scores.score(self.first_states(), self._histories))

    def _feed(self, beams: Beams) -> tuple[Beams, Tensor, Tensor]:
        """Feed the labels of all beams.

        Returns the scored beams, the state behind each label, and the state behind the first token.
        """
        edges = self._space.edges
        length_RW = edges.num_tokens(beams.nodes).where(beams.scores > DEAD, 0)
        is_first = self.cache.is_empty
        layout = self.cache.advance(beams.parents, length_RW)
        token_RQ, intra_RQ = edges.tokens(beams.nodes, layout)
        inter_RQ = self._starts.inter_R[beams.requests, None].expand_as(token_RQ)
        added_RQD = self._starts.added_at(beams.requests, token_RQ.shape[1]) if is_first else None
        hidden_RQD = self._space.model.hidden_states(token_RQ, inter_RQ, intra_RQ, self.cache, added_RQD)
        score_RW = beams.scores + edges.forced_log_probs(beams.nodes, layout, hidden_RQD)
        last_RWD = layout.last[:, :, None].expand(-1, -1, hidden_RQD.shape[2])
        beams = Beams(beams.requests, beams.nodes, score_RW, beams.parents)
        return beams, hidden_RQD.gather(1, last_RWD), hidden_RQD[:, 0]

    def _finish_leaves(self, beams: Beams, is_leaf_RW: Tensor) -> None:
        request_RW = beams.requests[:, None].expand_as(beams.nodes)
        has_item_RW = self._items.has_item(request_RW.flatten(), beams.nodes.flatten()).reshape(beams.nodes.shape)
        score_RW = beams.scores.where(is_leaf_RW & has_item_RW, DEAD)
        self.finished.add(beams.requests, score_RW, self._space.lowest_item_N[beams.nodes])


def _by_request(score_C: Tensor, node_C: Tensor, slot_C: Tensor, shape_RW: torch.Size) -> tuple[Tensor, Tensor, Tensor]:
    """Return scores, nodes and slots of children, whose slots are ascending, in one row per request, [R, M] each."""
    num_requests, num_beams = shape_RW
    request_C = slot_C // num_beams
    rank_C = rank_in_group(request_C, num_requests)
    slot_RM = slot_C.new_zeros((num_requests, int(rank_C.max()) + 1))
    node_RM, score_RM = torch.zeros_like(slot_RM), torch.full_like(slot_RM, DEAD, dtype=torch.float32)
    slot_RM[request_C, rank_C] = slot_C % num_beams
    node_RM[request_C, rank_C] = node_C
    score_RM[request_C, rank_C] = score_C
    return score_RM, node_RM, slot_RM
