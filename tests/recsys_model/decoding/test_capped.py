"""The greedy choice of a best-first search over hand-made trees, whose scores tie often, against sorting all items."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_model.decoding import capped
from recsys_model.decoding.capped import CappedItems, capped_best_first, choose_from_scores
from recsys_model.decoding.caps import CappedChoice, GroupLimit
from recsys_model.decoding.hypotheses import DEAD, Beams, Candidates
from recsys_model.decoding.item_lists import ItemLists
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.entities.value_columns import text_column

CPU = torch.device("cpu")


class Tree:
    """Nodes with whole numbers as steps from parent to child; it stands in for a model that scores a trie."""

    def __init__(self, sequences, steps, num_requests):
        self.trie = build_token_trie(sequences, end=9)
        self.lists = ItemLists(self.trie, CPU)
        self.device = CPU
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

    def search(self, choices, max_expansions):
        self.finished = CappedItems(choices, CPU, bounds_nodes=False)
        return capped_best_first(self, self.finished, len(choices), max_expansions)

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
        item_RM = torch.from_numpy(self.trie.items[self.trie.item_start]).long()[node_RM]
        bound_R = self.finished.add(beams.requests, score_RM.where(is_leaf_RM, DEAD), item_RM)
        return Candidates(score_RM.where(~is_leaf_RM & (score_RM > bound_R[:, None]), DEAD), node_RM, slot_RM)


def greedy(scores, columns, k):
    """The choice from all items, sorted by score and index."""
    chosen = []
    for item in sorted(range(len(scores)), key=lambda item: (-scores[item], item)):
        groups = [(name, value) for name, (rows, _) in enumerate(columns) for value in rows[item]]
        counts = {pair: sum(pair[1] in columns[pair[0]][0][other] for other in chosen) for pair in groups}
        if len(chosen) < k and all(counts[name, value] < columns[name][1] for name, value in groups):
            chosen.append(item)
    return chosen


@st.composite
def trees(draw):
    sequences = draw(
        st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=5).map(tuple), min_size=2, max_size=40, unique=True)
    )
    steps = draw(st.lists(st.sampled_from([0, 1, 2, 5]), min_size=1, max_size=30))
    values = st.lists(st.sampled_from(["a", "b", "c"]), max_size=3, unique=True)
    rows = st.lists(values, min_size=len(sequences), max_size=len(sequences))
    columns = draw(st.lists(st.tuples(rows, st.integers(1, 3)), min_size=1, max_size=2))
    return sequences, steps, columns


def limits_of(columns):
    return [GroupLimit(text_column("c", rows).groups, at_most) for rows, at_most in columns]


@settings(max_examples=150)
@given(trees(), st.lists(st.integers(1, 8), min_size=1, max_size=3), st.sampled_from([1, 2, 5]))
def test_the_search_makes_the_greedy_choice_for_every_request(case, ks, nodes_together):
    sequences, steps, columns = case
    tree = Tree(sequences, steps, len(ks))
    choices = [CappedChoice(limits_of(columns), k) for k in ks]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(capped, "NODES_TOGETHER", nodes_together)
        certificates = tree.search(choices, 10**6)
    for k, choice, certificate in zip(ks, choices, certificates, strict=True):
        expected = greedy(tree.item_scores, columns, k)
        assert [item for item, _ in choice.items] == expected
        assert [score for _, score in choice.items] == [tree.item_scores[item] for item in expected]
        assert certificate.is_exact
        assert certificate.bound == (choice.items[-1][1] if len(expected) == k else -math.inf)


@settings(max_examples=150)
@given(trees(), st.integers(1, 8), st.integers(1, 8), st.sampled_from([1, 2, 5]))
def test_a_search_that_was_cut_short_is_called_exact_only_if_it_is(case, k, limit, nodes_together):
    sequences, steps, columns = case
    tree = Tree(sequences, steps, 1)
    choice = CappedChoice(limits_of(columns), k)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(capped, "NODES_TOGETHER", nodes_together)
        (certificate,) = tree.search([choice], limit)
    assert certificate.num_expanded <= limit
    items = [item for item, _ in choice.items]
    if certificate.is_exact:
        assert items == greedy(tree.item_scores, columns, k)
    elif len(items) < k:
        assert certificate.missing == math.inf


def test_an_item_that_displaces_two_others_lets_in_one_below_both():
    sequences = [(1,), (2,), (0, 0), (0, 1), (3, 0), (3, 1)]
    tree = Tree(sequences, [1], 1)
    scores = {(): 0.0, (0,): -1.0, (1, 9): -3.0, (2, 9): -5.0, (3,): -7.0}
    scores |= {(0, 0, 9): -2.0, (0, 1, 9): -9.0, (3, 0, 9): -8.0, (3, 1, 9): -10.0}
    tree.scores = [scores[tuple(tree.trie.path(node))] for node in range(tree.trie.num_nodes)]
    tree.item_scores = [scores[(*row, 9)] for row in sequences]
    # items 0 and 1 are found first, with node (3,) below both; item 2 takes the groups of both
    columns = [([["a"], [], ["a"], ["a"], [], []], 1), ([[], ["z"], ["z"], [], [], []], 1)]
    choice = CappedChoice(limits_of(columns), 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(capped, "NODES_TOGETHER", 1)
        (certificate,) = tree.search([choice], 100)
    assert choice.items == [(2, -2.0), (4, -8.0)]
    assert greedy(tree.item_scores, columns, 2) == [2, 4]
    assert certificate.num_expanded == 3


def test_nodes_above_items_of_full_groups_alone_are_not_expanded():
    sequences = [(0, a, b) for a in range(3) for b in range(3)] + [(1, 0), (1, 1)]
    tree = Tree(sequences, [0.5], 1)
    paths = [tree.trie.path(node) for node in range(tree.trie.num_nodes)]
    tree.scores = [-9.0 if path[:1] == [1] else -float(path[1]) if len(path) > 1 else 0.0 for path in paths]
    choice = CappedChoice(limits_of([([["a"]] * 9 + [["b"], ["c"]], 1)]), 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(capped, "NODES_TOGETHER", 1)
        (certificate,) = tree.search([choice], 100)
    assert [item for item, _ in choice.items] == [0, 9]
    # the root, (0,), (0, 0) and (1,); below (0, 1) and (0, 2) all items are in the group of item 0
    assert certificate.num_expanded == 4


@settings(max_examples=150)
@given(trees(), st.integers(1, 8), st.data())
def test_scores_of_all_items_give_the_greedy_choice(case, k, data):
    sequences, _, columns = case
    trie = build_token_trie(sequences, end=9)
    scores = data.draw(
        st.lists(st.sampled_from([0.0, -1.0, -1.5, -3.0]), min_size=len(sequences), max_size=len(sequences))
    )
    score_I = torch.tensor(scores)[torch.from_numpy(trie.items).long()]
    choice = CappedChoice(limits_of(columns), k)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(capped, "READ_TOGETHER", data.draw(st.integers(1, 3)))
        pairs = choose_from_scores(score_I, torch.from_numpy(trie.items).long(), choice, ItemLists(trie, CPU))
    assert [item for item, _ in pairs] == greedy(scores, columns, k)
    assert torch.equal(score_I, torch.tensor(scores)[torch.from_numpy(trie.items).long()]), "the scores are not changed"
