"""The tokens that are fed when a beam enters a node of the item trie: its whole label in one pass.

The root's label begins with `[S]`. The `[E]` at the end of a leaf's label is only a target. The tokens behind `[S]` on
the way to an item never leave the entity pool, so the position automaton counts through: the intra position id of a
token is one more than that of the token before it, in every mode (a property test checks whole catalogues).

Shape suffixes: R = requests, W = beams of a request, Q = tokens of all beams of a request, F = forced tokens, N =
nodes.
"""

import torch
from torch import Tensor

from recsys_model.backbones.base import Backbone
from recsys_model.config import Scoring
from recsys_model.decoding.cache import Layout
from recsys_model.decoding.scoring import target_log_probs
from recsys_model.entities.token_trie import TokenTrie


class Edges:
    """The labels of a trie, ready to be fed, on the device of a model."""

    def __init__(self, model: Backbone, trie: TokenTrie, start: int, scoring: Scoring) -> None:
        """Take the trie; `start` is `[S]`."""
        device = model.device
        label_start_N = torch.from_numpy(trie.label_start).to(device, torch.int64)
        is_root_N = torch.arange(trie.num_nodes, device=device) == 0
        self._model = model
        self._scoring: Scoring = scoring
        self._token_T = torch.cat([torch.tensor([start]), torch.from_numpy(trie.labels).long()]).to(device)
        self._start_N = torch.where(is_root_N, 0, label_start_N[:-1] + 1)
        self._length_N = label_start_N.diff() + is_root_N
        self._intra_id_N = torch.where(is_root_N, 1, torch.from_numpy(trie.depths).to(device, torch.int64) + 2)
        first_child_N = torch.from_numpy(trie.first_child).to(device)
        self.is_leaf_N = first_child_N[1:] == first_child_N[:-1]
        """Whether one item ends there."""
        self.is_certain_N = self.is_leaf_N if scoring == "trie" else self.is_leaf_N & (self._length_N == 1)
        """Whether the score of the item is final once the node is chosen: no token below it is scored."""
        self.largest_intra_id = int((self._intra_id_N + self.num_tokens(torch.arange(len(self.is_leaf_N)))).max()) - 1
        """The largest intra position id of an item."""

    def num_tokens(self, node_X: Tensor) -> Tensor:
        """Return how many tokens are fed at each node."""
        return self._length_N[node_X] - self.is_leaf_N[node_X].long()

    def tokens(self, node_RW: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
        """Return tokens and intra position ids in their layout, [R, Q] each; values at padding are arbitrary."""
        node_RQ = node_RW.gather(1, layout.beams)
        place_RQ = layout.places.where(layout.is_token, 0)
        return self._token_T[self._start_N[node_RQ] + place_RQ], self._intra_id_N[node_RQ] + place_RQ

    def forced_log_probs(self, node_RW: Tensor, layout: Layout, hidden_RQD: Tensor) -> Tensor:
        """Return the log-probability of the tokens of each label behind its first one, [R, W].

        That is 0 with `scoring: trie`, where a token without an alternative is certain.
        """
        score_RW = torch.zeros(node_RW.shape, device=node_RW.device)
        if self._scoring == "trie":
            return score_RW
        node_RQ = node_RW.gather(1, layout.beams)
        forced_RQ = layout.is_token & (layout.places + 1 < self._length_N[node_RQ])
        node_F, place_F = node_RQ[forced_RQ], layout.places[forced_RQ]
        token_F = self._token_T[self._start_N[node_F] + place_F + 1]
        request_F = forced_RQ.nonzero()[:, 0]
        log_prob_F = target_log_probs(self._model, hidden_RQD[forced_RQ], token_F)
        return score_RW.index_put_((request_F, layout.beams[forced_RQ]), log_prob_F, accumulate=True)
