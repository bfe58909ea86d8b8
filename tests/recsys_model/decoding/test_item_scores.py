"""Scores of whole items seen from the trie: shares of children, and the best item below every node, against loops."""

import math
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from recsys_model.decoding.item_scores import ItemScores, best_items, child_log_probs
from recsys_model.entities.token_trie import TokenTrie, build_token_trie
from tests.recsys_model.decoding.tiny_decoding import make_model
from tests.recsys_model.decoding.tiny_entities import counts_of, head_of, scorer_of

END = 0
TITLES = st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=5).map(tuple), min_size=1, max_size=20, unique=True)
HOSTILE = {
    "one item": [(1, 2, 3)],
    "two that share all but the last token": [(5, 5, 5, 5, 1), (5, 5, 5, 5, 2)],
    "a chain of beginnings": [(1,), (1, 1), (1, 1, 1), (1, 1, 1, 1), (1, 1, 1, 1, 1)],
    "beginnings at the end": [(7, 7, 7), (7, 7), (2,), (7,), (7, 7, 1)],
}
MODEL = make_model(0)


def scores_of(num_items: int, seed: int, spread: float = 2.0) -> Tensor:
    """Return float32 scores of two requests, as an entity head gives them."""
    return torch.from_numpy(np.random.default_rng(seed).normal(0.0, spread, (2, num_items)).astype(np.float32))


def path_sums(log_prob_N: Tensor, trie: TokenTrie) -> list[float]:
    """Walk down from the root and return the sum at the leaf of each item, in trie order."""
    log_probs, sums, leaf_sums = log_prob_N.tolist(), [0.0], {}
    assert log_probs[0] == 0.0
    for node in range(trie.num_nodes):
        if node:
            sums.append(sums[int(trie.parents[node])] + log_probs[node])
        if trie.leaf_item(node) is not None:
            leaf_sums[int(trie.item_start[node])] = sums[node]
    return [leaf_sums[place] for place in range(len(trie.items))]


def assert_views_agree(trie: TokenTrie, score_RI: Tensor) -> None:
    log_prob_RN = child_log_probs(score_RI, trie)
    for log_prob_N, score_I in zip(log_prob_RN, score_RI.double(), strict=True):
        sums = path_sums(log_prob_N, trie)
        assert sums == pytest.approx(score_I.log_softmax(dim=0).tolist(), abs=1e-6)
        by_path = sorted(range(len(sums)), key=lambda place: -sums[place])
        in_order = score_I[by_path]
        assert bool((in_order[:-1] - in_order[1:] >= -1e-6).all()), "both views rank alike"
    for node in range(0, trie.num_nodes, 1 + trie.num_nodes // 500):
        _, children = trie.children(node)
        if len(children):
            shares = log_prob_RN[:, children.tolist()].exp().sum(dim=1)
            assert shares.tolist() == pytest.approx([1.0, 1.0], abs=1e-9)


@given(TITLES, st.integers(0, 99))
def test_the_shares_along_a_path_are_the_probability_of_its_item(titles, seed):
    assert_views_agree(build_token_trie(titles, END), scores_of(len(titles), seed))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_titles_have_the_probability_of_their_score(name):
    titles = HOSTILE[name]
    trie = build_token_trie(titles, END)
    assert_views_agree(trie, scores_of(len(titles), 1))
    assert_views_agree(trie, torch.zeros(2, len(titles)))
    assert_views_agree(trie, torch.full((2, len(titles)), 1e4))


def test_shares_by_hand():
    trie = build_token_trie([(1,), (1, 2), (3,)], END)  # in trie order: "1 [E]", "1 2 [E]", "3 [E]"
    score_RI = torch.tensor([[1.0, 3.0, 4.0]]).log()
    found = child_log_probs(score_RI, trie).exp()[0]
    # root, "1", "3 [E]", and below "1": "[E]", "2 [E]"
    assert found.tolist() == pytest.approx([1.0, 0.5, 0.5, 0.25, 0.75])


@pytest.mark.parametrize("name", ["amazon_beauty", "amazon_toys"])
def test_both_views_agree_on_all_titles_of_a_real_catalogue(shared_data: Path, name):
    titles = parquet.read_table(shared_data / name / "items.parquet")["title"].to_pylist()
    numbers = count(1)
    vocabulary: dict[str, int] = {}
    rows: dict[tuple[int, ...], None] = {}
    for number, title in enumerate(titles):
        words = (title or "").lower().split()
        tokens = tuple(vocabulary.setdefault(word, next(numbers)) for word in words)
        if not tokens or tokens in rows:
            tokens = (*tokens, vocabulary.setdefault(f"#{number}", next(numbers)))
        rows[tokens] = None
    trie = build_token_trie(list(rows), END)
    assert len(trie.items) == len(titles) > 10_000
    assert_views_agree(trie, scores_of(len(titles), 2))


@pytest.mark.parametrize("gap", [20.0, 50.0, 200.0])
def test_items_far_below_the_best_keep_their_probability_and_order(gap):
    titles = [(1,), (2, 1), (2, 2), (3,)]
    score_RI = torch.tensor([[0.0, -gap, -gap - 1.0, -gap - 3.0], [0.0, -gap, -gap, -gap]])
    assert_views_agree(build_token_trie(titles, END), score_RI)


@settings(max_examples=40)
@given(TITLES, st.integers(0, 99), st.data())
def test_the_best_below_a_node_is_found_by_a_loop(titles, seed, data):
    trie = build_token_trie(titles, 23)
    scores = ItemScores(scorer_of(head_of(MODEL, titles), MODEL, titles), trie, blends=False)
    score_RI = scores_of(len(titles), seed)
    gone = data.draw(st.sets(st.integers(0, len(titles) - 1)))
    score_RI[0, sorted(gone)] = -math.inf
    expected = [
        [max(row[trie.item_start[node] : trie.item_end[node]]) for node in range(trie.num_nodes)]
        for row in score_RI.tolist()
    ]
    assert scores.best_below(score_RI.clone()).tolist() == expected
    assert scores.best_below(score_RI[:1].clone()).tolist() == expected[:1]


def test_an_item_without_successors_and_an_unknown_one_have_no_counts():
    counts = counts_of({(0, 2): 3, (0, 3): 1, (3, 0): 2}, 4)
    assert [row.tolist() for row in counts.after(0)] == [[2, 3], [np.float32(np.log(4)), np.float32(np.log(2))]]
    assert [len(counts.after(item)[0]) for item in (-1, 1, 2, 3, 4)] == [0, 0, 0, 1, 0]


@given(st.lists(st.lists(st.sampled_from([-math.inf, 0.0, 1.0, 2.0]), min_size=5, max_size=5), min_size=1, max_size=4))
def test_the_best_items_are_a_sorted_list_and_of_ties_the_lower_index_is_first(rows):
    items = [4, 0, 3, 9, 1]
    for k in (1, 3, 9):
        found = best_items(torch.tensor(rows), torch.tensor(items), k)
        for row, answer in zip(rows, found, strict=True):
            pairs = [(item, score) for item, score in zip(items, row, strict=True) if score > -math.inf]
            assert answer == sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:k]
