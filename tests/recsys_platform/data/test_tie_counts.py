"""Counts of ties against a loop over users and pairs, and against figures measured on real tables."""

import itertools
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_platform.data.tie_counts import build_item_keys, count_ties
from recsys_platform.splits import DatasetSplit

ITEM_IDS = ["i10", "i9", "other", "i2", "i33"]
NUMBERS = [10, 9, None, 2, 33]
SPLITS = (DatasetSplit(), DatasetSplit(kind="temporal", valid_from=3.0, test_from=4.0))
sequences = st.lists(
    st.lists(st.tuples(st.integers(0, 4), st.sampled_from([1.0, 2.0, 3.0, 4.0])), min_size=1, max_size=8),
    max_size=6,
)


def table_of(users: list[list[tuple[int, float]]]) -> pa.Table:
    return pa.table(
        {
            "items": pa.array([[item for item, _ in events] for events in users], pa.list_(pa.int32())),
            "timestamps": pa.array([[time for _, time in events] for events in users], pa.list_(pa.float64())),
        }
    )


def slow_counts(users: list[list[tuple[int, float]]], dataset_split: DatasetSplit, hashes: list[int]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for events in users:
        for (one, earlier), (other, later) in itertools.pairwise(events):
            kind = "tied" if earlier == later else "apart"
            counts[kind] += 1
            for order, keys in (("text", ITEM_IDS), ("number", NUMBERS), ("hash", hashes)):
                if one != other and keys[one] is not None and keys[other] is not None:
                    counts[f"{order}/{kind}"] += 1
                    counts[f"{order}/{kind}/ascending"] += keys[one] < keys[other]
        times = [time for _, time in events]
        for split in ("valid", "test"):
            target = dataset_split.target(times, split) if len(times) >= 3 else None
            if target is not None:
                counts[split] += 1
                neighbours = [times[place] for place in (target - 1, target + 1) if 0 <= place < len(times)]
                counts[f"{split}/decided"] += times[target] in neighbours
    return counts


@given(sequences, st.sampled_from(SPLITS))
def test_counts_are_those_of_a_loop_over_pairs(users, dataset_split):
    users = [sorted(events, key=lambda event: event[1]) for events in users]
    keys = build_item_keys(ITEM_IDS)

    found = count_ties(table_of(users), keys, 3, dataset_split)

    expected = slow_counts(users, dataset_split, keys["hash"].tolist())
    assert {name: count for name, count in found.items() if count} == {n: c for n, c in expected.items() if c}


@given(sequences, st.integers(0, 6))
def test_counts_of_buckets_add_up(users, cut):
    keys = build_item_keys(ITEM_IDS)
    parts = [count_ties(table_of(part), keys, 3, DatasetSplit()) for part in (users[:cut], users[cut:])]

    assert parts[0] + parts[1] == +count_ties(table_of(users), keys, 3, DatasetSplit())


def test_an_example_by_hand():
    users = [[(0, 1.0), (1, 1.0), (3, 2.0)], [(2, 1.0), (4, 2.0), (4, 2.0), (0, 2.0)], [(0, 1.0), (1, 1.0)]]

    found = count_ties(table_of(users), build_item_keys(ITEM_IDS), 3, DatasetSplit())

    del found["hash/tied/ascending"], found["hash/apart/ascending"]
    assert found == {
        "tied": 4,
        "apart": 2,
        # i10 before i9, twice; i33 before i10; i33 before itself is not compared
        "text/tied": 3,
        "text/tied/ascending": 2,
        "text/apart": 2,
        "text/apart/ascending": 0,
        "number/tied": 3,
        "number/tied/ascending": 0,
        "number/apart": 1,
        "number/apart/ascending": 0,
        "hash/tied": 3,
        "hash/apart": 2,
        "valid": 2,
        "valid/decided": 2,
        "test": 2,
        "test/decided": 1,
    }


def test_ids_that_are_numbers_are_also_ordered_as_numbers():
    keys = build_item_keys(["7", "10", "9"])

    assert keys["text"].tolist() == [1, 0, 2]
    assert keys["number"].tolist() == [7, 10, 9]
    assert len(set(keys["hash"].tolist())) == 3


@pytest.mark.parametrize(
    ("name", "num_tied", "num_decided", "num_users"),
    [("amazon_beauty", 77_402, 9_719, 22_363), ("amazon_toys", 69_475, 9_518, 19_412)],
)
def test_ties_of_real_tables_stand_in_the_order_of_item_ids(shared_data, name, num_tied, num_decided, num_users):
    rows = pq.read_table(shared_data / name / "interactions.parquet").sort_by(
        [("user_id", "ascending"), ("position", "ascending")]
    )
    item_ids = sorted(set(rows["item_id"].to_pylist()))
    index = {item_id: number for number, item_id in enumerate(item_ids)}
    users: dict[str, list[tuple[int, float]]] = {}
    for user, item, time in zip(
        *(rows[column].to_pylist() for column in ("user_id", "item_id", "timestamp")), strict=True
    ):
        users.setdefault(user, []).append((index[item], float(time)))

    counts = count_ties(table_of(list(users.values())), build_item_keys(item_ids), 3, DatasetSplit())

    assert counts["tied"] == counts["text/tied"] == counts["text/tied/ascending"] == num_tied
    assert 0.45 < counts["text/apart/ascending"] / counts["text/apart"] < 0.48
    assert 0.49 < counts["hash/tied/ascending"] / counts["hash/tied"] < 0.51
    assert (counts["test"], counts["test/decided"]) == (num_users, num_decided)
    largest = 0
    for events in users.values():
        day = [item for item, time in events if time == events[-1][1]]
        largest += len(day) > 1 and events[-1][0] == max(day)
    assert largest == num_decided
