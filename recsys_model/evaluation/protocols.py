"""Evaluation protocols: target events, candidates of the ranking, and one sentence that states each.

Figures are comparable only under the same protocol; every table carries the statements of the one that it used.
"""

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from recsys_model.config import require
from recsys_model.errors import DataError
from recsys_model.text.negatives import draw_negatives, shuffled_with


@dataclass(frozen=True, slots=True)
class EventSplit:
    """Indices of one user's events, in the user's order; other events are not used."""

    train: range
    """Events to train on."""
    valid: range
    """Validation targets."""
    test: range
    """Test targets."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Protocol:
    """How a ranking is measured."""

    split: Literal["leave_one_out", "temporal"] = "leave_one_out"
    """Which events are targets; see `leave_one_out` and `temporal_split`."""
    competitors: Literal["catalogue", "sampled", "given"] = "catalogue"
    """Candidates of the ranking: every item, seeded negatives, or the candidates in the data."""
    num_negatives: int = 99
    """Negatives of each user with `competitors: sampled`."""
    exclude_seen: bool = False
    """With `competitors: catalogue`, whether items of the user's history are excluded."""

    def __post_init__(self) -> None:
        require(self.num_negatives >= 1, f"protocol.num_negatives must be at least 1, got {self.num_negatives}")
        require(
            not self.exclude_seen or self.competitors == "catalogue",
            f"protocol.exclude_seen is for the whole catalogue, got competitors {self.competitors!r}; leave it false",
        )

    def statements(self, num_items: int) -> list[str]:
        """Return one sentence each on targets, competitors and seen items."""
        return [SPLIT_STATEMENTS[self.split], self._competitors(num_items), self._seen()]

    def _competitors(self, num_items: int) -> str:
        if self.competitors == "catalogue":
            return f"The target is ranked against the whole catalogue of {num_items:,} items."
        if self.competitors == "given":
            return "The target is ranked among the candidates in the data."
        return (
            f"The target is ranked among itself and {self.num_negatives} items drawn by seed and user from the "
            f"{num_items:,} of the catalogue that the user never took; metrics are far higher than on the whole catalogue."
        )

    def _seen(self) -> str:
        if self.competitors == "sampled":
            return "The user's own items are never among the negatives."
        if self.exclude_seen:
            return "Items of the user's history are excluded, so a target from the history counts as a miss."
        return "No item is excluded: items of the user's history are candidates too."


SPLIT_STATEMENTS: dict[str, str] = {
    "leave_one_out": "Leave-one-out: the last event of each user is the test target, the one before the validation target, "
    "all others are training events.",
    "temporal": "Temporal split: events of all users before one time are training events, those up to a second time "
    "validation events, later ones test events.",
}
"""The statement on each split."""


def leave_one_out(num_events: int) -> EventSplit:
    """Return the split of a user with so many events: the last tests, the one before validates.

    A user with fewer than three events has no target, and all of them train.

    Example:
        >>> leave_one_out(5)
        EventSplit(train=range(0, 3), valid=range(3, 4), test=range(4, 5))
    """
    if num_events < 3:
        return EventSplit(range(num_events), range(num_events, num_events), range(num_events, num_events))
    return EventSplit(range(num_events - 2), range(num_events - 2, num_events - 1), range(num_events - 1, num_events))


def temporal_split(timestamps: Sequence[float], valid_from: float, test_from: float) -> EventSplit:
    """Return the split of a user's events, ascending in time, at two moments that are the same for all users.

    Raises:
        DataError: the moments or the events are not ascending.

    Example:
        >>> temporal_split([1.0, 4.0, 4.0, 9.0], valid_from=4.0, test_from=5.0)
        EventSplit(train=range(0, 1), valid=range(1, 3), test=range(3, 4))
    """
    if valid_from > test_from:
        raise DataError(f"validation must begin before the test, got {valid_from} and {test_from}")
    if any(earlier > later for earlier, later in itertools.pairwise(timestamps)):
        raise DataError("a user's events must be in order of time for a temporal split; sort them first")
    num_train = sum(time < valid_from for time in timestamps)
    num_before_test = sum(time < test_from for time in timestamps)
    return EventSplit(range(num_train), range(num_train, num_before_test), range(num_before_test, len(timestamps)))


def sampled_candidates(
    seed: int, user_id: str, target: int, own_items: Collection[int], num_items: int, num_negatives: int = 99
) -> list[int]:
    """Return the target among negatives that depend on (seed, user) alone, in an uninformative order.

    `own_items` are all items of the user, so all methods and targets of a user get the same negatives.

    Raises:
        DataError: the catalogue has too few items that the user never took.
    """
    negatives = draw_negatives((seed, user_id), {*own_items, target}, num_items, num_negatives)
    return shuffled_with((seed, user_id, target), target, negatives)


def rank_of_target(candidates: Sequence[int], scores: Sequence[float], target: int) -> int:
    """Return the place of the target among scored candidates, 1 for the first; it loses every tie.

    Raises:
        DataError: the target is not among the candidates, or scores are missing.

    Example:
        >>> rank_of_target([7, 3, 9], [-1.0, -2.0, -2.0], target=3)
        3
    """
    if len(candidates) != len(scores) or target not in candidates:
        raise DataError(
            f"the target {target} must be among the candidates and each must have a score, "
            f"got {len(candidates)} candidates and {len(scores)} scores"
        )
    own = scores[list(candidates).index(target)]
    return sum(score >= own for score in scores)
