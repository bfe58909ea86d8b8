import pyarrow.parquet
import pygtrie
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_model.entities.token_trie import build_token_trie
from recsys_model.errors import DataError

END = 99_999


def assert_equals_pygtrie(trie, sequences):
    """Compare every node, its label, its children and the items below it with a `pygtrie.Trie`."""
    reference = pygtrie.Trie({(*sequence, END): item for item, sequence in enumerate(sequences)})
    visited = [(0, ())]
    for node, above in visited:
        path = (*above, *trie.label(node).tolist())
        assert trie.path(node) == list(path)
        assert trie.depths[node] == len(above)
        below = sorted(reference.items(prefix=path))
        assert trie.items[trie.item_start[node] : trie.item_end[node]].tolist() == [item for _, item in below]
        assert trie.leaf_item(node) == reference.get(path, None)
        for size in range(len(above) + (node > 0), len(path)):
            assert {key[size] for key in reference.keys(prefix=path[:size])} == {path[size]}, "a label hides no choice"
        tokens, nodes = trie.children(node)
        assert tokens.tolist() == sorted({key[len(path)] for key, _ in below if len(key) > len(path)})
        assert len(tokens) != 1, "a node without a choice belongs to a label"
        assert trie.parents[nodes].tolist() == [node] * len(nodes)
        assert trie.first_tokens()[nodes].tolist() == tokens.tolist()
        visited += [(child, path) for child in nodes.tolist()]
    assert sorted(node for node, _ in visited) == list(range(trie.num_nodes))


def test_the_arrays_of_a_small_trie_are_these():
    trie = build_token_trie([(7, 5, 1), (7, 5), (4, 5)], end=9)
    assert [trie.label(node).tolist() for node in range(5)] == [[], [4, 5, 9], [7, 5], [1, 9], [9]]
    assert trie.label_start.tolist() == [0, 0, 3, 5, 7, 8]
    assert trie.depths.tolist() == [0, 0, 0, 2, 2]
    assert trie.parents.tolist() == [-1, 0, 0, 2, 2]
    assert trie.first_child.tolist() == [1, 3, 3, 5, 5, 5]
    assert trie.items.tolist() == [2, 0, 1]
    assert trie.item_start.tolist() == [0, 0, 1, 1, 2]
    assert trie.item_end.tolist() == [3, 1, 3, 2, 3]
    assert trie.height == 4
    assert trie.num_bytes == 4 * (8 + 6 + 5 + 5 + 6 + 5 + 5 + 3)


def test_what_all_items_begin_with_is_the_label_of_the_root():
    trie = build_token_trie([(3, 3, 1), (3, 3)], end=9)
    assert trie.label(0).tolist() == [3, 3]
    assert trie.first_tokens().tolist() == [-1, 1, 9]
    alone = build_token_trie([(3, 1)], end=9)
    assert (alone.num_nodes, alone.label(0).tolist(), alone.leaf_item(0)) == (1, [3, 1, 9], 0)


sequences = st.lists(
    st.lists(st.integers(0, 4), min_size=1, max_size=6).map(tuple), min_size=1, max_size=40, unique=True
)


@given(sequences)
def test_every_node_of_a_random_trie_is_what_pygtrie_says(items):
    assert_equals_pygtrie(build_token_trie(items, END), items)


@given(sequences)
def test_end_may_be_smaller_than_other_tokens(items):
    shifted = [tuple(token + 1 for token in item) for item in items]
    trie = build_token_trie(shifted, end=0)
    assert trie.items.tolist() == sorted(range(len(items)), key=lambda item: (*shifted[item], 0))
    assert sum(trie.leaf_item(node) is not None for node in range(trie.num_nodes)) == len(items)


def test_every_node_over_the_real_titles_is_what_pygtrie_says(shared_data):
    titles = pyarrow.parquet.read_table(shared_data / "amazon_beauty" / "items.parquet")["title"].to_pylist()
    words: dict[str, int] = {}
    rows = {tuple(words.setdefault(word, len(words)) for word in (title or "").split()) for title in titles}
    items = sorted(rows - {()})
    assert len(items) > 12_000
    assert_equals_pygtrie(build_token_trie(items, END), items)


def test_an_empty_catalogue_an_empty_item_an_end_token_and_equal_items_are_refused():
    with pytest.raises(DataError, match="at least 1 item"):
        build_token_trie([], END)
    with pytest.raises(DataError, match=r"must not be empty .* for item 1"):
        build_token_trie([(1,), ()], END)
    with pytest.raises(DataError, match=r"nor contain 3 \(\[E\]\), got \[1, 3\] for item 0"):
        build_token_trie([(1, 3)], end=3)
    with pytest.raises(DataError, match="items 0 and 2 have the same tokens"):
        build_token_trie([(1,), (2,), (1,)], END)


@given(sequences)
def test_without_an_end_token_the_trie_is_that_of_the_sequences_as_they_are(items):
    ended = [(*sequence, END) for sequence in items]
    trie = build_token_trie(ended, end=None)
    expected = build_token_trie(items, end=END)
    assert_equals_pygtrie(trie, items)
    assert trie.labels.tolist() == expected.labels.tolist()


def test_without_an_end_token_no_sequence_may_begin_another_or_be_empty():
    assert build_token_trie([(4, 1), (3, 1, 2)], end=None).height == 3
    with pytest.raises(DataError, match="the tokens of item 1 begin those of item 0; end each sequence with the same"):
        build_token_trie([(3, 1, 2), (3, 1), (4,)], end=None)
    with pytest.raises(DataError, match="items 0 and 2 have the same tokens"):
        build_token_trie([(3, 1), (4,), (3, 1)], end=None)
    with pytest.raises(DataError, match=r"must not be empty, got \[\] for item 1"):
        build_token_trie([(3, 1), ()], end=None)
