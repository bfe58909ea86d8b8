"""Masks of requests over the items in trie order.

The items below a node are neighbours in this order, so running counts of the allowed ones tell how many lie below it.

Shape suffixes: R = requests, M = requests with a mask, I = items, J = I + 1, C = queried nodes, X = items.
"""

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional


class ItemMasks:
    """The allowed items of those requests that have a mask."""

    def __init__(self, allowed_MI: Tensor, has_mask: Sequence[bool]) -> None:
        """Take one mask for each request for which `has_mask` is true, in their order."""
        is_masked_R = torch.tensor(has_mask, dtype=torch.bool, device=allowed_MI.device)
        self._allowed_MI = allowed_MI
        self._mask_of_R = (is_masked_R.cumsum(0) - 1).where(is_masked_R, -1)
        self._request_M = is_masked_R.nonzero().squeeze(1)

    @cached_property
    def _counts(self) -> Tensor:
        """How many items before each place are allowed, [M, J]; a ranking without a search does not need it."""
        return _running_counts(self._allowed_MI)

    def has_item(self, request_C: Tensor, start_C: Tensor, end_C: Tensor, otherwise_C: Tensor) -> Tensor:
        """Return whether one of the items `start .. end - 1` is allowed; `otherwise_C` for requests without a mask."""
        mask_C = self._mask_of_R[request_C]
        # without a mask -1 reads some row, whose result is not used
        count_C = self._counts[mask_C, end_C] - self._counts[mask_C, start_C]
        return torch.where(mask_C >= 0, count_C > 0, otherwise_C)

    def remove_from(self, score_RI: Tensor) -> Tensor:
        """Return the scores with -inf for items that a mask forbids."""
        removed_RI = torch.zeros_like(score_RI, dtype=torch.bool)
        removed_RI[self._request_M] = ~self._allowed_MI
        return score_RI.masked_fill(removed_RI, -torch.inf)

    def forbid(self, request: int, row_X: Tensor) -> None:
        """Take further items from a request."""
        mask = int(self._mask_of_R[request])
        self._allowed_MI[mask, row_X] = False
        self._counts[mask] = _running_counts(self._allowed_MI[mask : mask + 1])[0]


def _running_counts(allowed_MI: Tensor) -> Tensor:
    """Return how many items before each place are allowed.

    >>> _running_counts(torch.tensor([[True, False, True]])).tolist()
    [[0, 1, 1, 2]]
    """
    return functional.pad(allowed_MI.cumsum(dim=1, dtype=torch.int32), (1, 0))
