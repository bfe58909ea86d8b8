"""A TokenTrie whose long labels are cut into pieces, each a node of its own with one child.

With `scoring: lm` every token of a label is scored against the vocabulary, so a search must be able to stop inside a
long label.

Shape suffixes: N = nodes of the given trie, X = nodes of the new one.
"""

import numpy as np

from recsys_model.entities.token_trie import IntArray, TokenTrie, WideArray, ranges


def cut_labels(trie: TokenTrie, max_tokens: int) -> TokenTrie:
    """Return the same items with labels of at most `max_tokens` tokens; 1 undoes the compression.

    >>> from recsys_model.entities.token_trie import build_token_trie
    >>> trie = cut_labels(build_token_trie([(7, 5), (4, 8, 8)], end=9), 2)
    >>> [trie.label(node).tolist() for node in range(trie.num_nodes)]
    [[], [4, 8], [7, 5], [8, 9], [9]]
    """
    length_N = np.diff(trie.label_start).astype(np.int64)
    num_pieces_N = np.maximum(1, -(-length_N // max_tokens))
    first_X_of_N = np.cumsum(num_pieces_N) - num_pieces_N
    node_X = np.repeat(np.arange(trie.num_nodes), num_pieces_N)
    piece_X = np.arange(len(node_X)) - first_X_of_N[node_X]
    level_X = _levels(trie, num_pieces_N)[node_X] + piece_X
    order_X = np.lexsort((trie.item_start[node_X], level_X))
    place_X = np.empty_like(order_X)
    place_X[order_X] = np.arange(len(order_X))
    last_place_N = place_X[first_X_of_N + num_pieces_N - 1]
    parent_X = np.where(piece_X == 0, last_place_N[trie.parents[node_X]], np.roll(place_X, 1))[order_X]
    parent_X[0] = -1
    node_X, above_X = node_X[order_X], max_tokens * piece_X[order_X]
    label_len_X = np.minimum(max_tokens, length_N[node_X] - above_X)
    num_children_X = np.bincount(parent_X[1:], minlength=len(parent_X))
    return TokenTrie(
        labels=trie.labels[ranges(trie.label_start[node_X] + above_X, label_len_X)],
        label_start=_bounds(label_len_X, first=0),
        depths=(trie.depths[node_X] + above_X).astype(np.int32),
        parents=parent_X.astype(np.int32),
        first_child=_bounds(num_children_X, first=1),
        item_start=trie.item_start[node_X],
        item_end=trie.item_end[node_X],
        items=trie.items,
    )


def _levels(trie: TokenTrie, num_pieces_N: WideArray) -> WideArray:
    """Return how many nodes lie above the first piece of each node."""
    level_N = np.zeros(trie.num_nodes, dtype=np.int64)
    start, end = 0, 1
    while start < end:
        start, end = int(trie.first_child[start]), int(trie.first_child[end])
        parent_X = trie.parents[start:end]
        level_N[start:end] = level_N[parent_X] + num_pieces_N[parent_X]
    return level_N


def _bounds(count_X: WideArray, first: int) -> IntArray:
    """Return where each of so many entries begins, and where the last one ends.

    >>> _bounds(np.array([2, 0, 1]), first=1).tolist()
    [1, 3, 3, 4]
    """
    return (first + np.concatenate([[0], np.cumsum(count_X)])).astype(np.int32)
