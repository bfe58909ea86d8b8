"""Compute the ranks of the held-out items, for every method under every protocol.

The model ranks the whole catalogue by search, and candidates by their scores. A baseline scores all items of a case
once, for all protocols. The target loses every tie.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recsys_model.evaluation.baselines import Ranker, rank_by_keys
from recsys_model.evaluation.exposure import best_of
from recsys_model.evaluation.metrics import LARGEST_K, rank_in
from recsys_model.evaluation.protocols import rank_of_target
from recsys_platform.evaluate.ranking.cases import Case
from recsys_platform.evaluate.ranking.workers import recommend_for_all, score_candidates
from recsys_platform.evaluate.report.measured import CATALOGUE, Competitors
from recsys_platform.evaluate.report.wording import MODEL
from recsys_platform.evaluate.workers.answer_log import AnswerLogs
from recsys_platform.evaluate.workers.model import WorkerSettings
from recsys_platform.progress import counted

Ranks = dict[str, np.ndarray]
"""Maps a method to the rank of each case's target, from 1; 0 if the method did not return it."""

RANKS_FILE = "ranks.parquet"
"""File of an evaluation with the ranks of every user."""


def rank_column(competitors: Competitors, method: str) -> str:
    """Return the column of `RANKS_FILE` with the ranks of a method under a protocol.

    Example:
        >>> rank_column("catalogue", "popularity"), rank_column("sampled", "popularity")
        ('rank_popularity', 'rank_sampled_popularity')
    """
    return f"rank_{method}" if competitors == CATALOGUE else f"rank_{competitors}_{method}"


@dataclass(frozen=True, slots=True)
class Rankings:
    """Ranks and best items of several methods on the same cases."""

    ranks: dict[Competitors, Ranks]
    """Ranks by protocol and method."""
    best: dict[str, list[list[int]]]
    """Maps a method to the best `LARGEST_K` items of the whole catalogue for each case."""
    num_cut: int = 0
    """Number of cases whose exact search reached its limit."""

    def to_plain(self) -> dict[str, object]:
        """Return the same as plain JSON types."""
        ranks = {
            name: {method: values.tolist() for method, values in methods.items()}
            for name, methods in self.ranks.items()
        }
        return {"ranks": ranks, "best": self.best, "num_cut": self.num_cut}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Rankings":
        """Return what `to_plain` was called on."""
        ranks = {
            name: {method: np.array(values) for method, values in methods.items()}
            for name, methods in plain["ranks"].items()
        }
        return cls(ranks, plain["best"], plain["num_cut"])


def rank_with_model(
    cases: Sequence[Case],
    candidates: Mapping[Competitors, list[list[int]]],
    settings: WorkerSettings,
    partial_answers: AnswerLogs,
    *,
    num_workers: int,
    batch_size: int,
) -> Rankings:
    """Return the model's rankings, computed by Ray actors; Ray must be initialised.

    The whole catalogue is always searched, because exposure and examples need it.
    """
    spread = {"num_workers": num_workers, "batch_size": batch_size}
    ranked_cases = recommend_for_all(cases, settings, k=LARGEST_K, log=partial_answers.log("ranked"), **spread)
    recommended = [ranked.items for ranked in ranked_cases]
    ranks = {
        CATALOGUE: np.array([rank_in(row, case.target_item) for row, case in zip(recommended, cases, strict=True)])
    }
    for name, lists in candidates.items():
        scores = score_candidates(cases, lists, settings, log=partial_answers.log(f"scores_{name}"), **spread)
        rows = zip(cases, lists, scores, strict=True)
        ranks[name] = np.array([rank_of_target(items, row, case.target_item) for case, items, row in rows])
    num_cut = sum(ranked.is_cut for ranked in ranked_cases)
    return Rankings({name: {MODEL: values} for name, values in ranks.items()}, {MODEL: recommended}, num_cut)


def rank_with_baseline(
    method: str,
    ranker: Ranker,
    cases: Sequence[Case],
    candidates: Mapping[Competitors, list[list[int]]],
    *,
    exclude_seen: bool,
    show_progress: bool = True,
) -> Rankings:
    """Return the rankings of one baseline."""
    ranks: dict[Competitors, list[int]] = {name: [] for name in (CATALOGUE, *candidates)}
    best: list[list[int]] = []
    shown = counted(cases, f"ranking by {method}", len(cases), "users") if show_progress else cases
    for place, case in enumerate(shown):
        key_N = ranker.sort_keys(case.history, case.training_place)
        excluded = sorted(case.seen_items) if exclude_seen else []
        ranks[CATALOGUE].append(rank_by_keys(key_N, case.target_item, excluded))
        best.append(best_of(key_N, LARGEST_K, excluded))
        for name, lists in candidates.items():
            ranks[name].append(rank_of_target(lists[place], key_N[lists[place]].tolist(), case.target_item))
    return Rankings({name: {method: np.array(values)} for name, values in ranks.items()}, {method: best})


def join(parts: Sequence[Rankings]) -> Rankings:
    """Return the rankings of several methods as one."""
    ranks: dict[Competitors, Ranks] = {}
    best: dict[str, list[list[int]]] = {}
    for part in parts:
        for name, methods in part.ranks.items():
            ranks.setdefault(name, {}).update(methods)
        best |= part.best
    return Rankings(ranks, best, sum(part.num_cut for part in parts))
