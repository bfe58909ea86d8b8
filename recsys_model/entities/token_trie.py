"""TokenTrie: the compiled trie over the items' token ids that decoding walks.

The trie is a handful of flat arrays. Nodes are numbered level by level and, inside a level, in the order of
their sequences, so the children of a node are neighbours, sorted by token, and the items below a node are
neighbours in `items`. Every sequence ends with `[E]`, so no sequence is a prefix of another.

Shape suffixes: N = nodes, I = items, X = items long enough to reach the level at hand.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recsys_model.errors import DataError

IntArray = npt.NDArray[np.int32]


@dataclass(frozen=True, kw_only=True, eq=False)
class TokenTrie:
    """Flat arrays of 32-bit integers; node 0 is the root."""

    tokens: IntArray
    """The token that leads into each node, [N]; -1 for the root."""
    parents: IntArray
    """The node above each node, [N]; -1 for the root."""
    first_child: IntArray
    """The children of node n are `first_child[n] .. first_child[n + 1] - 1`, [N + 1]."""
    item_start: IntArray
    """The items below node n are `items[item_start[n] : item_end[n]]`, [N]."""
    item_end: IntArray
    """See `item_start`, [N]."""
    items: IntArray
    """Catalogue indices in the order of their token sequences, [I]."""

    @property
    def num_nodes(self) -> int:
        """Number of nodes, the root included."""
        return len(self.tokens)

    def children(self, node: int) -> tuple[IntArray, IntArray]:
        """Return the tokens that may follow at `node`, ascending, and the nodes that they lead to."""
        start, end = self.first_child[node], self.first_child[node + 1]
        return self.tokens[start:end], np.arange(start, end, dtype=np.int32)

    def leaves(self) -> IntArray:
        """Return the nodes at which an item ends."""
        return np.flatnonzero(np.diff(self.first_child) == 0).astype(np.int32)

    def leaf_item(self, node: int) -> int | None:
        """Return the catalogue index of the item that ends at `node`, None if it is no leaf."""
        is_leaf = self.first_child[node] == self.first_child[node + 1]
        return int(self.items[self.item_start[node]]) if is_leaf else None


def build_token_trie(sequences: Sequence[Sequence[int]], end: int) -> TokenTrie:
    """Compile one token sequence per item, in catalogue order; `end` ([E]) is appended to each.

    Raises:
        DataError: there is no item, or a sequence is empty, contains `end` or occurs twice.

    >>> trie = build_token_trie([(7, 5), (7,), (4,)], end=9)
    >>> [array.tolist() for array in trie.children(0)]
    [[4, 7], [1, 2]]
    >>> [array.tolist() for array in trie.children(2)]
    [[5, 9], [4, 5]]
    >>> trie.leaf_item(5)
    1
    """
    _check_sequences(sequences, end)
    ended = [(*sequence, end) for sequence in sequences]
    order = sorted(range(len(ended)), key=ended.__getitem__)
    tokens, parents, item_start, num_items = _number_nodes([ended[item] for item in order])
    num_children = np.bincount(parents[1:], minlength=len(tokens))
    return TokenTrie(
        tokens=_int32(tokens),
        parents=_int32(parents),
        first_child=_int32(1 + np.concatenate([[0], np.cumsum(num_children)])),
        item_start=_int32(item_start),
        item_end=_int32(item_start + num_items),
        items=_int32(np.array(order)),
    )


def _check_sequences(sequences: Sequence[Sequence[int]], end: int) -> None:
    if not sequences:
        raise DataError("a trie needs at least 1 item, got 0; the catalogue is empty")
    seen: dict[tuple[int, ...], int] = {}
    for item, sequence in enumerate(sequences):
        if not sequence or end in sequence:
            raise DataError(
                f"an item's tokens must not be empty nor contain {end} ([E]), got {list(sequence)} for item {item}"
            )
        other = seen.setdefault(tuple(sequence), item)
        if other != item:
            raise DataError(f"items {other} and {item} have the same tokens; make their texts unique first")


def _number_nodes(
    sorted_I: Sequence[tuple[int, ...]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return token, parent, first item and number of items of every node, level by level.

    At each level, a new node begins where a sequence differs from the one before it, here or earlier. A sequence
    that has ended does not disturb this: it differs from its neighbours already.
    """
    length_I = np.array([len(sequence) for sequence in sorted_I])
    offset_I = np.concatenate([[0], np.cumsum(length_I)[:-1]])
    flat = np.fromiter((token for sequence in sorted_I for token in sequence), dtype=np.int64)
    node_of_I = np.zeros(len(sorted_I), dtype=np.int64)
    differs_I = np.zeros(len(sorted_I), dtype=bool)
    differs_I[0] = True
    row_X = np.arange(len(sorted_I))
    levels = [(np.array([-1]), np.array([-1]), np.array([0]), np.array([len(sorted_I)]))]
    num_nodes = 1
    for depth in range(int(length_I.max())):
        row_X = row_X[length_I[row_X] > depth]
        token_X = flat[offset_I[row_X] + depth]
        differs_I[row_X[1:]] |= token_X[1:] != token_X[:-1]
        begin = np.flatnonzero(differs_I[row_X])
        levels.append((token_X[begin], node_of_I[row_X[begin]], row_X[begin], np.diff(np.append(begin, len(row_X)))))
        node_of_I[row_X] = num_nodes - 1 + np.cumsum(differs_I[row_X])
        num_nodes += len(begin)
    tokens, parents, item_start, num_items = (np.concatenate(arrays) for arrays in zip(*levels, strict=True))
    return tokens, parents, item_start, num_items


def _int32(values: npt.NDArray[np.int64]) -> IntArray:
    return values.astype(np.int32)
