"""Make one batch of examples of different lengths: one padded row each, or several packed into a row.

Padding stands on the right, where the causal mask of part B hides it from every real token. Examples that share a
row do not see each other (`recsys_model.backbones.packed`).

Shape suffixes: B = rows, T = tokens of a row: part A, part B and padding.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recsys_model.backbones.packed import Segments, find_segments
from recsys_model.infilling.example import IGNORED_LABEL, WHOLE_VOCABULARY, Example, ExampleBuilder
from recsys_model.infilling.history_items import HistoryItems, find_history_items
from recsys_model.infilling.item_places import NO_EARLIER, NO_ITEM
from recsys_model.infilling.packing import fill_rows
from recsys_model.text.task_text import TaskText
from recsys_model.text.textualize import TokenizedText


@dataclass(frozen=True, slots=True)
class Batch:
    """Tensors of one step; integers throughout."""

    token_ids: Tensor
    """Inputs, [B, T]."""
    inter_position_ids: Tensor
    """[B, T]."""
    intra_position_ids: Tensor
    """[B, T]."""
    labels: Tensor
    """Targets, [B, T]; `IGNORED_LABEL` elsewhere."""
    trie_nodes: Tensor
    """Node of the item trie at which a target is chosen, [B, T]; `WHOLE_VOCABULARY` elsewhere."""
    part_a_lens: Tensor
    """Tokens of part A of each example, in the order of the rows, [examples]."""
    input_items: Tensor
    """Catalogue index of the item whose residual is added to each token, [B, T]; `NO_ITEM` elsewhere."""
    earlier_items: Tensor
    """The items before that one, the latest first, [B, T, NUM_EARLIER]; `NO_ITEM` elsewhere."""
    item_targets: Tensor
    """Catalogue index of the item that begins with each target, [B, T]; `NO_ITEM` elsewhere."""
    history: HistoryItems
    """Items in the history of each item target; targets in the order of the rows."""
    num_tokens: int
    """Tokens that are not padding."""
    segments: Segments | None = None
    """Positions of the examples in packed rows."""

    @property
    def num_targets(self) -> int:
        """Tokens that carry loss."""
        return int((self.labels != IGNORED_LABEL).sum())

    @property
    def num_item_targets(self) -> int:
        """Items that the entity head predicts."""
        return int((self.item_targets != NO_ITEM).sum())

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on another device."""
        return Batch(
            token_ids=self.token_ids.to(device, non_blocking=True),
            inter_position_ids=self.inter_position_ids.to(device, non_blocking=True),
            intra_position_ids=self.intra_position_ids.to(device, non_blocking=True),
            labels=self.labels.to(device, non_blocking=True),
            trie_nodes=self.trie_nodes.to(device, non_blocking=True),
            part_a_lens=self.part_a_lens.to(device, non_blocking=True),
            input_items=self.input_items.to(device, non_blocking=True),
            earlier_items=self.earlier_items.to(device, non_blocking=True),
            item_targets=self.item_targets.to(device, non_blocking=True),
            history=self.history.to(device),
            num_tokens=self.num_tokens,
            segments=None if self.segments is None else self.segments.to(device),
        )


COLUMNS = {
    "inter_position_ids": 0,
    "intra_position_ids": 0,
    "labels": IGNORED_LABEL,
    "trie_nodes": WHOLE_VOCABULARY,
    "input_items": NO_ITEM,
    "earlier_items": NO_EARLIER,
    "item_targets": NO_ITEM,
}
"""Columns of an example other than its tokens, and their padding values."""


def pad_examples(examples: Sequence[Example], pad_token: int) -> Batch:
    """Stack examples, padded on the right to the longest."""
    columns = {
        name: _padded([getattr(example, name) for example in examples], fill)
        for name, fill in {"token_ids": pad_token, **COLUMNS}.items()
    }
    return Batch(
        segments=None,
        **columns,
        part_a_lens=torch.tensor([example.part_a_len for example in examples]),
        history=find_history_items(examples),
        num_tokens=sum(len(example.token_ids) for example in examples),
    )


def pack_examples(examples: Sequence[Example], pad_token: int, row_tokens: int) -> Batch:
    """Pack examples into rows of about equal length, at most `row_tokens` unless one example is longer."""
    rows = fill_rows([len(example.token_ids) for example in examples], row_tokens)
    chosen = [[examples[index] for index in row] for row in rows]
    lens = tuple(tuple(len(example.token_ids) for example in row) for row in chosen)
    part_a_lens = tuple(tuple(example.part_a_len for example in row) for row in chosen)
    columns = {
        name: _padded([list(chain.from_iterable(getattr(example, name) for example in row)) for row in chosen], fill)
        for name, fill in {"token_ids": pad_token, **COLUMNS}.items()
    }
    return Batch(
        **columns,
        part_a_lens=torch.tensor(list(chain.from_iterable(part_a_lens))),
        history=find_history_items(list(chain.from_iterable(chosen))),
        num_tokens=sum(map(sum, lens)),
        segments=find_segments(lens, part_a_lens, columns["token_ids"].shape[1]),
    )


class ExampleCollator:
    """Draws an example for each text and collates them to a batch; the draw depends only on the text's key.

    A question hides its answer and nothing else, so nothing is drawn for it.
    """

    def __init__(self, builder: ExampleBuilder, pad_token: int, row_tokens: int | None = None) -> None:
        """Take the tokens of a packed row; None pads each example in its own row."""
        self._builder = builder
        self._pad_token = pad_token
        self._row_tokens = row_tokens

    def __call__(self, texts: Sequence[TokenizedText | TaskText], keys: Sequence[tuple[int | str, ...]]) -> Batch:
        """Return a batch; `keys` are, for example, (seed, epoch, user, target) of each text."""
        examples = [
            self._builder.ask(text) if isinstance(text, TaskText) else self._builder.draw(text, generator_for(key))
            for text, key in zip(texts, keys, strict=True)
        ]
        if self._row_tokens is None:
            return pad_examples(examples, self._pad_token)
        return pack_examples(examples, self._pad_token, self._row_tokens)


def generator_for(key: tuple[int | str, ...]) -> np.random.Generator:
    """Return a random generator that depends on the key alone, on every machine and in every process."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))


def _padded(rows: Sequence[Sequence[Any]], fill: int | tuple[int, ...]) -> Tensor:
    """Return rows of different lengths as one tensor, [B, T], or [B, T, len(fill)] where an entry is a tuple."""
    length = max(len(row) for row in rows)
    padded = np.full((len(rows), length, *np.shape(fill)), fill, dtype=np.int64)
    for index, row in enumerate(rows):
        padded[index, : len(row)] = row
    return torch.from_numpy(padded)
