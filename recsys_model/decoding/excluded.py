"""Items that a request must not get, as counts below the nodes of the item trie.

The items below a node are neighbours in trie order, so two binary searches tell how many of them are excluded.

Shape suffixes: C = nodes asked for, X = excluded items of all requests, I = items, N = nodes.
"""

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from recsys_model.entities.token_trie import TokenTrie
from recsys_model.errors import DataError


class ExclusionCounter:
    """Turns excluded items into filters over one trie."""

    def __init__(self, trie: TokenTrie, device: torch.device) -> None:
        self._item_start_N = torch.from_numpy(trie.item_start).to(device, torch.int64)
        self._item_end_N = torch.from_numpy(trie.item_end).to(device, torch.int64)
        self._row_of_I = torch.from_numpy(trie.items).to(device, torch.int64).argsort()

    def filter_of(self, excluded: Sequence[Collection[int]]) -> "ExclusionFilter":
        """Return the filter for requests that exclude these catalogue indices.

        Raises:
            DataError: an index is not one of the catalogue.
        """
        num_items = len(self._row_of_I)
        pairs = [(request, item) for request, items in enumerate(excluded) for item in set(items)]
        for request, item in pairs:
            if not 0 <= item < num_items:
                raise DataError(
                    f"excluded items must be catalogue indices from 0 to {num_items - 1}, got {item} in entry {request}"
                )
        pair_X2 = torch.tensor(pairs, dtype=torch.int64, device=self._row_of_I.device).reshape(-1, 2)
        key_X = pair_X2[:, 0] * (num_items + 1) + self._row_of_I[pair_X2[:, 1]]
        return ExclusionFilter(key_X.sort().values, num_items, self._item_start_N, self._item_end_N)


class ExclusionFilter:
    """Knows, for every request and node, whether an item is left below."""

    def __init__(self, key_X: Tensor, num_items: int, item_start_N: Tensor, item_end_N: Tensor) -> None:
        """Take the sorted keys `request * (num_items + 1) + row in trie order` of all excluded items."""
        self._key_X = key_X
        self._num_items = num_items
        self._item_start_N = item_start_N
        self._item_end_N = item_end_N

    def has_item(self, request_C: Tensor, node_C: Tensor) -> Tensor:
        """Say for each pair of request and node whether at least one item below is not excluded."""
        if not len(self._key_X):
            return torch.ones_like(node_C, dtype=torch.bool)
        base_C = request_C * (self._num_items + 1)
        start_C, end_C = self._item_start_N[node_C], self._item_end_N[node_C]
        before_start_C = torch.searchsorted(self._key_X, base_C + start_C)
        before_end_C = torch.searchsorted(self._key_X, base_C + end_C)
        return before_end_C - before_start_C < end_C - start_C
