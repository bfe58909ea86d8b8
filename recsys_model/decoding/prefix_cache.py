"""Prefix cache: keys and values of earlier prompts, reused for repeated and extended ones.

In a bidirectional part A every token sees the later ones, so only an identical part A is reused. Behind part A, and in
a causal one, the common beginning of two prompts has the same keys and values, and only the rest is encoded. The least
recently used prompts are evicted when the cache exceeds its size in bytes.

Shape suffixes: R = B = requests, A = tokens of part A, T = tokens that are new, H = heads, G = heads of keys and
values, E = size of a head, L = layers.
"""

import copy
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from recsys_model.backbones.base import Backbone, attend
from recsys_model.decoding.cache import PartAEncoder
from recsys_model.decoding.prompts import check_position_id, encode_prompts, padded, read
from recsys_model.entity_head.vectors import ItemVectors
from recsys_model.infilling.item_places import NO_EARLIER, NO_ITEM
from recsys_model.infilling.prompt import Prompt
from recsys_model.text.tokenizer import SpecialTokens

BLOCK = 16
"""Beginnings are looked up by their first 16, 32, ... tokens."""

PrefixKey = tuple[tuple[int, int, int, int], ...]
"""(token, inter and intra position id, item of the residual) of every token."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Keys and values of one prompt."""

    keys: Tensor
    """Of all layers, [L, G, A, E]."""
    values: Tensor
    """Of all layers, [L, G, A, E]."""

    @property
    def num_bytes(self) -> int:
        """Memory of both."""
        return 2 * self.keys.nbytes


class PartACache:
    """Encodes the new parts of prompts and reuses the others; the model's weights must not change in between."""

    def __init__(
        self, model: Backbone, special: SpecialTokens, max_bytes: int, vectors: ItemVectors | None = None
    ) -> None:
        self._model = model
        self._vectors = vectors
        self._special = special
        self._max_bytes = max_bytes
        self._encoded: OrderedDict[PrefixKey, Encoded] = OrderedDict()
        self._beginning_to_keys: dict[int, dict[PrefixKey, None]] = {}
        self.num_bytes = 0
        """Memory of the keys and values that are kept."""
        self.num_reused = 0
        """Reused tokens of all calls."""

    def encode(self, prompts: Sequence[Prompt]) -> PartAEncoder:
        """Return the keys and values of all prompts, padded at the end, as `encode_prompts` does.

        Raises:
            ConfigError: a prompt is too long for the model.
        """
        keys = [_key_of(prompt) for prompt in prompts]
        reused = [self._find(key, prompt.part_a_len) for key, prompt in zip(keys, prompts, strict=True)]
        if not any(size for _, size in reused):
            encoder = encode_prompts(self._model, prompts, self._special, self._vectors)
        else:
            encoder = self._complete(prompts, reused)
        for row, key in enumerate(keys):
            self._keep(key, encoder, row)
        return encoder

    def of_vectors(self, vectors: ItemVectors | None) -> "PartACache":
        """Return a cache for a longer table of vectors that shares the encoded prompts; earlier items keep theirs."""
        other = copy.copy(self)
        other._vectors = vectors
        return other

    def _find(self, key: PrefixKey, part_a_len: int) -> tuple[Encoded | None, int]:
        """Return the cached prompt to reuse, and how many of its first tokens.

        Keys hold inter ids, so prompts that match up to the end of part A have the same part A.
        """
        encoded = self._encoded.get(key)
        if encoded is not None:
            self._encoded.move_to_end(key)
            return encoded, len(key)
        fewest = 1 if self._model.part_a_is_causal else part_a_len + 1
        for size in range(len(key) - len(key) % BLOCK, fewest - 1, -BLOCK):
            others = self._beginning_to_keys.get(hash(key[:size]))
            other = next(reversed(others)) if others else ()
            if other and other[:size] == key[:size]:
                return self._encoded[other], _common(key, other)
        return None, 0

    def _complete(self, prompts: Sequence[Prompt], reused: Sequence[tuple[Encoded | None, int]]) -> PartAEncoder:
        """Copy the reused states and encode the rest."""
        check_position_id(self._model, max(prompt.last_position for prompt in prompts), "the longest prompt")
        device = self._model.device
        lens_R = torch.tensor([len(prompt.token_ids) for prompt in prompts], device=device)
        position_A = torch.arange(int(lens_R.max()), device=device)
        encoder = PartAEncoder(position_A < lens_R[:, None], is_causal=self._model.part_a_is_causal)
        encoder.keys_LRGAE, encoder.values_LRGAE = self._reused_states(reused, len(position_A))
        self.num_reused += sum(size for _, size in reused)
        rows = [row for row, (_, size) in enumerate(reused) if size < len(prompts[row].token_ids)]
        if rows:
            starts = [reused[row][1] for row in rows]
            new = [prompts[row] for row in rows]
            num_new = max(len(prompt.token_ids) - start for prompt, start in zip(new, starts, strict=True))
            part_a_lens = [0 if encoder.is_causal else prompt.part_a_len for prompt in new]
            row_B, start_B, part_a_len_B = (torch.tensor(each, device=device) for each in (rows, starts, part_a_lens))
            tail = _Tail(encoder, row_B, start_B, part_a_len_B, num_new)
            ids = [
                padded([values[start:] for values, start in zip(column, starts, strict=True)], fill, device)
                for column, fill in (
                    ([prompt.token_ids for prompt in new], self._special.pad),
                    ([prompt.inter_position_ids for prompt in new], 0),
                    ([prompt.intra_position_ids for prompt in new], 0),
                    ([prompt.input_items for prompt in new], NO_ITEM),
                    ([prompt.earlier_items for prompt in new], NO_EARLIER),
                )
            ]
            read(self._model, ids, tail.keep, tail, self._vectors)
        return encoder

    def _reused_states(
        self, reused: Sequence[tuple[Encoded | None, int]], num_tokens: int
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return buffers of all layers, filled with the reused states."""
        example = next(encoded for encoded, _ in reused if encoded is not None)
        num_layers, num_heads, _, size = example.keys.shape
        shape = (num_layers, len(reused), num_heads, num_tokens, size)
        keys, values = example.keys.new_zeros(shape), example.keys.new_zeros(shape)
        for row, (encoded, count) in enumerate(reused):
            if encoded is not None:
                keys[:, row, :, :count] = encoded.keys[:, :, :count]
                values[:, row, :, :count] = encoded.values[:, :, :count]
        return list(keys.unbind(0)), list(values.unbind(0))

    def _keep(self, key: PrefixKey, encoder: PartAEncoder, row: int) -> None:
        if key in self._encoded:
            return
        keys, values = (
            torch.stack([states_RGAE[row, :, : len(key)] for states_RGAE in layers])
            for layers in (encoder.keys_LRGAE, encoder.values_LRGAE)
        )
        encoded = Encoded(keys, values)
        if encoded.num_bytes > self._max_bytes:
            return
        self._encoded[key] = encoded
        self.num_bytes += encoded.num_bytes
        for size in range(BLOCK, len(key) + 1, BLOCK):
            self._beginning_to_keys.setdefault(hash(key[:size]), {})[key] = None
        while self.num_bytes > self._max_bytes:
            self._evict(next(iter(self._encoded)))

    def _evict(self, key: PrefixKey) -> None:
        self.num_bytes -= self._encoded.pop(key).num_bytes
        for size in range(BLOCK, len(key) + 1, BLOCK):
            others = self._beginning_to_keys[hash(key[:size])]
            del others[key]
            if not others:
                del self._beginning_to_keys[hash(key[:size])]


class _Tail:
    """Attention of new tokens to the reused states and to each other; writes their keys and values into the buffers."""

    def __init__(
        self, encoder: PartAEncoder, row_B: Tensor, start_B: Tensor, part_a_len_B: Tensor, num_new: int
    ) -> None:
        self._encoder = encoder
        self._row_B = row_B
        self._position_BT = start_B[:, None] + torch.arange(num_new, device=start_B.device)
        visible_BA = encoder.visible_RA[row_B]
        self._is_token_BT = self._position_BT < visible_BA.sum(dim=1, keepdim=True)
        place_A = torch.arange(visible_BA.shape[1], device=start_B.device)
        seen_BTA = (place_A <= self._position_BT[:, :, None]) | (place_A < part_a_len_B[:, None, None])
        self._visible_B1TA = visible_BA[:, None, None, :] & seen_BTA[:, None]

    def keep(self, layer: int, key_BGTE: Tensor, value_BGTE: Tensor) -> None:
        """Write keys and values to their places."""
        keys_RGAE, values_RGAE = self._encoder.keys_LRGAE[layer], self._encoder.values_LRGAE[layer]
        row_X = self._row_B[:, None].expand_as(self._position_BT)[self._is_token_BT]
        place_X = self._position_BT[self._is_token_BT]
        keys_RGAE[row_X, :, place_X] = key_BGTE.transpose(1, 2)[self._is_token_BT]
        values_RGAE[row_X, :, place_X] = value_BGTE.transpose(1, 2)[self._is_token_BT]

    def __call__(self, layer: int, query_BHTE: Tensor, key_BGTE: Tensor, value_BGTE: Tensor) -> Tensor:
        """Attend to reused and new states."""
        del key_BGTE, value_BGTE
        keys_RGAE, values_RGAE = self._encoder.keys_LRGAE[layer], self._encoder.values_LRGAE[layer]
        return attend(query_BHTE, keys_RGAE[self._row_B], values_RGAE[self._row_B], self._visible_B1TA)

    def positions(self) -> Tensor:
        """Return the place of each query in part A."""
        return self._position_BT


def _key_of(prompt: Prompt) -> PrefixKey:
    # what a token carries of earlier items follows from the items in front of it, which the key has
    columns = (prompt.token_ids, prompt.inter_position_ids, prompt.intra_position_ids, prompt.input_items)
    return tuple(zip(*columns, strict=True))


def _common(key: PrefixKey, other: PrefixKey) -> int:
    """Return how many first entries two keys share.

    >>> _common(((1, 0, 0, -1), (2, 1, 0, -1), (3, 2, 0, -1)), ((1, 0, 0, -1), (2, 1, 0, -1), (4, 2, 0, -1)))
    2
    """
    size = 0
    for own, old in zip(key, other, strict=False):
        if own != old:
            break
        size += 1
    return size
