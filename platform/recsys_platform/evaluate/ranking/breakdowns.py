"""Compute exposure, hit rates of groups, the learning curve and the examples of a report."""

import bisect
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recsys_model.entities.catalog import Catalog
from recsys_model.evaluation.exposure import HEAD_SHARE, count_events, measure_exposure, measure_popularity
from recsys_model.evaluation.groups import hit_rates, length_groups, member_hit_rates, popularity_deciles
from recsys_model.evaluation.metrics import hit_gains
from recsys_platform.evaluate.ranking.cases import Case
from recsys_platform.evaluate.report.content import ExampleCase, LearningCurve, LossPoint
from recsys_platform.evaluate.report.measured import (
    Breakdowns,
    Exposure,
    GroupRates,
    HitRateCurves,
    MeasuredValue,
    UserGroup,
)
from recsys_platform.evaluate.report.wording import OWN_TIME, TAKEN
from recsys_platform.file_names import FAMILY_LOSS, METRICS_FILE
from recsys_platform.json_lines import read_json_lines

NUM_EXAMPLES = 20
_K = 10
_MAX_HISTORY_TITLES = 8


def build_exposure(
    recommended: Mapping[str, Sequence[Sequence[int]]],
    targets: Sequence[int],
    training_sequences: Sequence[np.ndarray],
    num_items: int,
) -> dict[str, Exposure]:
    """Return the exposure of every method's first ten items, and of the targets as `TAKEN`."""
    popularity_N = count_events(training_sequences, num_items)
    shown = {method: [list(items)[:_K] for items in lists] for method, lists in recommended.items()}
    # coverage and Gini index of one target per user are not comparable with those of ten recommendations
    taken = Exposure(**measure_popularity([[target] for target in targets], popularity_N))
    return {**{name: Exposure(**measure_exposure(lists, popularity_N)) for name, lists in shown.items()}, TAKEN: taken}


def describe_exposure(num_items: int, num_users: int) -> tuple[str, ...]:
    """Return the definitions of the exposure metrics, one sentence each."""
    return (
        f"Coverage is the share of the {num_items:,} items that are among the first {_K} of at least one of "
        f"{num_users:,} users.",
        "The Gini index of exposure is 0 if all items are shown equally often, and near 1 if a few items fill all lists.",
        "Popularity is the number of training events of an item, averaged over each user's list and then over users.",
        f"The long tail is all items except the most popular {100 * HEAD_SHARE:.0f} % of the catalogue by training events.",
    )


def build_breakdowns(
    ranks: Mapping[str, np.ndarray],
    targets: Sequence[int],
    history_lengths: Sequence[int],
    training_sequences: Sequence[np.ndarray],
    num_items: int,
    has_own_time: Sequence[bool],
) -> Breakdowns:
    """Return hit rates over k, and HR@10 by popularity of the target, length of the history and ties in time.

    Args:
        ranks: Those of one ranking: method -> each case's rank, 0 if the item was not returned.
        targets: Item of each case.
        history_lengths: Number of events before each case's target.
        training_sequences: Items of each user's training events.
        num_items: Size of the catalogue.
        has_own_time: Whether each case's target shares its time with no event of the same user.
    """
    decile_N = popularity_deciles(count_events(training_sequences, num_items))
    deciles = [int(decile_N[target]) for target in targets]
    groups = length_groups(history_lengths)
    longest = [high for _, high in groups]
    lengths = [longest[bisect.bisect_left(longest, length)] for length in history_lengths]
    ks = tuple(range(1, _K + 1))
    curves = {method: tuple(float(hit_gains(rank_U, k).mean()) for k in ks) for method, rank_U in ranks.items()}
    times = member_hit_rates(_time_groups(np.array(has_own_time, dtype=bool)), ranks, _K)
    return Breakdowns(
        hit_rate_over_k=HitRateCurves(ks=ks, methods=curves),
        popularity=_group_rates(hit_rates(deciles, {decile: str(decile) for decile in range(1, 11)}, ranks, _K)),
        history=_group_rates(hit_rates(lengths, {high: _range(low, high) for low, high in groups}, ranks, _K)),
        times=_group_rates(times),
    )


def _group_rates(rates: Mapping[str, Any]) -> GroupRates:
    """Return what `hit_rates` gives, typed."""
    return GroupRates(
        groups=tuple(UserGroup(**group) for group in rates["groups"]),
        methods={
            method: tuple(None if figure is None else MeasuredValue(**figure) for figure in figures)
            for method, figures in rates["methods"].items()
        },
    )


def _time_groups(own_U: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Return all users, and those whose target has a time of its own and not."""
    return [("all users", np.ones_like(own_U)), (OWN_TIME, own_U), ("held-out event that shares its time", ~own_U)]


def load_learning_curve(checkpoint_folder: Path) -> LearningCurve | None:
    """Return the losses and the minutes of the training; None without a record."""
    lines = read_json_lines(checkpoint_folder / METRICS_FILE)
    train, validation = _points(lines, "train/loss"), _points(lines, "eval/loss")
    if not train and not validation:
        return None
    families = sorted({name for line in lines for name in line if name.startswith(FAMILY_LOSS)})
    losses = {name.removeprefix(FAMILY_LOSS): _points(lines, name) for name in families}
    return LearningCurve(train=train, eval=validation, families=losses, minutes=lines[-1].get("minutes"))


def _points(lines: Sequence[Mapping[str, float]], name: str) -> tuple[LossPoint, ...]:
    return tuple((int(line["step"]), line[name]) for line in lines if math.isfinite(line.get(name, math.nan)))


def pick_examples(ranks: np.ndarray, seed: int, num_examples: int = NUM_EXAMPLES) -> tuple[list[int], str]:
    """Return indices of cases drawn by seed, half of them hits if there are enough, and the rule in words."""
    hit_H, miss_M = np.flatnonzero(np.asarray(ranks) > 0), np.flatnonzero(np.asarray(ranks) == 0)
    num_hits = min(len(hit_H), max(num_examples // 2, num_examples - len(miss_M)))
    num_misses = min(len(miss_M), num_examples - num_hits)
    generator = np.random.default_rng(seed)
    drawn = [generator.choice(hit_H, num_hits, replace=False), generator.choice(miss_M, num_misses, replace=False)]
    statement = (
        f"Drawn with seed {seed}, not by hand: {num_hits} of the {len(hit_H):,} cases whose item is among the first {_K}, "
        f"and {num_misses} of the {len(miss_M):,} others. So the share of hits here differs from that of all cases."
    )
    return sorted(int(place) for place in np.concatenate(drawn)), statement


def build_example(
    user_id: str, history: Sequence[str], truth: str, recommended: Sequence[str], rank: int
) -> ExampleCase:
    """Return one user's case as an example; `rank` is 0 if the target was not returned."""
    return ExampleCase(
        user_id=user_id,
        num_history=len(history),
        history=tuple(history[-_MAX_HISTORY_TITLES:]),
        truth=truth,
        rank=rank,
        recommended=tuple(recommended),
    )


def build_examples(
    cases: Sequence[Case], catalog: Catalog, recommended: Sequence[Sequence[int]], ranks: np.ndarray, seed: int
) -> tuple[tuple[ExampleCase, ...], str]:
    """Return cases drawn by seed as examples with titles, and the rule of the draw in words."""

    def titles(items: Sequence[int]) -> list[str]:
        return [catalog.items[item].title or catalog.items[item].text for item in items]

    places, statement = pick_examples(ranks, seed)
    examples = tuple(
        build_example(
            cases[place].user_id,
            titles(cases[place].history),
            titles([cases[place].target_item])[0],
            titles(recommended[place][:_K]),
            int(ranks[place]),
        )
        for place in places
    )
    return examples, statement


def _range(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}-{high}"
