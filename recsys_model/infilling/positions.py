"""Intra position ids: where a token stands inside its entity, while training and while generating.

One automaton numbers part B in both phases. While generating, the length of the answer is not
known, so the id of each token is decided when the token is fed back (paper, Inference Phase and
Figure 2): a token that continues an entity of the pool increases the count, any other restarts it.
With `segmentation: gold` the entity boundaries of the text number part B while training.
"""

import bisect
from collections.abc import Sequence
from typing import Literal, NamedTuple

from recsys_model.entities.pool import EntityPool

IntraMode = Literal["paper", "run", "glm"]


class PositionState(NamedTuple):
    """State of the automaton after the last fed token; a tuple, since one is made for every token."""

    node: int | None
    """Node of the entity pool reached by the current entity, or none outside every entity."""
    position: int
    """Intra position id of that token."""
    after_start: bool
    """Whether that token was `[S]`."""


class PositionAutomaton:
    """Decides the intra position id of every token of part B from the tokens before it.

    `mode` is `paper`; `run`, in which a run of separate tokens keeps counting and only an entity
    restarts; or `glm`, which counts the whole span.
    """

    def __init__(self, pool: EntityPool, mode: IntraMode = "paper") -> None:
        self._pool = pool
        self._mode = mode

    def start(self) -> PositionState:
        """Return the state after `[S]`, whose id is 1."""
        return PositionState(node=None, position=1, after_start=True)

    def feed(self, state: PositionState, token: int) -> PositionState:
        """Return the state after one more token; its `position` is the token's intra position id."""
        if self._mode == "glm":
            return PositionState(node=None, position=state.position + 1, after_start=False)
        grown = None if state.node is None else self._pool.child(state.node, token)
        if grown is not None:
            return PositionState(node=grown, position=state.position + 1, after_start=False)
        node = self._pool.child(self._pool.root, token)
        goes_on = state.after_start or (self._mode == "run" and node is None and state.node is None)
        return PositionState(node=node, position=state.position + 1 if goes_on else 1, after_start=False)

    def span_ids(self, tokens: Sequence[int]) -> list[int]:
        """Return the ids of `[S]` and of the tokens of one span, `len(tokens) + 1` in all."""
        state = self.start()
        ids = [state.position]
        for token in tokens:
            state = self.feed(state, token)
            ids.append(state.position)
        return ids


def part_a_intra_ids(
    num_tokens: int, entity_starts: Sequence[int], entity_ends: Sequence[int], mode: IntraMode = "paper"
) -> list[int]:
    """Return the intra position ids of part A: 1..n inside each entity, 0 outside.

    Example:
        >>> part_a_intra_ids(6, [1, 4], [3, 6])
        [0, 1, 2, 0, 1, 2]
        >>> part_a_intra_ids(3, [0], [2], mode="glm")
        [0, 0, 0]
    """
    ids = [0] * num_tokens
    if mode == "glm":
        return ids
    for start, end in zip(entity_starts, entity_ends, strict=True):
        ids[start:end] = range(1, end - start + 1)
    return ids


def gold_span_ids(
    start: int, end: int, entity_starts: Sequence[int], entity_ends: Sequence[int], mode: IntraMode = "paper"
) -> list[int]:
    """Return the ids of `[S]` and of the tokens of a span with given entities (`segmentation: gold`).

    The hidden part of an entity that the span cuts is a unit, counted from its first hidden token.

    Example:
        >>> gold_span_ids(0, 5, [0, 3], [2, 5])
        [1, 2, 3, 1, 1, 2]
        >>> gold_span_ids(0, 5, [3], [5], mode="run")
        [1, 2, 3, 4, 1, 2]
    """
    size = end - start
    if mode == "glm":
        return list(range(1, size + 2))
    first, stop = bisect.bisect_right(entity_ends, start), bisect.bisect_left(entity_starts, end)
    starts = [max(entity_start - start, 0) for entity_start in entity_starts[first:stop]]
    ends = [min(entity_end - start, size) for entity_end in entity_ends[first:stop]]
    ids = _numbered_separate_tokens(part_a_intra_ids(size, starts, ends), mode)
    restart = next((place for place in range(1, size) if ids[place] == 1), size)
    return [1, *(position + 1 for position in ids[:restart]), *ids[restart:]]


def _numbered_separate_tokens(ids: Sequence[int], mode: IntraMode) -> list[int]:
    """Replace the 0 of each separate token by 1, or, with `run`, by its place in its run."""
    numbered: list[int] = []
    run = 0
    for position in ids:
        run = 0 if position > 0 else run + 1 if mode == "run" else 1
        numbered.append(position or run)
    return numbered
