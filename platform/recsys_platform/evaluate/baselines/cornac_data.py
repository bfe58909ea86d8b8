"""Training events in the shapes that cornac's models learn from.

Cornac numbers users and items itself, in the order in which they first occur.

Shape suffixes: N = items of the catalogue, K = items that occur in training, E = events.
"""

import importlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from recsys_model.errors import DataError
from recsys_model.evaluation.baselines import Sequences

NEGATIVES_PER_EVENT = 4
"""Items that a user never took, drawn for each one taken where a model fits ratings (He et al. 2017, section 4.1)."""


class TrainingEvents:
    """What is known in training, and how cornac numbers it."""

    def __init__(self, sequences: Sequences, num_items: int):
        self.num_items = num_items
        self.sequences = [np.asarray(sequence, dtype=np.int64) for sequence in sequences]
        self.event_E = np.concatenate([np.zeros(0, dtype=np.int64), *self.sequences])
        self.user_E = np.repeat(np.arange(len(self.sequences)), [len(sequence) for sequence in self.sequences])
        distinct, first = np.unique(self.event_E, return_index=True)
        self.item_K = distinct[np.argsort(first)]
        """Catalogue indices in cornac's order."""
        self.place_N = np.full(num_items, -1, dtype=np.int64)
        self.place_N[self.item_K] = np.arange(len(self.item_K))
        users = [user for user, sequence in enumerate(self.sequences) if len(sequence) > 0]
        self.user_to_place = {user: place for place, user in enumerate(users)}
        """Place among the sequences -> cornac's number of the user."""

    @property
    def num_events(self) -> int:
        """Events of all users."""
        return len(self.event_E)

    @property
    def num_sequences(self) -> int:
        """Users with something that follows on something."""
        return sum(len(sequence) >= 2 for sequence in self.sequences)

    def require(self, min_events: int) -> None:
        """Raise unless some user has so many events.

        Raises:
            DataError: no user has.
        """
        longest = max((len(sequence) for sequence in self.sequences), default=0)
        if longest < min_events:
            raise DataError(
                f"a baseline must have a user with at least {min_events} training events to learn from, "
                f"the longest sequence has {longest}; take it out of evaluate.baselines"
            )

    def places_of(self, history: Sequence[int] | np.ndarray) -> list[int]:
        """Return cornac's numbers of the items of a history, without those that never occurred in training."""
        place = self.place_N[np.asarray(history, dtype=np.int64)]
        return [int(number) for number in place[place >= 0]]

    @cached_property
    def pairs(self) -> np.ndarray:
        """Each user's distinct items, as `user * N + item`, in the order in which they first occur."""
        pair_E = self.user_E * self.num_items + self.event_E
        distinct, first = np.unique(pair_E, return_index=True)
        return distinct[np.argsort(first)]


def session_set(events: TrainingEvents, seed: int) -> Any:
    """Return cornac's data set of one sequence a user."""
    start_U = np.cumsum([0, *(len(sequence) for sequence in events.sequences)])
    step_E = np.arange(events.num_events) - start_U[events.user_E]
    rows = zip(events.user_E.tolist(), events.user_E.tolist(), events.event_E.tolist(), step_E.tolist(), strict=True)
    return _data().SequentialDataset.from_usit(list(rows), seed=seed)


def interaction_set(events: TrainingEvents, seed: int) -> Any:
    """Return cornac's data set of who took what; how often does not count."""
    return _rated(events, events.pairs, np.ones(len(events.pairs)), seed)


def rating_set(events: TrainingEvents, seed: int) -> Any:
    """Return cornac's data set of what each user took, rated 1, and drawn items that the user never took, rated 0.

    Ratings that are all 1 would be met by their mean and teach nothing. Rows are in a drawn order, since cornac's
    gradient descent takes them as they come.
    """
    generator = np.random.default_rng(seed)
    users = np.repeat(events.pairs // events.num_items, NEGATIVES_PER_EVENT)
    drawn = users * events.num_items + generator.choice(events.item_K, size=len(users))
    # users, and among them items, keep the numbers that they have without negatives
    unseen = np.setdiff1d(drawn, events.pairs)
    order = generator.permutation(len(events.pairs) + len(unseen))
    pairs, ratings = np.concatenate([events.pairs, unseen]), np.repeat([1.0, 0.0], [len(events.pairs), len(unseen)])
    return _rated(events, pairs[order], ratings[order], seed)


def _rated(events: TrainingEvents, pairs: np.ndarray, ratings: np.ndarray, seed: int) -> Any:
    users, items = (pairs // events.num_items).tolist(), (pairs % events.num_items).tolist()
    rows = list(zip(users, items, ratings.tolist(), strict=True))
    users_to_numbers = dict(events.user_to_place)
    items_to_numbers = {int(item): place for place, item in enumerate(events.item_K)}
    return _data().Dataset.build(rows, global_uid_map=users_to_numbers, global_iid_map=items_to_numbers, seed=seed)


def _data() -> Any:
    return importlib.import_module("cornac.data")
