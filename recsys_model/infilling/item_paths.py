"""Where the tokens of an item are chosen in the item trie, and where the catalogue leaves no choice (`item_loss: trie`)."""

from recsys_model.entities.token_trie import TokenTrie


class ItemPaths:
    """The trie nodes on the way to each item, found once and kept."""

    def __init__(self, trie: TokenTrie) -> None:
        self._trie = trie
        self._item_to_leaf = {int(trie.items[trie.item_start[leaf]]): int(leaf) for leaf in trie.leaves()}
        self._item_to_path: dict[int, tuple[list[int], list[bool]]] = {}

    def of(self, item: int) -> tuple[list[int], list[bool]]:
        """Return the nodes at which each token of the item, and `[E]`, is chosen, and whether there is no choice."""
        found = self._item_to_path.get(item)
        if found is None:
            nodes: list[int] = []
            node = int(self._trie.parents[self._item_to_leaf[item]])
            while node >= 0:
                nodes.append(node)
                node = int(self._trie.parents[node])
            nodes.reverse()
            forced = [int(self._trie.first_child[node + 1] - self._trie.first_child[node]) == 1 for node in nodes]
            found = self._item_to_path[item] = (nodes, forced)
        return found
