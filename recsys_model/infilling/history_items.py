"""Find the items in the history of each item target, for the repeat bias of the entity head.

Shape suffixes: N = item targets of a batch, X = pairs of a target and an item of its history.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from recsys_model.infilling.item_places import NO_ITEM


class ExampleItems(Protocol):
    """The fields of an example that this file reads."""

    part_a_len: int
    """Tokens of part A."""
    input_items: list[int]
    """The item whose residual is added to each token, or `NO_ITEM`."""
    item_targets: list[int]
    """The item that begins with the target of each token, or `NO_ITEM`."""


@dataclass(frozen=True, slots=True)
class HistoryItems:
    """Distinct pairs of a target and an item of its history, target by target."""

    targets: Tensor
    """Which target, counted over the batch, [X], ascending."""
    items: Tensor
    """Catalogue index of the item, [X]."""
    starts: tuple[int, ...]
    """Where the pairs of each target begin, and their number at the end, [N + 1]; on the host, to cut blocks by."""

    def to(self, device: torch.device) -> "HistoryItems":
        """Return the same with its tensors on another device."""
        return HistoryItems(
            self.targets.to(device, non_blocking=True), self.items.to(device, non_blocking=True), self.starts
        )


def find_history_items(examples: Sequence[ExampleItems]) -> HistoryItems:
    """Return the visible items of each target: those of part A, and those of part B before it."""
    items: list[int] = []
    starts = [0]
    for example in examples:
        columns = zip(example.input_items, example.item_targets, strict=True)
        shown = dict.fromkeys(item for item in example.input_items[: example.part_a_len] if item != NO_ITEM)
        for input_item, target in columns:
            if input_item != NO_ITEM:
                shown[input_item] = None
            if target != NO_ITEM:
                items.extend(shown)
                starts.append(len(items))
    targets_X = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    return HistoryItems(torch.from_numpy(targets_X), torch.tensor(items, dtype=torch.int64), tuple(starts))
