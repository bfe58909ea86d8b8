"""Labels cut into pieces against the token sequences themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_model.entities.cut_trie import cut_labels
from recsys_model.entities.token_trie import build_token_trie

END = 9
SEQUENCES = st.lists(
    st.lists(st.integers(0, 3), min_size=1, max_size=7).map(tuple), min_size=1, max_size=30, unique=True
)


def assert_is_trie_of(trie, items):
    """Walk from the root and compare every node with a search through all sequences."""
    ended = [(*item, END) for item in items]
    in_order = sorted(range(len(ended)), key=ended.__getitem__)
    visited = [0]
    for node in visited:
        path = tuple(trie.path(node))
        below = [item for item in in_order if ended[item][: len(path)] == path]
        assert trie.items[trie.item_start[node] : trie.item_end[node]].tolist() == below
        tokens, nodes = trie.children(node)
        assert tokens.tolist() == sorted({ended[item][len(path)] for item in below if ended[item] != path})
        assert trie.parents[nodes].tolist() == [node] * len(nodes)
        assert trie.depths[node] == len(path) - len(trie.label(node))
        visited += nodes.tolist()
    assert sorted(visited) == list(range(trie.num_nodes))


@given(SEQUENCES, st.integers(1, 4))
def test_pieces_are_short_and_lead_to_the_same_items(items, max_tokens):
    trie = cut_labels(build_token_trie(items, END), max_tokens)
    assert max(len(trie.label(node)) for node in range(trie.num_nodes)) <= max_tokens
    assert_is_trie_of(trie, items)


@given(SEQUENCES)
def test_labels_that_are_short_enough_stay_as_they_are(items):
    trie = build_token_trie(items, END)
    same = cut_labels(trie, 8)
    for name in ("labels", "label_start", "depths", "parents", "first_child", "item_start", "item_end", "items"):
        assert getattr(same, name).tolist() == getattr(trie, name).tolist()


@pytest.mark.parametrize(("max_tokens", "labels"), [(1, [[3], [1], [9]]), (2, [[3, 1], [9]]), (3, [[3, 1, 9]])])
def test_the_label_of_the_root_is_cut_too(max_tokens, labels):
    trie = cut_labels(build_token_trie([(3, 1)], END), max_tokens)
    assert [trie.label(node).tolist() for node in range(trie.num_nodes)] == labels
    assert trie.parents.tolist() == list(range(-1, len(labels) - 1))
