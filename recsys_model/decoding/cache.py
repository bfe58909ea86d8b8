"""Keys and values while generating: part A once per request, part B once per token that was fed.

Part A is encoded once; its keys and values are shared by all beams of the request. The tokens of all beams are the
queries of one attention call, so nothing is copied per beam. The keys and values of part B are appended behind those
of part A and stay where they are: a beam sees the tokens that it descends from through its row of a mask, and
choosing beams reorders only these rows.

Shape suffixes: R = B = requests, A = tokens of part A, W = beams of a request, U = beams of the step before, Q = T =
queries of one call (the tokens of part A, later those of all beams), P = tokens of part B fed so far by all beams,
S = A + P, H = heads, G = heads of keys and values, E = size of a head, L = layers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from recsys_model.backbones.base import attend

GROWTH = 1.5
"""Factor by which the room for keys and values grows when it is full."""


class PartAEncoder:
    """Attention of part A to itself, in both directions or causal; keeps keys and values of every layer."""

    def __init__(self, visible_RA: Tensor, *, is_causal: bool = False) -> None:
        """Take a boolean mask, [R, A], false where a shorter part A is padded."""
        self.visible_RA = visible_RA
        self.is_causal = is_causal
        self._visible_R1TA = visible_RA[:, None, None, :]
        if is_causal:
            num_tokens = visible_RA.shape[1]
            self._visible_R1TA = self._visible_R1TA.expand(-1, 1, num_tokens, -1).tril()
        self.keys_LRGAE: list[Tensor] = []
        self.values_LRGAE: list[Tensor] = []

    def __call__(self, layer: int, query_BHTE: Tensor, key_BGTE: Tensor, value_BGTE: Tensor) -> Tensor:
        """Keep and attend; layers come in order."""
        self.keep(layer, key_BGTE, value_BGTE)
        return attend(query_BHTE, key_BGTE, value_BGTE, self._visible_R1TA)

    def keep(self, layer: int, key_RGAE: Tensor, value_RGAE: Tensor) -> None:
        """Take the keys and values of the next layer."""
        assert layer == len(self.keys_LRGAE), "layers must come in order, once each"
        self.keys_LRGAE.append(key_RGAE)
        self.values_LRGAE.append(value_RGAE)

    def of_requests(self, places: Sequence[int]) -> "PartAEncoder":
        """Return the keys and values of some of the requests, for a search of their own."""
        if list(places) == list(range(len(self.visible_RA))):
            return self
        place_R = torch.tensor(places, device=self.visible_RA.device)
        other = PartAEncoder(self.visible_RA[place_R], is_causal=self.is_causal)
        other.keys_LRGAE = [keys_RGAE[place_R] for keys_RGAE in self.keys_LRGAE]
        other.values_LRGAE = [values_RGAE[place_R] for values_RGAE in self.values_LRGAE]
        return other

    def positions(self) -> Tensor:
        """Return 0, 1, 2, ... for each request."""
        num_requests, num_tokens = self.visible_RA.shape
        return torch.arange(num_tokens, device=self.visible_RA.device).expand(num_requests, -1)


@dataclass(frozen=True, slots=True)
class Layout:
    """Layout of the tokens of a request's beams in one call: beam by beam, padding behind them."""

    beams: Tensor
    """The beam of each token, [R, Q]; some beam for padding."""
    places: Tensor
    """Place of each token among those of its beam, [R, Q]."""
    is_token: Tensor
    """False for padding, [R, Q]."""
    last: Tensor
    """Where the last token of each beam lies, [R, W]; any place for a beam without tokens."""


class BeamCache:
    """Attention of the beams of all requests to part A and to the tokens that each descends from."""

    def __init__(self, part_a: PartAEncoder, *, keeps_beams: bool = False) -> None:
        """Start behind an encoded part A, with one beam per request that has no tokens yet.

        With `keeps_beams` new beams are numbered behind the old ones, which stay available as parents.
        """
        self._keeps_beams = keeps_beams
        # lists of its own: several caches may start behind one part A
        self._keys_LRGSE = list(part_a.keys_LRGAE)
        self._values_LRGSE = list(part_a.values_LRGAE)
        self._visible_RA = part_a.visible_RA
        self._descent_RWP = part_a.visible_RA.new_zeros((len(part_a.visible_RA), 1, 0))
        self._visible_R1QS = part_a.visible_RA.new_zeros((0,))
        self._position_RQ = torch.zeros(0)
        self._num_fed_RW = torch.zeros((len(part_a.visible_RA), 1), dtype=torch.int64, device=part_a.visible_RA.device)
        self._start = self._end = part_a.visible_RA.shape[1]

    @property
    def is_empty(self) -> bool:
        """Whether no token of part B was fed yet."""
        return self._descent_RWP.shape[2] == 0

    def advance(self, parent_RW: Tensor, length_RW: Tensor | None = None) -> Layout:
        """Make room for `length_RW` tokens of each beam, one by default, and return their layout.

        Beam w continues beam `parent_RW[r, w]` of the last step; with `keeps_beams`, of all steps.
        """
        # 1. inherit: each beam takes over the row of its parent, true for the fed tokens that the parent descends from
        layout = lay_out(torch.ones_like(parent_RW) if length_RW is None else length_RW)
        inherited_RWP = self._descent_RWP.gather(1, _last_dim(parent_RW, self._descent_RWP.shape[2]))
        fed_RW = self._num_fed_RW.gather(1, parent_RW)
        # 2. mask: a query sees part A, the inherited tokens, and the new tokens of its beam up to itself
        self._see(layout, inherited_RWP)
        num_part_a_R1 = self._visible_RA.sum(dim=1, keepdim=True)
        self._position_RQ = num_part_a_R1 + fed_RW.gather(1, layout.beams) + layout.places
        # 3. append: the new tokens lie behind all fed ones, so each row grows by them, true for the beam's own
        beam_W1 = torch.arange(parent_RW.shape[1], device=parent_RW.device)[:, None]
        own_RWQ = (layout.beams[:, None, :] == beam_W1) & layout.is_token[:, None, :]
        self._remember(torch.cat([inherited_RWP, own_RWQ], dim=2), fed_RW + own_RWQ.sum(dim=2))
        self._start, self._end = self._end, self._end + layout.beams.shape[1]
        return layout

    def _remember(self, descent_RWP: Tensor, num_fed_RW: Tensor) -> None:
        """Store the descent of the new beams, in place of that of the old ones or behind it."""
        is_first = self._descent_RWP.shape[2] == 0
        if self._keeps_beams and not is_first:
            old_RUP = functional.pad(self._descent_RWP, (0, descent_RWP.shape[2] - self._descent_RWP.shape[2]))
            descent_RWP = torch.cat([old_RUP, descent_RWP], dim=1)
            num_fed_RW = torch.cat([self._num_fed_RW, num_fed_RW], dim=1)
        self._descent_RWP, self._num_fed_RW = descent_RWP, num_fed_RW

    def _see(self, layout: Layout, inherited_RWP: Tensor) -> None:
        """Store the mask of each query: part A, and the inherited and new tokens of its beam up to itself."""
        num_queries = layout.beams.shape[1]
        inherited_RQP = inherited_RWP.gather(1, _last_dim(layout.beams, inherited_RWP.shape[2]))
        same_RQQ = (layout.beams[:, :, None] == layout.beams[:, None, :]).tril()
        visible_RQA = self._visible_RA[:, None, :].expand(-1, num_queries, -1)
        self._visible_R1QS = torch.cat([visible_RQA, inherited_RQP, same_RQQ], dim=2)[:, None]

    def __call__(self, layer: int, query_BHTE: Tensor, key_BGTE: Tensor, value_BGTE: Tensor) -> Tensor:
        """Append this step's keys and values and attend."""
        if self._keys_LRGSE[layer].shape[2] < self._end:
            self._keys_LRGSE[layer] = self._grown(self._keys_LRGSE[layer])
            self._values_LRGSE[layer] = self._grown(self._values_LRGSE[layer])
        key_RGSE, value_RGSE = self._keys_LRGSE[layer], self._values_LRGSE[layer]
        key_RGSE[:, :, self._start : self._end] = key_BGTE
        value_RGSE[:, :, self._start : self._end] = value_BGTE
        visible = self._visible_R1QS
        return attend(query_BHTE, key_RGSE[:, :, : self._end], value_RGSE[:, :, : self._end], visible)

    def positions(self) -> Tensor:
        """Return the place of each query: part A without its padding, then the tokens fed before it."""
        return self._position_RQ

    def keep_requests(self, kept_R: Tensor) -> None:
        """Drop all requests but those at the indices `kept_R`."""
        self._keys_LRGSE = [keys_RGSE[kept_R] for keys_RGSE in self._keys_LRGSE]
        self._values_LRGSE = [values_RGSE[kept_R] for values_RGSE in self._values_LRGSE]
        self._visible_RA = self._visible_RA[kept_R]
        self._descent_RWP = self._descent_RWP[kept_R]
        self._num_fed_RW = self._num_fed_RW[kept_R]

    def _grown(self, states_RGSE: Tensor) -> Tensor:
        """Copy into a larger buffer."""
        num_requests, num_heads, used, size = states_RGSE.shape
        room = max(self._end, int(GROWTH * used))
        grown_RGSE = states_RGSE.new_empty((num_requests, num_heads, room, size))
        grown_RGSE[:, :, : self._start] = states_RGSE[:, :, : self._start]
        return grown_RGSE


def lay_out(length_RW: Tensor) -> Layout:
    """Return the layout of so many tokens of each beam.

    >>> layout = lay_out(torch.tensor([[2, 1], [0, 1]]))
    >>> layout.beams.tolist(), layout.places.tolist()
    ([[0, 0, 1], [1, 1, 1]], [[0, 1, 0], [0, 1, 2]])
    >>> layout.is_token.tolist(), layout.last.tolist()
    ([[True, True, True], [True, False, False]], [[1, 2], [0, 0]])
    """
    end_RW = length_RW.cumsum(dim=1)
    num_queries = int(end_RW[:, -1].max())
    query_Q = torch.arange(num_queries, device=length_RW.device)
    beam_RQ = torch.searchsorted(end_RW, query_Q.expand(len(end_RW), -1).contiguous(), right=True)
    beam_RQ = beam_RQ.clamp(max=length_RW.shape[1] - 1)
    place_RQ = query_Q - (end_RW - length_RW).gather(1, beam_RQ)
    return Layout(beam_RQ, place_RQ, query_Q < end_RW[:, -1:], (end_RW - 1).clamp(min=0))


def _last_dim(index_RX: Tensor, size: int) -> Tensor:
    """Repeat an index along a new last dimension, for `gather`."""
    return index_RX[:, :, None].expand(-1, -1, size)
