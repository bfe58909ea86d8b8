"""Which items the history of each item target shows, so that a repeated item can be scored apart from the others.

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
    """What is needed of an example here."""

    part_a_len: int
    """Tokens of part A."""
    input_items: list[int]
    """The item whose residual is added to each token, or `NO_ITEM`."""
    item_targets: list[int]
    """The item that begins with the target of each token, or `NO_ITEM`."""


@dataclass(frozen=True, slots=True)
class HistoryItems:
    """Pairs of a target and an item that it sees in its history, each once, target by target."""

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
    """Return what the targets of these examples see: items of part A, and of part B those that stand before."""
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
