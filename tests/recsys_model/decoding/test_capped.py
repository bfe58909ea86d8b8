"""The greedy choice of a best-first search over hand-made trees, whose scores tie often, against sorting all items."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_model.decoding import capped
from recsys_model.decoding.capped import CappedItems, capped_best_first, choose_from_scores
from recsys_model.decoding.caps import CappedChoice, GroupLimit
from recsys_model.decoding.item_lists import ItemLists
from recsys_model.entities.token_trie import build_token_trie
from recsys_model.entities.value_columns import text_column
from tests.recsys_model.decoding.tiny_trees import CPU, Tree


def search(tree, choices, max_expansions):
    tree.finished = CappedItems(choices, CPU, is_exact=True)
    return capped_best_first(tree, tree.finished, len(choices), max_expansions)


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
        certificates = search(tree, choices, 10**6)
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
        (certificate,) = search(tree, [choice], limit)
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
        (certificate,) = search(tree, [choice], 100)
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
        (certificate,) = search(tree, [choice], 100)
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
