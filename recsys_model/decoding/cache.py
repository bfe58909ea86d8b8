"""Keys and values while generating: part A once per request, part B once per token that was fed.

Part A is encoded once; its keys and values are shared by all beams of the request. The beams are the queries of
one attention call, so nothing is copied per beam. The keys and values of part B are appended behind those of
part A and stay where they are: a beam sees the tokens that it descends from through its row of a mask, and
choosing beams reorders only these rows.

Shape suffixes: R = B = requests, A = tokens of part A, W = beams of a request, T = queries of one call (the tokens
of part A, later one token per beam), P = tokens of part B fed so far by all beams, S = A + P, H = heads, G = heads of
keys and values, E = size of a head, L = layers.
"""

import torch
from torch import Tensor

from recsys_model.backbones.base import attend

GROWTH = 1.5
"""Factor by which the room for keys and values grows when it is full."""


class PartAEncoder:
    """Attention of part A to itself, in both directions or causal; keeps keys and values of every layer."""

    def __init__(self, visible_RA: Tensor, *, is_causal: bool = False) -> None:
        """Take a boolean mask, [R, A], false where a shorter part A is padded."""
        self.visible_RA = visible_RA
        self._visible_R1TA = visible_RA[:, None, None, :]
        if is_causal:
            num_tokens = visible_RA.shape[1]
            self._visible_R1TA = self._visible_R1TA.expand(-1, 1, num_tokens, -1).tril()
        self.keys_LRGAE: list[Tensor] = []
        self.values_LRGAE: list[Tensor] = []

    def __call__(self, layer: int, query_BHTE: Tensor, key_BGTE: Tensor, value_BGTE: Tensor) -> Tensor:
        """Attend and keep; layers come in order."""
        assert layer == len(self.keys_LRGAE), "layers must come in order, once each"
        self.keys_LRGAE.append(key_BGTE)
        self.values_LRGAE.append(value_BGTE)
        return attend(query_BHTE, key_BGTE, value_BGTE, self._visible_R1TA)

    def positions(self) -> Tensor:
        """Return 0, 1, 2, ... for each request."""
        num_requests, num_tokens = self.visible_RA.shape
        return torch.arange(num_tokens, device=self.visible_RA.device).expand(num_requests, -1)


class BeamCache:
    """Attention of the beams of all requests to part A and to the tokens that each descends from."""

    def __init__(self, part_a: PartAEncoder) -> None:
        """Start behind an encoded part A, with one beam per request that has no tokens yet."""
        # lists of its own: several caches may start behind one part A
        self._keys_LRGSE = list(part_a.keys_LRGAE)
        self._values_LRGSE = list(part_a.values_LRGAE)
        self._visible_RA = part_a.visible_RA
        self._descent_RWP = part_a.visible_RA.new_zeros((len(part_a.visible_RA), 1, 0))
        self._visible_R1WS = part_a.visible_RA.new_zeros((0,))
        self._start = self._end = part_a.visible_RA.shape[1]
        self._num_steps = 0

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
        self._num_steps += 1

    def __call__(self, layer: int, query_BHTE: Tensor, key_BGTE: Tensor, value_BGTE: Tensor) -> Tensor:
        """Append this step's keys and values and attend."""
        if self._keys_LRGSE[layer].shape[2] < self._end:
            self._keys_LRGSE[layer] = self._grown(self._keys_LRGSE[layer])
            self._values_LRGSE[layer] = self._grown(self._values_LRGSE[layer])
        key_RGSE, value_RGSE = self._keys_LRGSE[layer], self._values_LRGSE[layer]
        key_RGSE[:, :, self._start : self._end] = key_BGTE
        value_RGSE[:, :, self._start : self._end] = value_BGTE
        visible = self._visible_R1WS
        return attend(query_BHTE, key_RGSE[:, :, : self._end], value_RGSE[:, :, : self._end], visible)

    def positions(self) -> Tensor:
        """Return the place of each beam's token: part A without its padding, then the tokens fed before it."""
        position_R = self._visible_RA.sum(dim=1) + self._num_steps - 1
        return position_R[:, None].expand(-1, self._descent_RWP.shape[1])

    def keep_requests(self, kept_R: Tensor) -> None:
        """Forget all requests but those at the indices `kept_R`."""
        self._keys_LRGSE = [keys_RGSE[kept_R] for keys_RGSE in self._keys_LRGSE]
        self._values_LRGSE = [values_RGSE[kept_R] for values_RGSE in self._values_LRGSE]
        self._visible_RA = self._visible_RA[kept_R]
        self._descent_RWP = self._descent_RWP[kept_R]

    def _grown(self, states_RGSE: Tensor) -> Tensor:
        """Copy into a larger buffer."""
        num_requests, num_heads, used, size = states_RGSE.shape
        room = max(self._end, int(GROWTH * used))
        grown_RGSE = states_RGSE.new_empty((num_requests, num_heads, room, size))
        grown_RGSE[:, :, : self._start] = states_RGSE[:, :, : self._start]
        return grown_RGSE
