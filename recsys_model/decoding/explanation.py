"""Why an item has its score: the walk through the trie, the parts of the score, and what each event contributes.

Plain values, so `dataclasses.asdict` and `json.dumps` write them.
"""

from dataclasses import dataclass
from typing import Literal

Part = Literal["tokens", "items", "counts"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PositionedToken:
    """One token with its two position ids."""

    token_id: int
    text: str
    """Empty for control tokens, and for a part of a character."""
    inter_position_id: int | None
    """None for `[E]`, which is predicted and never read."""
    intra_position_id: int | None
    """See `inter_position_id`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WalkToken(PositionedToken):
    """One token of the item, `[E]` at its end."""

    log_prob: float
    """What the token adds to the token score, 0 where the trie leaves no choice; with `scoring: lm` every token adds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BranchChild:
    """One way on from a branch of the trie."""

    token_ids: tuple[int, ...]
    """Tokens up to the next branch or the end of the item."""
    text: str
    """Their text."""
    num_items: int
    """Items below."""
    probability: float
    """Of the child's first token: among the children, or with `scoring: lm` among the whole vocabulary."""
    item_probability: float | None
    """What the entity head gives all items below, as a share of the items below the branch; None without a head."""
    is_on_path: bool
    """Whether the item lies below."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Branch:
    """A node of the trie on the way to the item where more than one child follows."""

    num_tokens: int
    """Tokens of the item before the branch."""
    num_children: int
    """All children."""
    children: tuple[BranchChild, ...]
    """The most probable ones, best first, and the one on the path."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScorePart:
    """One part of a score; it contributes weight times value."""

    name: Part
    """`tokens`: sum of the log-probabilities of the tokens; `items`: log-probability of the item by the entity head;
    `counts`: log(1 + co-occurrences with the latest items)."""
    weight: float
    value: float
    contribution: float
    """Weight times value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """Why one item has its score for one prompt."""

    item: int
    """Catalogue index."""
    score: float
    """The sum of the parts' contributions: the score that a search gives the item, up to rounding."""
    parts: tuple[ScorePart, ...]
    """Those that the scoring uses."""
    prompt: tuple[PositionedToken, ...]
    """What the model reads before it generates, `[S]` at its end."""
    tokens: tuple[WalkToken, ...]
    """The item, token by token."""
    branches: tuple[Branch, ...]
    """From the root to the item."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """Score and rank of an item for one prompt."""

    score: float
    rank: int
    """1 plus the number of allowed items with a higher score, or with the same one and a lower catalogue index; caps do not
    count."""
    is_rank_exact: bool
    """False if the search ended before all better items were found; the rank is then the smallest possible one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EventEffect:
    """Where the item stands without one event."""

    event: int
    """Place in the history as the prompt tells it, 0 is the oldest."""
    item: int
    """Catalogue index of the event's item."""
    without: Standing


@dataclass(frozen=True, kw_only=True, slots=True)
class EventEffects:
    """Where an item stands with the whole history, and without each of its events."""

    item: int
    """Catalogue index."""
    whole: Standing
    events: tuple[EventEffect, ...]
    """Oldest first."""
    num_reused_tokens: int
    """Prompt tokens whose keys and values were reused; 0 if the layout of the model allows none."""
