"""Temporal splits in the data stage on a real Ray."""

import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray

from recsys_model.errors import DataError
from recsys_platform.config.input import DataConfig
from recsys_platform.data import sequences
from recsys_platform.data.stage import run_data
from recsys_platform.data.temporal_split import find_moments, find_split
from tests.recsys_platform.data.test_data_stage import make_config, shop

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("ray_cluster")]


def moments_by_sorting(times: list[float], valid_share: float, test_share: float) -> tuple[float, float]:
    """Return the earliest times of events from which on at most both shares, and the test's, of all events happen."""

    def earliest(share: float) -> float:
        late = [time for time in times if sum(other >= time for other in times) <= share * len(times) + 1e-9]
        return min(late, default=float("inf"))

    return earliest(valid_share + test_share), earliest(test_share)


def test_a_temporal_split_cuts_all_users_at_the_moments_that_sorting_all_events_gives(tmp_path):
    tables = shop()
    for row in tables["interactions"]:
        row["timestamp"] = 1000 * row["position"] + int(row["user_id"][1:])
    data = {"split": "temporal", "valid_share": 0.2, "test_share": 0.15, "targets_per_user": 0, "max_leak_share": 1.0}
    config = make_config(tmp_path, tables, data=data)

    counts = run_data(config)["counts"]

    times = [float(row["timestamp"]) for row in tables["interactions"]]
    valid_from, test_from = moments_by_sorting(times, 0.2, 0.15)
    assert counts["split"] == {"kind": "temporal", "valid_from": valid_from, "test_from": test_from}
    user_to_times: dict[str, list[float]] = {}
    for row in tables["interactions"]:
        user_to_times.setdefault(row["user_id"], []).append(float(row["timestamp"]))
    for split, low, high in (("valid", valid_from, test_from), ("test", test_from, float("inf"))):
        expected = {}
        for user, own in user_to_times.items():
            inside = [place for place, time in enumerate(own) if low <= time < high]
            if len(own) >= 3 and inside and inside[0] > 0:
                expected[user] = inside[0]
        rows = pq.read_table(config.dataset_folder / "examples" / split).to_pylist()
        assert {row["user_id"]: row["target_index"] for row in rows} == expected
        assert expected, "the case must have something to ask"
    trained = pq.read_table(config.dataset_folder / "examples" / "train").to_pylist()
    assert trained
    assert all(user_to_times[row["user_id"]][row["target_index"]] < valid_from for row in trained)


@pytest.mark.parametrize("seed", range(3))
def test_the_moments_of_a_split_are_exact_for_times_that_tie_and_for_times_of_every_size(seed):
    rng = random.Random(seed)
    times = [rng.choice([0.0, 5.0, 5.0, rng.random(), 1e9 + rng.random(), 1e9, -3.5]) for _ in range(500)]
    users = [
        {"user_id": f"u{n}", "items": [0], "timestamps": [time], "ratings": [None], "actions": [None]}
        for n, time in enumerate(times)
    ]
    block = pa.Table.from_pylist([{"bucket": 0, "users": users, "rejects": []}], schema=sequences.BUCKET_SCHEMA)
    shares = {"valid_share": 0.1 + 0.1 * seed, "test_share": 0.3}

    assert find_moments(ray.data.from_arrow(block), **shares) == moments_by_sorting(times, **shares)


def test_a_temporal_split_that_leaves_a_period_without_events_is_refused():
    users = [
        {"user_id": f"u{n}", "items": [0], "timestamps": [time], "ratings": [None], "actions": [None]}
        for n, time in enumerate([1.0, 2.0, 3.0, 3.0, 3.0])
    ]
    block = pa.Table.from_pylist([{"bucket": 0, "users": users, "rejects": []}], schema=sequences.BUCKET_SCHEMA)

    with pytest.raises(DataError, match=r"too many of the 5 events share a time: .* the test at 3\.0000"):
        find_split(ray.data.from_arrow(block), DataConfig(split="temporal", valid_share=0.2, test_share=0.2))


def test_as_many_validation_users_as_asked_for_are_drawn_among_those_with_a_validation_event(tmp_path):
    tables = shop()
    for row in tables["interactions"]:
        row["timestamp"] = 1000 * row["position"] + int(row["user_id"][1:])
    data = {"split": "temporal", "valid_share": 0.2, "test_share": 0.15, "max_leak_share": 1.0}
    for name in ("all", "four"):
        (tmp_path / name).mkdir()
    everybody = run_data(make_config(tmp_path / "all", tables, data=data))["counts"]["examples"]["valid"]

    drawn = run_data(make_config(tmp_path / "four", tables, data={**data, "max_eval_users": 4}))["counts"]["examples"]

    assert everybody > 4
    assert drawn["valid"] == 4
