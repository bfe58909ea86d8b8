"""Groups of users that an ablation tells apart: those whose next item is rare, and those whose last event has a time of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsys_platform.ablate.results import SeedRanks
from recsys_platform.config.run import RunConfig
from recsys_platform.evaluate.ranking.cases import EvaluationData, load_evaluation_data

RARE_EVENTS = 5
"""Training events that a rare item has at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluatedGroup:
    """Some of the users that an ablation evaluates."""

    title: str
    """Who they are, in words."""
    users: frozenset[str]
    """Their ids."""

    def restrict(self, ranks: SeedRanks) -> dict[int, dict[str, int]]:
        """Return the ranks of the group's users alone."""
        return {
            seed: {user: rank for user, rank in of_seed.items() if user in self.users}
            for seed, of_seed in ranks.items()
        }


def load_groups(base: RunConfig) -> list[EvaluatedGroup]:
    """Return the groups that have at least one user, by the held-out events of the base's dataset."""
    evaluate = base.evaluate
    return build_groups(load_evaluation_data(base.dataset_folder, evaluate.split, evaluate.num_users, base.seed))


def build_groups(data: EvaluationData) -> list[EvaluatedGroup]:
    """Return the groups that have at least one user."""
    targets = [case.target_item for case in data.cases]
    num_events = _num_training_events(data.training_sequences, targets)
    is_rare = [number <= RARE_EVENTS for number in num_events]
    has_own_time = [case.has_own_time for case in data.cases]
    groups = (
        (f"users whose held-out item has at most {RARE_EVENTS} training events", is_rare),
        ("users whose held-out event has a time of its own", has_own_time),
    )
    return [
        EvaluatedGroup(
            title=title, users=frozenset(case.user_id for case, is_in in zip(data.cases, flags, strict=True) if is_in)
        )
        for title, flags in groups
        if any(flags)
    ]


def _num_training_events(training_sequences: Sequence[np.ndarray], targets: Sequence[int]) -> list[int]:
    """Return how often each target occurs in the training events."""
    items = np.concatenate([np.zeros(0, dtype=np.int64), *training_sequences]).astype(np.int64)
    num_events = np.bincount(items, minlength=max(targets, default=0) + 1)
    return [int(num_events[target]) for target in targets]
