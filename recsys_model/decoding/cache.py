"""Keys and values while generating: part A once per request, part B once per token that was fed.

Part A is encoded once; its keys and values are shared by all beams of the request. The beams are the queries of
one attention call, so nothing is copied per beam. The keys and values of part B are appended behind those of
part A and stay where they are: a beam sees the tokens that it descends from through its row of a mask, and
choosing beams reorders only these rows.

Shape suffixes: R = B = requests, A = tokens of part A, W = beams of a request, T = queries of one call (the tokens
of part A, later one token per beam), P = tokens of part B fed so far by all beams, S = A + P, H = heads,
E = size of a head, L = layers.
"""

import torch
from torch import Tensor
from torch.nn import functional

GROWTH = 1.5
"""Factor by which the room for keys and values grows when it is full."""


class PartAEncoder:
    """Attention of part A to itself, in both directions; keeps keys and values of every layer."""

    def __init__(self, visible_RA: Tensor) -> None:
        """Take a boolean mask, [R, A], false where a shorter part A is padded."""
        self.visible_RA = visible_RA
        self.keys_LRHAE: list[Tensor] = []
        self.values_LRHAE: list[Tensor] = []

    def __call__(self, layer: int, query_BHTE: Tensor, key_BHTE: Tensor, value_BHTE: Tensor) -> Tensor:
        """Attend and keep; layers come in order."""
        assert layer == len(self.keys_LRHAE), "layers must come in order, once each"
        self.keys_LRHAE.append(key_BHTE)
        self.values_LRHAE.append(value_BHTE)
        return functional.scaled_dot_product_attention(
            query_BHTE, key_BHTE, value_BHTE, attn_mask=self.visible_RA[:, None, None, :]
        )


class BeamCache:
    """Attention of the beams of all requests to part A and to the tokens that each descends from."""

    def __init__(self, part_a: PartAEncoder) -> None:
        """Start behind an encoded part A, with one beam per request that has no tokens yet."""
        self._keys_LRHSE = part_a.keys_LRHAE
        self._values_LRHSE = part_a.values_LRHAE
        self._visible_RA = part_a.visible_RA
        self._descent_RWP = part_a.visible_RA.new_zeros((len(part_a.visible_RA), 1, 0))
        self._visible_R1WS = part_a.visible_RA.new_zeros((0,))
        self._start = self._end = part_a.visible_RA.shape[1]

    def advance(self, parent_RW: Tensor) -> None:
        """Make room for one token of each beam; beam w goes on from what was beam `parent_RW[r, w]`."""
        num_requests, num_beams = parent_RW.shape
        num_tokens = self._descent_RWP.shape[2]
        parent_RWP = parent_RW[:, :, None].expand(-1, -1, num_tokens)
        itself_WW = torch.eye(num_beams, dtype=torch.bool, device=parent_RW.device)
        inherited_RWP = self._descent_RWP.gather(1, parent_RWP)
        self._descent_RWP = torch.cat([inherited_RWP, itself_WW.expand(num_requests, -1, -1)], dim=2)
        visible_RWA = self._visible_RA[:, None, :].expand(-1, num_beams, -1)
        self._visible_R1WS = torch.cat([visible_RWA, self._descent_RWP], dim=2)[:, None]
        self._start, self._end = self._end, self._end + num_beams

    def __call__(self, layer: int, query_BHTE: Tensor, key_BHTE: Tensor, value_BHTE: Tensor) -> Tensor:
        """Append this step's keys and values and attend."""
        if self._keys_LRHSE[layer].shape[2] < self._end:
            self._keys_LRHSE[layer] = self._grown(self._keys_LRHSE[layer])
            self._values_LRHSE[layer] = self._grown(self._values_LRHSE[layer])
        key_RHSE, value_RHSE = self._keys_LRHSE[layer], self._values_LRHSE[layer]
        key_RHSE[:, :, self._start : self._end] = key_BHTE
        value_RHSE[:, :, self._start : self._end] = value_BHTE
        return functional.scaled_dot_product_attention(
            query_BHTE,
            key_RHSE[:, :, : self._end],
            value_RHSE[:, :, : self._end],
            attn_mask=self._visible_R1WS,
        )

    def keep_requests(self, kept_R: Tensor) -> None:
        """Forget all requests but those at the indices `kept_R`."""
        self._keys_LRHSE = [keys_RHSE[kept_R] for keys_RHSE in self._keys_LRHSE]
        self._values_LRHSE = [values_RHSE[kept_R] for values_RHSE in self._values_LRHSE]
        self._visible_RA = self._visible_RA[kept_R]
        self._descent_RWP = self._descent_RWP[kept_R]

    def _grown(self, states_RHSE: Tensor) -> Tensor:
        """Copy into a larger buffer."""
        num_requests, num_heads, used, size = states_RHSE.shape
        room = max(self._end, int(GROWTH * used))
        grown_RHSE = states_RHSE.new_empty((num_requests, num_heads, room, size))
        grown_RHSE[:, :, : self._start] = states_RHSE[:, :, : self._start]
        return grown_RHSE
