import pyarrow.parquet
import pygtrie
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_model.entities.token_trie import build_token_trie
from recsys_model.errors import DataError

END = 99_999


def assert_equals_pygtrie(trie, sequences):
    """Compare every node, its children and the items below it with a `pygtrie.Trie`."""
    reference = pygtrie.Trie({(*sequence, END): item for item, sequence in enumerate(sequences)})
    node_to_path = {0: ()}
    for node in range(trie.num_nodes):
        path = node_to_path[node]
        below = sorted(reference.items(prefix=path))
        assert trie.items[trie.item_start[node] : trie.item_end[node]].tolist() == [item for _, item in below]
        assert trie.leaf_item(node) == reference.get(path, None)
        tokens, nodes = trie.children(node)
        assert tokens.tolist() == sorted({key[len(path)] for key, _ in below if len(key) > len(path)})
        for token, child in zip(tokens.tolist(), nodes.tolist(), strict=True):
            assert child not in node_to_path
            node_to_path[child] = (*path, token)
            assert (trie.tokens[child], trie.parents[child]) == (token, node)
    assert len(node_to_path) == trie.num_nodes


def test_the_arrays_of_a_small_trie_are_these():
    trie = build_token_trie([(7, 5), (7,), (4, 5)], end=9)
    assert trie.tokens.tolist() == [-1, 4, 7, 5, 5, 9, 9, 9]
    assert trie.parents.tolist() == [-1, 0, 0, 1, 2, 2, 3, 4]
    assert trie.first_child.tolist() == [1, 3, 4, 6, 7, 8, 8, 8, 8]
    assert trie.items.tolist() == [2, 0, 1]
    assert trie.item_start.tolist() == [0, 0, 1, 0, 1, 2, 0, 1]
    assert trie.item_end.tolist() == [3, 1, 3, 1, 2, 3, 1, 2]
    assert {array.dtype.name for array in (trie.tokens, trie.parents, trie.first_child, trie.items)} == {"int32"}


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
