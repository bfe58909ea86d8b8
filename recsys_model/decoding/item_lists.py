"""Filters of items per request, on the item trie: all but the excluded items, or only the allowed ones.

The items below a node are neighbours in trie order, so two binary searches count the listed ones. A request whose rules
name columns or caps has a mask of its own instead (`item_masks.py`).

Shape suffixes: C = queried nodes, X = listed items of all requests, R = requests, I = items, J = I + 1, H = hidden items,
N = nodes, M = requests with a mask.
"""

import copy
from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recsys_model.decoding.item_masks import ItemMasks
from recsys_model.entities.token_trie import TokenTrie
from recsys_model.entities.value_columns import Mask
from recsys_model.errors import DataError

ABSENT = -1
"""Row of an item that is hidden or not in the trie."""


class ItemLists:
    """Turns lists of items into filters over one trie.

    `num_items` is the number of catalogue indices, if not all are in the trie; listing an absent one has no effect.
    """

    def __init__(self, trie: TokenTrie, device: torch.device, num_items: int | None = None) -> None:
        self._item_start_N = torch.from_numpy(trie.item_start).to(device, torch.int64)
        self._item_end_N = torch.from_numpy(trie.item_end).to(device, torch.int64)
        self._item_I = torch.from_numpy(trie.items).to(device, torch.int64)
        num_rows = len(trie.items)
        self._row_of_I = torch.full((num_rows if num_items is None else num_items,), ABSENT, device=device)
        self._row_of_I[self._item_I] = torch.arange(num_rows, device=device)
        self._hidden_row_H = self._row_of_I[:0]

    @property
    def num_items(self) -> int:
        """Number of catalogue indices."""
        return len(self._row_of_I)

    def hiding(self, items: Collection[int]) -> "ItemLists":
        """Return lists for which these catalogue indices are excluded from every request."""
        other = copy.copy(self)
        index_H = torch.tensor(list(items), dtype=torch.int64, device=self._row_of_I.device)
        row_H = self._row_of_I[index_H].unique()
        other._hidden_row_H = torch.cat([self._hidden_row_H, row_H[row_H != ABSENT]])
        other._row_of_I = self._row_of_I.index_fill(0, index_H, ABSENT)
        return other

    def filter_of(
        self,
        excluded: Sequence[Collection[int]],
        allowed: Sequence[Collection[int] | None] | None = None,
        masks: Sequence[Mask | None] | None = None,
    ) -> "ItemFilter":
        """Return the filter of requests that exclude these catalogue indices, and allow only the given ones, if any.

        `masks` tell of each catalogue index whether a request allows it; None allows all.

        Raises:
            DataError: an index is not one of the catalogue, or the lists differ in number.
        """
        allowed = [None] * len(excluded) if allowed is None else allowed
        masks = [None] * len(excluded) if masks is None else masks
        if len(allowed) != len(excluded):
            raise DataError(f"allowed must have one entry per prompt, got {len(allowed)} for {len(excluded)} prompts")
        for name, lists in (("excluded", excluded), ("allowed", allowed)):
            self._check(name, lists)
        has_mask = [mask is not None for mask in masks]
        # a mask holds the lists of its request, too, so such a request has empty ones here
        listed = [
            set() if masked else set(without) if only is None else set(only).difference(without)
            for without, only, masked in zip(excluded, allowed, has_mask, strict=True)
        ]
        has_allowed = [only is not None and not masked for only, masked in zip(allowed, has_mask, strict=True)]
        is_allowed_R = torch.tensor(has_allowed, dtype=torch.bool, device=self._row_of_I.device)
        return ItemFilter(
            self._keys_of(listed, is_allowed_R),
            is_allowed_R,
            self.num_items,
            self._item_start_N,
            self._item_end_N,
            self._masks_of(excluded, allowed, masks) if any(has_mask) else None,
        )

    def _keys_of(self, listed: Sequence[Collection[int]], is_allowed_R: Tensor) -> Tensor:
        """Return the sorted keys of the listed items, and of the hidden ones where a request lists what it excludes, [X]."""
        pairs = [(request, item) for request, items in enumerate(listed) for item in items]
        pair_X2 = torch.tensor(pairs, dtype=torch.int64, device=self._row_of_I.device).reshape(-1, 2)
        row_X = self._row_of_I[pair_X2[:, 1]]
        key_X = (pair_X2[:, 0] * (self.num_items + 1) + row_X)[row_X != ABSENT]
        if len(self._hidden_row_H):
            base_R = (~is_allowed_R).nonzero() * (self.num_items + 1)
            key_X = torch.cat([key_X, (base_R + self._hidden_row_H).flatten()])
        return key_X.sort().values

    def _masks_of(
        self,
        excluded: Sequence[Collection[int]],
        allowed: Sequence[Collection[int] | None],
        masks: Sequence[Mask | None],
    ) -> ItemMasks:
        """Return the masks of the requests that have one, in trie order and without what their lists forbid."""
        rows = []
        for without, only, mask in zip(excluded, allowed, masks, strict=True):
            if mask is None:
                continue
            allowed_I = torch.from_numpy(mask).to(self._item_I.device)[self._item_I]
            if only is not None:
                allowed_I &= torch.zeros_like(allowed_I).index_fill_(0, self.rows_of(only), value=True)
            for row_X in (self.rows_of(without), self._hidden_row_H):
                if len(row_X):
                    allowed_I[row_X] = False
            rows.append(allowed_I)
        return ItemMasks(torch.stack(rows), [mask is not None for mask in masks])

    def rows_of(self, items: Collection[int] | npt.NDArray[np.int64]) -> Tensor:
        """Return the places in trie order of those catalogue indices that are present and not hidden."""
        index_X = np.asarray(items if isinstance(items, np.ndarray) else list(items), dtype=np.int64)
        row_X = self._row_of_I[torch.from_numpy(index_X).to(self._row_of_I.device)]
        return row_X[row_X != ABSENT]

    def _check(self, name: str, lists: Sequence[Collection[int] | None]) -> None:
        num_items = len(self._row_of_I)
        for request, items in enumerate(lists):
            for item in items or ():
                if not 0 <= item < num_items:
                    raise DataError(
                        f"{name} items must be catalogue indices from 0 to {num_items - 1}, got {item} in entry {request}"
                    )


class ItemFilter:
    """Decides for each request and node whether it has an item below that the request may get."""

    def __init__(
        self,
        key_X: Tensor,
        is_allowed_R: Tensor,
        num_items: int,
        item_start_N: Tensor,
        item_end_N: Tensor,
        masks: ItemMasks | None = None,
    ) -> None:
        """Take the sorted keys `request * (num_items + 1) + row` of the listed items; `is_allowed_R` marks allow lists.

        Requests with a mask have no keys.
        """
        self._key_X = key_X
        self._is_allowed_R = is_allowed_R
        self._filters = bool(len(key_X)) or bool(is_allowed_R.any())
        self._num_items = num_items
        self._item_start_N = item_start_N
        self._item_end_N = item_end_N
        self._masks = masks

    def remove_from(self, score_RI: Tensor) -> Tensor:
        """Return scores of items in trie order, one row a request, with -inf for those that a request must not get."""
        if self._filters:
            request_X, row_X = self._key_X // (self._num_items + 1), self._key_X % (self._num_items + 1)
            listed_RI = torch.zeros_like(score_RI, dtype=torch.bool)
            listed_RI[request_X, row_X] = True
            score_RI = score_RI.masked_fill(listed_RI != self._is_allowed_R[:, None], -torch.inf)
        return score_RI if self._masks is None else self._masks.remove_from(score_RI)

    def has_item(self, request_C: Tensor, node_C: Tensor) -> Tensor:
        """Return for each pair of request and node whether the request may get at least one item below."""
        if not self._filters:
            has_C = torch.ones_like(node_C, dtype=torch.bool)
        else:
            base_C = request_C * (self._num_items + 1)
            start_C, end_C = self._item_start_N[node_C], self._item_end_N[node_C]
            before_start_C = torch.searchsorted(self._key_X, base_C + start_C)
            before_end_C = torch.searchsorted(self._key_X, base_C + end_C)
            num_listed_C = before_end_C - before_start_C
            has_C = torch.where(self._is_allowed_R[request_C], num_listed_C > 0, num_listed_C < end_C - start_C)
        if self._masks is None:
            return has_C
        return self._masks.has_item(request_C, self._item_start_N[node_C], self._item_end_N[node_C], has_C)

    def forbid(self, request: int, row_X: Tensor) -> None:
        """Take further items, by their places in trie order, from a request that has a mask."""
        assert self._masks is not None, "only requests with a mask lose items while they are searched"
        self._masks.forbid(request, row_X)
