"""Where the tokens of an item are chosen in the trie, and which have no alternative (`item_loss: trie`)."""

from recsys_model.entities.token_trie import TokenTrie

FORCED = -1
"""Value in a path for a token without an alternative."""


class ItemPaths:
    """The choices on the path to each item, cached."""

    def __init__(self, trie: TokenTrie) -> None:
        self._trie = trie
        self._item_to_leaf = {int(trie.items[trie.item_start[leaf]]): int(leaf) for leaf in trie.leaves()}
        self._item_to_path: dict[int, list[int]] = {}

    def of(self, item: int) -> list[int]:
        """Return the node at which each token of the item, and `[E]`, is chosen; `FORCED` where there is no choice."""
        path = self._item_to_path.get(item)
        if path is None:
            path = self._item_to_path[item] = self._path_to(self._item_to_leaf[item])
        return path

    def _path_to(self, leaf: int) -> list[int]:
        trie = self._trie
        path = [FORCED] * (int(trie.depths[leaf]) + len(trie.label(leaf)))
        node = leaf
        while (parent := int(trie.parents[node])) >= 0:
            path[int(trie.depths[node])] = parent
            node = parent
        return path
