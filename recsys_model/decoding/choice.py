"""One of a few given answers: a rating, yes or no, one of some candidate items.

Every answer gets its exact log-probability; nothing is searched. The answers of a request form a small trie, all of
whose nodes of one depth are the beams of one step, so part A is encoded once and shared beginnings are fed once.
With `scoring: trie` the probabilities of a request's answers add up to 1, and a node with one answer below is final.

Shape suffixes: R = requests, W = open nodes of the request that has most, P = open nodes of one request,
C = children of these, N = nodes of its trie, D = hidden size.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from recsys_model.backbones.base import Backbone
from recsys_model.decoding.beam import node_intra_ids
from recsys_model.decoding.cache import BeamCache
from recsys_model.decoding.prompts import check_position_id, encode_prompts, padded
from recsys_model.decoding.scoring import ChildScorer, Scoring
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.errors import DataError
from recsys_model.infilling.example import PartA
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.text.tokenizer import SpecialTokens

Answers = Sequence[Sequence[int]]
"""Token ids of each possible answer of one request."""


class AnswerChooser:
    """Scores given answers; the model's weights may change between calls."""

    def __init__(
        self, model: Backbone, special: SpecialTokens, automaton: PositionAutomaton, scoring: Scoring = "trie"
    ) -> None:
        """Take the automaton of training."""
        self._model = model
        self._special = special
        self._automaton = automaton
        self._scoring: Scoring = scoring

    @torch.inference_mode()
    def log_probs(self, prompts: Sequence[PartA], answers: Sequence[Answers]) -> list[list[float]]:
        """Return for each prompt the log-probability of each of its answers, in their order.

        Raises:
            DataError: prompts and answers differ in number, or a prompt's answers are none, empty or not distinct.
            ConfigError: a prompt or an answer is too long for the model.
        """
        if len(prompts) != len(answers):
            raise DataError(f"every prompt needs its answers, got {len(prompts)} prompts and {len(answers)} sets")
        for entry, choices in enumerate(answers):
            _check_answers(entry, choices)
        if not prompts:
            return []
        trees = [AnswerTree(self._model, self._special, self._automaton, self._scoring, each) for each in answers]
        was_training = self._model.training
        self._model.eval()
        try:
            self._score(prompts, trees)
        finally:
            self._model.train(was_training)
        return [tree.scores() for tree in trees]

    def _score(self, prompts: Sequence[PartA], trees: "Sequence[AnswerTree]") -> None:
        """Feed the open nodes of all trees, depth by depth; a tree that has none is fed padding."""
        cache = BeamCache(encode_prompts(self._model, prompts, self._special))
        device = self._model.device
        inter_R1 = torch.tensor([[prompt.mask_position] for prompt in prompts], device=device)
        while any(tree.nodes for tree in trees):
            cache.advance(padded([tree.parents or [0] for tree in trees], 0, device))
            token_RW = padded([tree.tokens() or [self._special.pad] for tree in trees], self._special.pad, device)
            intra_RW = padded([tree.intra_ids() or [0] for tree in trees], 0, device)
            hidden_RWD = self._model.hidden_states(token_RW, inter_R1.expand_as(token_RW), intra_RW, cache)
            for tree, hidden_WD in zip(trees, hidden_RWD, strict=True):
                if tree.nodes:
                    tree.advance(hidden_WD[: len(tree.nodes)])


class AnswerTree:
    """The answers of one request, and how far they are scored: `nodes` are the open ones of one depth."""

    def __init__(
        self, model: Backbone, special: SpecialTokens, automaton: PositionAutomaton, scoring: Scoring, answers: Answers
    ) -> None:
        trie = build_token_trie(answers, special.end)
        self._trie = trie
        self._node_to_token = [special.start, *trie.tokens[1:].tolist()]
        self._node_to_intra_id = node_intra_ids(trie, automaton)
        self._scorer = ChildScorer(model, trie, scoring)
        is_leaf_N = trie.first_child[:-1] == trie.first_child[1:]
        is_decided_N = trie.item_end - trie.item_start == 1
        self._is_open_N = ~(is_decided_N if scoring == "trie" else is_leaf_N)
        self._item_to_score = np.zeros(len(answers))
        self._score_P = torch.zeros(1, device=model.device)
        self.nodes = [0] if self._is_open_N[0] else []
        self.parents = [0] if self.nodes else []
        check_position_id(model, max(self._node_to_intra_id), "the longest answer")

    def tokens(self) -> list[int]:
        """Return the token of each open node, `[S]` for the root."""
        return [self._node_to_token[node] for node in self.nodes]

    def intra_ids(self) -> list[int]:
        """Return the intra position id of each of these tokens."""
        return [self._node_to_intra_id[node] for node in self.nodes]

    def scores(self) -> list[float]:
        """Return the log-probability of every answer once no node is open."""
        return self._item_to_score.tolist()

    def advance(self, hidden_PD: Tensor) -> None:
        """Score the children of the open nodes; those that are open are the next ones."""
        children = self._scorer.expand(torch.tensor(self.nodes, device=hidden_PD.device))
        score_C = self._score_P[children.rows] + self._scorer.log_probs(hidden_PD, children)
        node_C = children.nodes.cpu().numpy()
        is_open_C = self._is_open_N[node_C]
        final_C = ~is_open_C
        self._item_to_score[self._trie.items[self._trie.item_start[node_C[final_C]]]] = score_C.cpu().numpy()[final_C]
        self.nodes = node_C[is_open_C].tolist()
        self.parents = children.rows.cpu().numpy()[is_open_C].tolist()
        self._score_P = score_C[torch.from_numpy(is_open_C).to(score_C.device)]


def _check_answers(entry: int, answers: Answers) -> None:
    if not answers:
        raise DataError(f"answers: entry {entry} must have an answer to choose, got none")
    counts = Counter(map(tuple, answers))
    token_ids, count = counts.most_common(1)[0]
    if count > 1:
        raise DataError(f"answers: entry {entry} must have distinct answers, got {token_ids} more than once")


def expected_value(log_probs: Sequence[float], values: Sequence[float]) -> float:
    """Return the mean of the values under the answers' probabilities, normalised to add up to 1.

    For ratings it is what minimises the expected squared error, where the likeliest answer is a whole number.

    Example:
        >>> round(expected_value([-2.0, -2.0], [1.0, 5.0]), 6)
        3.0
    """
    weights = np.exp(np.asarray(log_probs) - max(log_probs))
    return float(weights @ np.asarray(values) / weights.sum())
