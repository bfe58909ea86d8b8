"""Examples of different lengths become one padded batch.

Padding stands on the right, where the causal mask of part B hides it from every real token.

Shape suffixes: B = examples, T = tokens of part A, part B and padding.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recsys_model.infilling.example import IGNORED_LABEL, WHOLE_VOCABULARY, Example, ExampleBuilder
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
    """Targets, [B, T]; `IGNORED_LABEL` where there is none."""
    trie_nodes: Tensor
    """Node of the item trie at which a target is chosen, [B, T]; `WHOLE_VOCABULARY` elsewhere."""
    part_a_lens: Tensor
    """Tokens of part A, [B]."""
    num_tokens: int
    """Tokens that are not padding."""

    @property
    def num_targets(self) -> int:
        """Tokens that carry loss."""
        return int((self.labels != IGNORED_LABEL).sum())

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on another device."""
        return Batch(
            token_ids=self.token_ids.to(device, non_blocking=True),
            inter_position_ids=self.inter_position_ids.to(device, non_blocking=True),
            intra_position_ids=self.intra_position_ids.to(device, non_blocking=True),
            labels=self.labels.to(device, non_blocking=True),
            trie_nodes=self.trie_nodes.to(device, non_blocking=True),
            part_a_lens=self.part_a_lens.to(device, non_blocking=True),
            num_tokens=self.num_tokens,
        )


def pad_examples(examples: Sequence[Example], pad_token: int) -> Batch:
    """Stack examples, padded on the right to the longest."""
    return Batch(
        token_ids=_padded([example.token_ids for example in examples], pad_token),
        inter_position_ids=_padded([example.inter_position_ids for example in examples], 0),
        intra_position_ids=_padded([example.intra_position_ids for example in examples], 0),
        labels=_padded([example.labels for example in examples], IGNORED_LABEL),
        trie_nodes=_padded([example.trie_nodes for example in examples], WHOLE_VOCABULARY),
        part_a_lens=torch.tensor([example.part_a_len for example in examples]),
        num_tokens=sum(len(example.token_ids) for example in examples),
    )


class ExampleCollator:
    """Draws an example for each text and pads them; the draw depends only on the text's key.

    A question hides its answer and nothing else, so nothing is drawn for it.
    """

    def __init__(self, builder: ExampleBuilder, pad_token: int) -> None:
        self._builder = builder
        self._pad_token = pad_token

    def __call__(self, texts: Sequence[TokenizedText | TaskText], keys: Sequence[tuple[int | str, ...]]) -> Batch:
        """Return a batch; `keys` are, for example, (seed, epoch, user, target) of each text."""
        examples = [
            self._builder.ask(text) if isinstance(text, TaskText) else self._builder.draw(text, generator_for(key))
            for text, key in zip(texts, keys, strict=True)
        ]
        return pad_examples(examples, self._pad_token)


def generator_for(key: tuple[int | str, ...]) -> np.random.Generator:
    """Return a random generator that depends on the key alone, on every machine and in every process."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))


def _padded(rows: Sequence[Sequence[int]], fill: int) -> Tensor:
    padded = np.full((len(rows), max(len(row) for row in rows)), fill, dtype=np.int64)
    for index, row in enumerate(rows):
        padded[index, : len(row)] = row
    return torch.from_numpy(padded)
