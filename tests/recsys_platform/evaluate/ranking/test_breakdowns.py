"""What a report is made from: cases drawn by a rule, exposure, groups, the recorded learning curve."""

import json

import numpy as np
import pytest

from recsys_platform.evaluate.ranking.breakdowns import (
    build_breakdowns,
    build_example,
    build_exposure,
    describe_exposure,
    load_learning_curve,
    pick_examples,
)
from recsys_platform.evaluate.report.content import ExampleCase, LearningCurve
from recsys_platform.evaluate.report.measured import Exposure, GroupRates, UserGroup

TRAINING = [np.array([0, 1, 1]), np.array([1, 2])]


def sizes(rates: GroupRates) -> list[tuple[str, int]]:
    return [(group.name, group.num_users) for group in rates.groups]


def values(rates: GroupRates, method: str) -> list[float]:
    return [figure.value for figure in rates.methods[method]]


def test_half_of_the_picked_cases_are_hits_and_half_are_misses():
    ranks = np.array([0, 3] * 40)

    places, statement = pick_examples(ranks, seed=5)

    assert len(places) == len(set(places)) == 20
    assert sum(ranks[place] > 0 for place in places) == 10
    assert places == sorted(places)
    assert "10 of the 40 cases whose item is among" in statement
    assert "seed 5" in statement


@pytest.mark.parametrize(("num_hits", "num_misses", "hits_picked"), [(3, 50, 3), (50, 4, 16), (2, 3, 2), (0, 30, 0)])
def test_where_one_kind_is_rare_the_other_fills_the_places(num_hits, num_misses, hits_picked):
    ranks = np.array([1] * num_hits + [0] * num_misses)

    places, _ = pick_examples(ranks, seed=0)

    assert len(places) == min(20, num_hits + num_misses)
    assert sum(place < num_hits for place in places) == hits_picked


def test_the_same_seed_picks_the_same_cases_and_another_one_others():
    ranks = np.arange(500) % 3

    assert pick_examples(ranks, seed=1) == pick_examples(ranks, seed=1)
    assert pick_examples(ranks, seed=1)[0] != pick_examples(ranks, seed=2)[0]


def test_a_hit_of_high_rank_is_picked_as_readily_as_one_of_rank_ten():
    ranks = np.array([1] * 100 + [10] * 100 + [0] * 200)

    picked = [place for seed in range(200) for place in pick_examples(ranks, seed)[0] if place < 200]

    first = sum(place < 100 for place in picked)
    assert abs(first - 1000) < 6 * np.sqrt(2000 * 0.25)


def test_exposure_compares_recommendations_with_what_was_taken():
    exposure = build_exposure({"m": [[1, 0], [1, 2]]}, targets=[0, 2], training_sequences=TRAINING, num_items=4)

    assert exposure["m"].coverage == 3 / 4
    assert exposure["m"].mean_popularity == ((3 + 1) / 2 + (3 + 1) / 2) / 2
    assert exposure["taken"] == Exposure(mean_popularity=1.0, long_tail_share=1.0)  # item 1 alone is the head


def test_sentences_on_exposure_tell_the_sizes():
    assert describe_exposure(num_items=1234, num_users=7)[0].startswith(
        "Coverage is the share of the 1,234 items that are among the first 10 of at least one of 7 users"
    )


def test_hit_rates_over_k_and_of_groups_count_the_same_hits():
    ranks = {"m": np.array([1, 4, 0, 10, 2])}

    built = build_breakdowns(ranks, [1, 1, 0, 2, 3], [1, 3, 4, 9, 0], TRAINING, num_items=4, has_own_time=[True] * 5)

    assert built.hit_rate_over_k.ks == tuple(range(1, 11))
    assert built.hit_rate_over_k.methods["m"] == (0.2, 0.4, 0.4, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.8)
    assert sizes(built.history) == [("0", 1), ("1", 1), ("3", 1), ("4", 1), ("9", 1)]
    assert values(built.history, "m") == [1.0, 1.0, 1.0, 0.0, 1.0]
    for rates in (built.popularity, built.history):
        hits = [size * value for (_, size), value in zip(sizes(rates), values(rates, "m"), strict=True)]
        assert sum(hits) == pytest.approx(5 * 0.8)


def test_many_lengths_share_a_group():
    lengths = [2, 2, 2, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]

    ranks = {"m": np.array([1] * 5 + [0] * 11)}

    built = build_breakdowns(ranks, [0] * 16, lengths, TRAINING, num_items=4, has_own_time=[True] * 16)

    assert sizes(built.history) == [("2", 4), *((f"{low}-{low + 1}", 2) for low in range(5, 16, 2))]
    assert values(built.history, "m") == [1.0, 0.5, 0, 0, 0, 0, 0]


def test_the_most_popular_target_is_in_the_highest_group():
    built = build_breakdowns({"m": np.array([1, 0])}, [1, 3], [1, 1], TRAINING, num_items=4, has_own_time=[True] * 2)

    assert sizes(built.popularity) == [("1", 1), ("8", 1)]
    assert values(built.popularity, "m") == [0.0, 1.0]


def test_users_whose_target_has_a_time_of_its_own_stand_beside_all_users_for_every_method():
    ranks = {"m": np.array([1, 4, 0, 10, 2]), "other": np.array([0, 0, 1, 0, 0])}
    own = [True, False, True, False, False]

    times = build_breakdowns(ranks, [0] * 5, [1] * 5, TRAINING, num_items=4, has_own_time=own).times

    assert times.groups == (
        UserGroup(name="all users", num_users=5),
        UserGroup(name="held-out event with a time of its own", num_users=2),
        UserGroup(name="held-out event that shares its time", num_users=3),
    )
    assert values(times, "m") == [0.8, 0.5, 1.0]
    assert values(times, "other") == [0.2, 0.5, 0.0]


def test_a_group_of_times_without_users_has_no_figure():
    ranks = {"m": np.array([1, 0])}

    times = build_breakdowns(ranks, [0] * 2, [1] * 2, TRAINING, num_items=4, has_own_time=[False, False]).times

    assert [group.num_users for group in times.groups] == [2, 0, 2]
    assert times.methods["m"][1] is None


def test_the_learning_curve_is_read_and_what_is_not_finite_is_left_out(tmp_path):
    lines = [
        {"step": 1, "minutes": 0.1, "train/loss": 2.0, "train/learning_rate": 0.1},
        {"step": 2, "minutes": 0.2, "train/loss": float("nan")},
        {"step": 2, "minutes": 0.3, "eval/loss": 1.5, "eval/loss_rating": 0.4},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    assert load_learning_curve(tmp_path) == LearningCurve(
        train=((1, 2.0),), eval=((2, 1.5),), families={"rating": ((2, 0.4),)}, minutes=0.3
    )


def test_a_checkpoint_without_a_record_has_no_learning_curve(tmp_path):
    assert load_learning_curve(tmp_path) is None


def test_an_example_keeps_the_latest_titles_and_counts_all():
    history = [f"item {number}" for number in range(10)]

    assert build_example("ann", history, "tent", ["pole", "tent"], 2) == ExampleCase(
        user_id="ann",
        num_history=10,
        history=tuple(f"item {number}" for number in range(2, 10)),
        truth="tent",
        rank=2,
        recommended=("pole", "tent"),
    )
