"""Score given answers: ratings, yes or no, candidate items.

Every answer gets its exact log-probability, without a search. The answers of a request form a small trie, and the nodes
of one level are the beams of one step. So part A is encoded once and shared beginnings are fed once. With `scoring:
trie` the probabilities of a request's answers add up to 1, and a leaf is not fed.

Shape suffixes: R = requests, W = open nodes of the request that has most, Q = tokens of these, P = open nodes of one
request, C = children of its inner ones, F = forced tokens, N = nodes of its trie, D = hidden size.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recsys_model.backbones.base import Backbone, evaluating
from recsys_model.config import Scoring
from recsys_model.decoding.cache import BeamCache
from recsys_model.decoding.prompts import Starts, check_position_id, encode_prompts, padded
from recsys_model.decoding.scoring import ChildScorer, target_log_probs
from recsys_model.entities.token_trie import TokenTrie, build_token_trie
from recsys_model.entity_head.vectors import ItemVectors
from recsys_model.errors import DataError
from recsys_model.infilling.positions import PositionAutomaton, PositionState
from recsys_model.infilling.prompt import Prompt
from recsys_model.text.tokenizer import SpecialTokens

Choices = Sequence[Sequence[int]]
"""Token ids of each possible answer of one request."""


class AnswerScorer:
    """Scores given answers; the model's weights may change between calls."""

    def __init__(
        self,
        model: Backbone,
        special: SpecialTokens,
        automaton: PositionAutomaton,
        scoring: Scoring = "trie",
        vectors: ItemVectors | None = None,
        temperature: float = 1.0,
    ) -> None:
        """Take the automaton of training, the vectors of the model's entity head, and `objective.trie_temperature`."""
        self._model = model
        self._vectors = vectors
        self._temperature = temperature
        self._special = special
        self._automaton = automaton
        self._scoring: Scoring = "lm" if scoring == "lm" else "trie"

    @torch.inference_mode()
    def log_probs(self, prompts: Sequence[Prompt], answers: Sequence[Choices]) -> list[list[float]]:
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
        trees = [
            AnswerTree(self._model, self._special, self._automaton, self._scoring, each, self._temperature)
            for each in answers
        ]
        with evaluating(self._model):
            self._score(prompts, trees)
        return [tree.scores() for tree in trees]

    def _score(self, prompts: Sequence[Prompt], trees: "Sequence[AnswerTree]") -> None:
        """Feed the labels of the open nodes of all trees, level by level; a tree that has none is fed padding."""
        cache = BeamCache(encode_prompts(self._model, prompts, self._special, self._vectors))
        device = self._model.device
        starts = Starts(prompts, device, self._vectors)
        inter_R1, request_R = starts.inter_R[:, None], torch.arange(len(prompts), device=device)
        while any(tree.nodes for tree in trees):
            length_RW = padded([tree.lengths() or [0] for tree in trees], 0, device)
            is_first = cache.is_empty
            cache.advance(padded([tree.parents or [0] for tree in trees], 0, device), length_RW)
            token_RQ = padded([tree.tokens() for tree in trees], self._special.pad, device)
            intra_RQ = padded([tree.intra_ids() for tree in trees], 0, device)
            added_RQD = starts.added_at(request_R, token_RQ.shape[1]) if is_first else None
            inter_RQ = inter_R1.expand_as(token_RQ)
            hidden_RQD = self._model.hidden_states(token_RQ, inter_RQ, intra_RQ, cache, added_RQD)
            for tree, hidden_QD in zip(trees, hidden_RQD, strict=True):
                if tree.nodes:
                    tree.advance(hidden_QD)


class AnswerTree:
    """The answers of one request as a trie, scored level by level; `nodes` are the open nodes of one level."""

    def __init__(
        self,
        model: Backbone,
        special: SpecialTokens,
        automaton: PositionAutomaton,
        scoring: Scoring,
        answers: Choices,
        temperature: float = 1.0,
    ) -> None:
        trie = build_token_trie(answers, special.end)
        self._model = model
        self._trie = trie
        self._is_leaf_N = trie.first_child[:-1] == trie.first_child[1:]
        self._node_to_fed, self._node_to_intra_ids = _fed(trie, special.start, automaton)
        self._scoring: Scoring = scoring
        self._scorer = ChildScorer(model, trie, scoring, temperature)
        self._item_to_score = np.zeros(len(answers))
        self._score_P = torch.zeros(1, device=model.device)
        self.nodes = [0] if scoring == "lm" or not self._is_leaf_N[0] else []
        self.parents = [0] if self.nodes else []
        check_position_id(model, max(max(ids, default=0) for ids in self._node_to_intra_ids), "the longest answer")

    def lengths(self) -> list[int]:
        """Return how many tokens of each open node are fed."""
        return [len(self._node_to_fed[node]) for node in self.nodes]

    def tokens(self) -> list[int]:
        """Return the tokens of the open nodes, one node after the other."""
        return [token for node in self.nodes for token in self._node_to_fed[node]]

    def intra_ids(self) -> list[int]:
        """Return the intra position id of each of these tokens."""
        return [intra_id for node in self.nodes for intra_id in self._node_to_intra_ids[node]]

    def scores(self) -> list[float]:
        """Return the log-probability of every answer once no node is open."""
        return self._item_to_score.tolist()

    def advance(self, hidden_QD: Tensor) -> None:
        """Score the labels of the open nodes, then their children; the inner children are the next open nodes."""
        # 1. labels: `lm` scores the tokens behind the first one; with `trie` these have no alternative and add 0
        score_P = self._score_P
        if self._scoring == "lm":
            score_P = score_P + self._forced_log_probs(hidden_QD)
        # 2. leaves: the score of a path that ends here is the log-probability of its answer
        is_leaf_P = self._is_leaf_N[self.nodes]
        self._keep(np.array(self.nodes)[is_leaf_P], score_P.cpu().numpy()[is_leaf_P])
        # 3. inner nodes: the state of the last token of a label scores the children, which are open next
        inner = np.flatnonzero(~is_leaf_P)
        last = np.cumsum(self.lengths())[inner] - 1
        inner_nodes = [self.nodes[index] for index in inner]
        self.nodes, self.parents = [], []
        if inner_nodes:
            self._open_children(inner_nodes, inner, score_P, hidden_QD[last])

    def _open_children(self, nodes: list[int], slots: NDArray[np.int64], score_P: Tensor, hidden_PD: Tensor) -> None:
        device = hidden_PD.device
        children = self._scorer.expand(torch.tensor(nodes, device=device))
        slot_C = torch.from_numpy(slots).to(device)[children.rows]
        score_C = score_P[slot_C] + self._scorer.log_probs(hidden_PD, children)
        node_C = children.nodes.cpu().numpy()
        is_final_C = self._is_leaf_N[node_C]
        if self._scoring == "lm":
            is_final_C = is_final_C & np.array([not self._node_to_fed[node] for node in node_C])
        self._keep(node_C[is_final_C], score_C.cpu().numpy()[is_final_C])
        self.nodes = node_C[~is_final_C].tolist()
        self.parents = slot_C.cpu().numpy()[~is_final_C].tolist()
        self._score_P = score_C[torch.from_numpy(~is_final_C).to(device)]

    def _forced_log_probs(self, hidden_QD: Tensor) -> Tensor:
        """Return for each open node the log-probability of its label behind the first token, [P]."""
        sources: list[int] = []
        targets: list[int] = []
        rows: list[int] = []
        first = 0
        for row, node in enumerate(self.nodes):
            fed = self._node_to_fed[node]
            following = self._trie.label(node).tolist()[0 if node == 0 else 1 :]
            sources += range(first, first + len(following))
            targets += following
            rows += [row] * len(following)
            first += len(fed)
        score_P = hidden_QD.new_zeros(len(self.nodes), dtype=torch.float32)
        if not sources:
            return score_P
        log_prob_F = target_log_probs(self._model, hidden_QD[sources], torch.tensor(targets, device=score_P.device))
        return score_P.index_add(0, torch.tensor(rows, device=score_P.device), log_prob_F)

    def _keep(self, node_X: NDArray[np.int64], score_X: NDArray[np.float32]) -> None:
        self._item_to_score[self._trie.items[self._trie.item_start[node_X]]] = score_X


def _fed(trie: TokenTrie, start: int, automaton: PositionAutomaton) -> tuple[list[list[int]], list[list[int]]]:
    """Return the fed tokens of each node and their intra position ids: `[S]` first at the root, `[E]` never.

    Answers need not be entities, so the position automaton numbers their tokens.
    """
    states: list[PositionState] = []
    fed: list[list[int]] = []
    intra_ids: list[list[int]] = []
    for node in range(trie.num_nodes):
        state = automaton.start() if node == 0 else states[trie.parents[node]]
        tokens = trie.label(node).tolist()
        if trie.leaf_item(node) is not None:
            tokens = tokens[:-1]
        ids = [state.position] if node == 0 else []
        for token in tokens:
            state = automaton.feed(state, token)
            ids.append(state.position)
        states.append(state)
        fed.append([start, *tokens] if node == 0 else tokens)
        intra_ids.append(ids)
    return fed, intra_ids


def _check_answers(entry: int, answers: Choices) -> None:
    if not answers:
        raise DataError(f"answers: entry {entry} must have an answer to choose, got none")
    counts = Counter(map(tuple, answers))
    token_ids, count = counts.most_common(1)[0]
    if count > 1:
        raise DataError(f"answers: entry {entry} must have distinct answers, got {token_ids} more than once")


def expected_value(log_probs: Sequence[float], values: Sequence[float]) -> float:
    """Return the mean of the values under the answers' probabilities, normalised to add up to 1.

    For ratings it minimises the expected squared error.

    Example:
        >>> round(expected_value([-2.0, -2.0], [1.0, 5.0]), 6)
        3.0
    """
    weights = np.exp(np.asarray(log_probs) - max(log_probs))
    return float(weights @ np.asarray(values) / weights.sum())


def most_likely_value(log_probs: Sequence[float], values: Sequence[float]) -> float:
    """Return the value of the most probable answer, of equally probable ones the first: what greedy generation answers.

    Example:
        >>> most_likely_value([-2.0, -0.5, -0.5], [1.0, 3.0, 5.0])
        3.0
    """
    return values[int(np.argmax(log_probs))]
