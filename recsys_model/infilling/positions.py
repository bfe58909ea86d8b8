"""Intra position ids: where a token stands inside its entity, while training and while generating.

One automaton numbers part B in both phases. While generating, the length of the answer is not
known, so the id of each token is decided when the token is fed back (paper, Inference Phase and
Figure 2): a token that goes on along an entity of the pool grows the count, any other restarts it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from recsys_model.entities.pool import EntityPool

IntraMode = Literal["paper", "run", "glm"]


@dataclass(frozen=True, slots=True)
class PositionState:
    """Where the automaton stands after the last token that was fed."""

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
