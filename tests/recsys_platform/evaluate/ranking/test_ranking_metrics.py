"""The tables of the report: figures that cannot be, the shop's own, and what all tables share in words."""

import json
from pathlib import Path

import pytest

from recsys_model.errors import DataError
from recsys_platform.config.run import RunConfig, build_config
from recsys_platform.evaluate.ranking.metrics import describe_cases, load_best_reachable, refuse_impossible
from recsys_platform.evaluate.report.measured import MeasuredValue
from recsys_platform.splits import DatasetSplit

FIGURE = MeasuredValue(value=0.12346, low=0.1, high=0.15)
NAMES = ("hr_at_1", "hr_at_5", "hr_at_10", "ndcg_at_5", "ndcg_at_10")
METRICS = {
    "popularity": dict.fromkeys(NAMES, MeasuredValue(value=0.01, low=0.0, high=0.02)),
    "recsysllm": dict.fromkeys(NAMES, FIGURE),
    "best_reachable": {"hr_at_10": MeasuredValue.exact(0.5)},
}


def test_what_all_tables_share_says_who_was_asked_for_what_and_what_was_known():
    assert describe_cases("test", DatasetSplit(), num_users=2000, num_users_in_split=22363, seed=7) == [
        "2,000, drawn with seed 7, of the 22,363 users of the test split.",
        "The target is the last event of each user; the history has all events before it, including the validation event.",
        "The baselines rank the same cases and use the model's training events, every user's events but the last two.",
    ]
    whole = describe_cases("valid", DatasetSplit(), num_users=5, num_users_in_split=5, seed=0)
    assert whole[:2] == [
        "All 5 users of the valid split.",
        "The target is the last event but one of each user; the history has all events before it.",
    ]


def test_a_temporal_split_tells_its_moments():
    split = DatasetSplit(kind="temporal", valid_from=30.0, test_from=50.0)

    _, target, baselines = describe_cases("valid", split, num_users=5, num_users_in_split=5, seed=0)

    assert target.startswith("The target is each user's first event in the valid period (from 30.0 until 50.0);")
    assert baselines.endswith("all events before 30.0.")


def test_figures_that_no_ranking_has_are_refused_whichever_method_has_them():
    refuse_impossible(METRICS)
    oracle = {"best_reachable": {"hr_at_10": MeasuredValue.exact(0.5), "ndcg_at_10": MeasuredValue.exact(0.51)}}

    with pytest.raises(
        DataError, match=r"the figures of best reachable .* NDCG@10 0.510000 cannot exceed 0.5000, given"
    ):
        refuse_impossible(METRICS | oracle)


def run_config(folder: Path, interactions: str = "interactions.csv") -> RunConfig:
    tables = {"interactions": {"path": str(folder / interactions)}, "items": {"path": str(folder / "items.csv")}}
    return build_config({"name": "run", "storage": str(folder), "input": tables})


def test_the_figures_of_an_oracle_beside_the_tables_are_read(tmp_path):
    assert load_best_reachable(run_config(tmp_path)) is None

    oracle = {"split": "test", "hr_at_10": 0.5, "ndcg_at_10": 0.25, "note": "exact"}
    (tmp_path / "oracle.json").write_text(json.dumps(oracle))

    assert load_best_reachable(run_config(tmp_path)) == {
        "hr_at_10": MeasuredValue.exact(0.5),
        "ndcg_at_10": MeasuredValue.exact(0.25),
    }


def test_an_oracle_of_another_split_is_left_aside(tmp_path):
    (tmp_path / "oracle.json").write_text(json.dumps({"split": "valid", "hr_at_10": 0.5}))

    assert load_best_reachable(run_config(tmp_path)) is None


def test_a_damaged_oracle_is_refused(tmp_path):
    (tmp_path / "oracle.json").write_text(json.dumps({"split": "test", "hr_at_10": "many"}))

    with pytest.raises(DataError, match="must hold metrics such as hr_at_10"):
        load_best_reachable(run_config(tmp_path))
