"""EntityPool: the trie over token ids that can be edited.

The entities live in a `pygtrie.Trie`. The pool also keeps one dict per node for walking,
because the position automaton takes one step per token of every text: a step is one dict look-up.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

import pygtrie

from recsys_model.errors import DataError

PoolNode = int
"""A place in the pool that a walk has reached."""


class EntityPool:
    """A set of token id sequences; one may be a prefix of another.

    Nodes are numbers. They stay valid when entities are added; after a removal, walk again from `root`.

    >>> pool = EntityPool([(5, 6), (5, 6, 7)])
    >>> pool.child(pool.root, 5), pool.child(pool.root, 6)
    (1, None)
    """

    root: PoolNode = 0
    """Node of the empty sequence."""

    def __init__(self, entities: Iterable[Sequence[int]] = ()) -> None:
        self._trie = pygtrie.Trie()
        self._node_to_children: list[dict[int, PoolNode]] = [{}]
        for entity in entities:
            self.add(entity)

    def __len__(self) -> int:
        return len(self._trie)

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        return iter(self._trie)

    def __contains__(self, entity: Sequence[int]) -> bool:
        return len(entity) > 0 and tuple(entity) in self._trie

    def add(self, entity: Sequence[int]) -> None:
        """Add an entity; nothing changes if it is there already.

        Raises:
            DataError: it has no tokens.
        """
        if not entity:
            raise DataError("an entity must have at least 1 token, got 0; give it a text")
        self._trie[tuple(entity)] = True
        node = self.root
        for token in entity:
            child = self._node_to_children[node].get(token)
            if child is None:
                child = len(self._node_to_children)
                self._node_to_children[node][token] = child
                self._node_to_children.append({})
            node = child

    def remove(self, entity: Sequence[int]) -> None:
        """Remove an entity; others with a common beginning stay.

        Raises:
            DataError: it is not in the pool.
        """
        key = tuple(entity)
        if key not in self:
            raise DataError(f"only an entity of the pool can be removed, got tokens {list(entity)}")
        del self._trie[key]
        path = [self.root]
        for token in key:
            path.append(self._node_to_children[path[-1]][token])
        for depth in range(len(key), 0, -1):
            if self._trie.has_node(key[:depth]):
                break
            del self._node_to_children[path[depth - 1]][key[depth - 1]]

    def child(self, node: PoolNode, token: int) -> PoolNode | None:
        """Return the node that `token` leads to from `node`, None if no entity continues like this."""
        return self._node_to_children[node].get(token)

    def children(self, node: PoolNode) -> Mapping[int, PoolNode]:
        """Return a read-only view of `node`'s children, token -> node."""
        return MappingProxyType(self._node_to_children[node])
