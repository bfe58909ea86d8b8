"""A tree of items with given scores in place of a model that scores a trie, for searches that many steps and ties test."""

import numpy as np
import torch

from recsys_model.decoding.hypotheses import DEAD, Beams, Candidates, FinishedItems, sort_keys
from recsys_model.decoding.item_lists import ItemLists
from recsys_model.entities.token_trie import build_token_trie

CPU = torch.device("cpu")


class Tree:
    """Nodes with whole numbers as steps from parent to child; it stands in for a model that scores a trie."""

    def __init__(self, sequences, steps, num_requests):
        self.trie = build_token_trie(sequences, end=9)
        below = [
            self.trie.items[start:end] for start, end in zip(self.trie.item_start, self.trie.item_end, strict=True)
        ]
        self.lowest_item_N = torch.tensor([min(items) for items in below])
        self.lists = ItemLists(self.trie, CPU)
        self.device = CPU
        self.finished: FinishedItems | None = None
        self.cache = self
        mask = np.ones(len(sequences), dtype=bool)
        self._items = self.lists.filter_of([()] * num_requests, None, [mask] * num_requests)
        self.scores = [0.0]
        for node in range(1, self.trie.num_nodes):
            self.scores.append(self.scores[int(self.trie.parents[node])] - steps[node % len(steps)])
        leaves = {self.trie.leaf_item(node): node for node in self.trie.leaves().tolist()}
        self.item_scores = [self.scores[leaves[item]] for item in range(len(sequences))]

    def keep_requests(self, kept_R):
        pass

    def has_item(self, request_X, node_X):
        return self._items.has_item(request_X, node_X)

    def forbid(self, request, items):
        self._items.forbid(request, self.lists.rows_of(items))

    def expand(self, beams: Beams) -> Candidates | None:
        rows = [[] for _ in beams.nodes]
        for row, (nodes, scores) in enumerate(zip(beams.nodes.tolist(), beams.scores.tolist(), strict=True)):
            for slot, (node, score) in enumerate(zip(nodes, scores, strict=True)):
                if score > DEAD:
                    assert score == self.scores[node]
                    rows[row] += [(child, slot) for child in self.trie.children(node)[1].tolist()]
        width = max(map(len, rows))
        if not width:
            return None
        node_RM, slot_RM = (
            torch.tensor([[*(pair[part] for pair in row), *[0] * (width - len(row))] for row in rows])
            for part in (0, 1)
        )
        is_child_RM = torch.arange(width) < torch.tensor([[len(row)] for row in rows])
        allowed_RM = self.has_item(beams.requests[:, None].expand_as(node_RM).flatten(), node_RM.flatten()).view_as(
            node_RM
        )
        score_RM = torch.tensor(self.scores)[node_RM].where(is_child_RM & allowed_RM, DEAD)
        is_leaf_RM = torch.from_numpy(np.diff(self.trie.first_child) == 0)[node_RM]
        item_RM = self.lowest_item_N[node_RM]
        bound_R = self.finished.add(beams.requests, score_RM.where(is_leaf_RM, DEAD), item_RM)
        is_open_RM = ~is_leaf_RM & (sort_keys(score_RM, item_RM) > bound_R[:, None])
        return Candidates(score_RM.where(is_open_RM, DEAD), node_RM, slot_RM, item_RM)
