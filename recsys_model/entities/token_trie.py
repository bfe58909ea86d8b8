"""TokenTrie: the compiled, radix-compressed trie over the items' token ids that decoding walks.

A handful of flat arrays. Nodes are where sequences part or end; the tokens of the edge into a node, its label, lie
side by side. Nodes are numbered level by level and, inside a level, in the order of their sequences, so the children
of a node are neighbours, sorted by their first token, and the items below a node are neighbours in `items`. No
sequence is a prefix of another, because each ends with `[E]` or because the caller's sequences are so; every leaf is one
item.

Shape suffixes: N = nodes, I = items, L = label tokens, X = rows in work.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recsys_model.errors import DataError

IntArray = npt.NDArray[np.int32]
WideArray = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class TokenTrie:
    """Flat arrays of 32-bit integers; node 0 is the root, whose label is what all sequences begin with, often nothing."""

    labels: IntArray
    """Tokens of all edges, node by node, [L]."""
    label_start: IntArray
    """The label of node n is `labels[label_start[n] : label_start[n + 1]]`, [N + 1]; only the root's may be empty."""
    depths: IntArray
    """Number of tokens above the label of each node, [N]."""
    parents: IntArray
    """The node above each node, [N]; -1 for the root."""
    first_child: IntArray
    """The children of node n are `first_child[n] .. first_child[n + 1] - 1`, [N + 1]; none or at least two,
    and one only where `cut_labels` cut a label."""
    item_start: IntArray
    """The items below node n are `items[item_start[n] : item_end[n]]`, [N]."""
    item_end: IntArray
    """See `item_start`, [N]."""
    items: IntArray
    """Catalogue indices in the order of their token sequences, [I]."""

    @property
    def num_nodes(self) -> int:
        """Number of nodes, the root included."""
        return len(self.parents)

    @property
    def height(self) -> int:
        """Number of tokens of the longest item, `[E]` included."""
        return int((self.depths + np.diff(self.label_start)).max())

    @property
    def num_bytes(self) -> int:
        """Size of all arrays."""
        arrays = (self.labels, self.label_start, self.depths, self.parents, self.first_child)
        return sum(array.nbytes for array in (*arrays, self.item_start, self.item_end, self.items))

    def first_tokens(self) -> IntArray:
        """Return the token that leads into each node, [N]; -1 for the root."""
        return np.concatenate([_int32([-1]), self.labels[self.label_start[1:-1]]])

    def label(self, node: int) -> IntArray:
        """Return the tokens of the edge into a node."""
        return self.labels[self.label_start[node] : self.label_start[node + 1]]

    def children(self, node: int) -> tuple[IntArray, IntArray]:
        """Return the tokens that may follow at the end of a node's label, ascending, and the nodes that they lead to."""
        start, end = int(self.first_child[node]), int(self.first_child[node + 1])
        return self.labels[self.label_start[start:end]], np.arange(start, end, dtype=np.int32)

    def leaves(self) -> IntArray:
        """Return the nodes at which an item ends."""
        return np.flatnonzero(np.diff(self.first_child) == 0).astype(np.int32)

    def leaf_item(self, node: int) -> int | None:
        """Return the catalogue index of the item that ends at `node`, None if it is no leaf."""
        is_leaf = self.first_child[node] == self.first_child[node + 1]
        return int(self.items[self.item_start[node]]) if is_leaf else None

    def lowest_items(self) -> IntArray:
        """Return the lowest catalogue index below each node, [N].

        >>> build_token_trie([(7, 5), (4, 8), (7,)], end=9).lowest_items().tolist()
        [0, 1, 0, 0, 2]
        """
        bounds = np.stack([self.item_start, self.item_end], axis=1).ravel()
        # one more entry, since the last range may end behind all items
        return np.minimum.reduceat(np.append(self.items, np.iinfo(np.int32).max), bounds)[::2]

    def path(self, node: int) -> list[int]:
        """Return the tokens from the root to the end of a node's label."""
        labels: list[IntArray] = []
        while node >= 0:
            labels.append(self.label(node))
            node = int(self.parents[node])
        return np.concatenate(labels[::-1]).tolist()


def build_token_trie(
    sequences: Sequence[Sequence[int]], end: int | None, items: Sequence[int] | None = None
) -> TokenTrie:
    """Compile one token sequence per item, in catalogue order; `end` ([E]) is appended to each, unless it is None.

    `items` are the catalogue indices of the sequences, ascending, where the catalogue has others too.

    Raises:
        DataError: there is no item, or a sequence is empty, contains `end`, occurs twice or begins another one.

    >>> trie = build_token_trie([(7, 5), (7,), (4, 8, 8)], end=9)
    >>> [array.tolist() for array in trie.children(0)]
    [[4, 7], [1, 2]]
    >>> trie.label(1).tolist(), trie.leaf_item(1)
    ([4, 8, 8, 9], 2)
    >>> [array.tolist() for array in trie.children(2)]
    [[5, 9], [3, 4]]
    """
    length_I, flat = _flatten(sequences, end)
    order_I, length_I, offset_I, flat = _sort(length_I, flat)
    common_I = _common_prefixes(flat, offset_I, length_I)
    _refuse_prefixes(common_I, length_I, order_I)
    start_N, end_N, above_N, depth_N, parent_N = _nodes(common_I, length_I)
    label_len_N = depth_N - above_N
    label_start = np.concatenate([[0], np.cumsum(label_len_N)])
    num_children = np.bincount(parent_N[1:], minlength=len(parent_N))
    return TokenTrie(
        labels=_int32(flat[ranges(offset_I[start_N] + above_N, label_len_N)]),
        label_start=_int32(label_start),
        depths=_int32(above_N),
        parents=_int32(parent_N),
        first_child=_int32(1 + np.concatenate([[0], np.cumsum(num_children)])),
        item_start=_int32(start_N),
        item_end=_int32(end_N),
        items=_int32(order_I if items is None else np.asarray(items, dtype=np.int64)[order_I]),
    )


def _refuse_prefixes(common_I: WideArray, length_I: WideArray, order_I: WideArray) -> None:
    """Raise `DataError` if a sequence equals the next one in the order of the tokens, or begins it."""
    prefixes = np.flatnonzero(common_I[1:] == length_I[:-1])
    if not len(prefixes):
        return
    row = int(prefixes[0])
    first, second = order_I[row : row + 2].tolist()
    if length_I[row] == length_I[row + 1]:
        first, second = sorted((first, second))
        raise DataError(f"items {first} and {second} have the same tokens; make their texts unique first")
    raise DataError(f"the tokens of item {first} begin those of item {second}; end each sequence with the same token")


def _flatten(sequences: Sequence[Sequence[int]], end: int | None) -> tuple[WideArray, IntArray]:
    """Return the number of tokens of each sequence, `end` included, and all tokens one after the other."""
    if not len(sequences):
        raise DataError("a trie needs at least 1 item, got 0; the catalogue is empty")
    bare_I = np.fromiter(map(len, sequences), dtype=np.int64, count=len(sequences))
    bare = np.fromiter(itertools.chain.from_iterable(sequences), dtype=np.int32, count=int(bare_I.sum()))
    item_of = np.repeat(np.arange(len(bare_I)), bare_I)
    wrong = np.flatnonzero(bare_I == 0)
    if end is not None:
        wrong = np.concatenate([wrong, item_of[bare == end]])
    if len(wrong):
        item = int(wrong.min())
        rule = "must not be empty" if end is None else f"must not be empty nor contain {end} ([E])"
        raise DataError(f"an item's tokens {rule}, got {list(sequences[item])} for item {item}")
    if end is None:
        return bare_I, bare
    flat = np.full(len(bare) + len(bare_I), end, dtype=np.int32)
    flat[np.arange(len(bare)) + item_of] = bare
    return bare_I + 1, flat


def _sort(length_I: WideArray, flat: IntArray) -> tuple[WideArray, WideArray, WideArray, IntArray]:
    """Return the items in the order of their tokens, and their lengths, offsets and tokens in that order."""
    bound_I = np.concatenate([[0], np.cumsum(length_I)])
    # as big-endian bytes, sequences compare as their tokens do
    as_bytes, bounds = flat.astype(">u4").tobytes(), (4 * bound_I).tolist()
    keys = [as_bytes[start:stop] for start, stop in itertools.pairwise(bounds)]
    order_I = np.array(sorted(range(len(keys)), key=keys.__getitem__))
    sorted_length_I = length_I[order_I]
    offset_I = np.cumsum(sorted_length_I) - sorted_length_I
    return order_I, sorted_length_I, offset_I, flat[ranges(bound_I[order_I], sorted_length_I)]


def _common_prefixes(flat: IntArray, offset_I: WideArray, length_I: WideArray) -> WideArray:
    """Return how many tokens each sequence shares with the one before it, 0 for the first."""
    common_I = np.zeros(len(offset_I), dtype=np.int64)
    row_X, depth = np.arange(1, len(offset_I)), 0
    while len(row_X):
        row_X = row_X[np.minimum(length_I[row_X], length_I[row_X - 1]) > depth]
        row_X = row_X[flat[offset_I[row_X] + depth] == flat[offset_I[row_X - 1] + depth]]
        depth += 1
        common_I[row_X] = depth
    return common_I


def _nodes(common_I: WideArray, length_I: WideArray) -> tuple[WideArray, WideArray, WideArray, WideArray, WideArray]:
    """Return first item, item behind the last, tokens above and below the label, and parent of every node.

    Level by level: the items below a node part where they share the fewest tokens with their neighbours.
    """
    start_X, end_X = np.array([0]), np.array([len(common_I)])
    above_X, parent_X = np.array([0]), np.array([-1])
    levels: list[tuple[WideArray, ...]] = []
    num_nodes = 0
    while len(start_X):
        is_inner_X = end_X - start_X > 1
        depth_X = length_I[start_X]
        inner_start, inner_end = start_X[is_inner_X], end_X[is_inner_X]
        depth_X[is_inner_X] = _smallest_between(common_I, inner_start, inner_end)
        levels.append((start_X, end_X, above_X, depth_X, parent_X))
        inner_node, inner_depth = num_nodes + np.flatnonzero(is_inner_X), depth_X[is_inner_X]
        num_nodes += len(start_X)
        row = ranges(inner_start, inner_end - inner_start)
        inner = np.repeat(np.arange(len(inner_start)), inner_end - inner_start)
        begins = (row == inner_start[inner]) | (common_I[row] == inner_depth[inner])
        start_X, inner = row[begins], inner[begins]
        is_last_X = np.append(inner[1:] != inner[:-1], True)[: len(inner)]
        end_X = np.where(is_last_X, inner_end[inner], np.roll(start_X, -1))
        above_X, parent_X = inner_depth[inner], inner_node[inner]
    return tuple(np.concatenate(arrays) for arrays in zip(*levels, strict=True))  # type: ignore[return-value]


def _smallest_between(common_I: WideArray, start_X: WideArray, end_X: WideArray) -> WideArray:
    """Return the fewest tokens that neighbours among the items `start .. end - 1` share; ranges of two or more."""
    if not len(start_X):
        return start_X
    bounds = np.stack([start_X + 1, end_X], axis=1).ravel()
    return np.minimum.reduceat(np.append(common_I, 0), bounds)[::2]


def ranges(start_X: WideArray, length_X: WideArray) -> WideArray:
    """Return `start .. start + length - 1` of every row, one after the other.

    >>> ranges(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    shift_X = start_X - (np.cumsum(length_X) - length_X)
    return np.repeat(shift_X, length_X) + np.arange(int(length_X.sum()))


def _int32(values: npt.ArrayLike) -> IntArray:
    return np.asarray(values).astype(np.int32)
