"""Rows of a shuffle partition against a slow reference that goes row by row."""

import itertools
from collections import Counter, defaultdict

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_platform.data.input.contract import CHECKED_SCHEMA, bucket_of
from recsys_platform.data.sequences import BUCKET_SCHEMA, group_by_user, iter_buckets, partition_boundaries

NUM_BUCKETS = 3
ITEM_IDS = pa.array(["a", "b"])

interactions = st.lists(
    st.fixed_dictionaries(
        {
            "user_id": st.sampled_from(["ann", "bob", "cat", "dan"]),
            "item": st.integers(0, 1),
            "timestamp": st.sampled_from([1.0, 2.0]),
            "position": st.sampled_from([0.0, 1.0]),
            "details": st.integers(0, 1),
            "reason": st.sampled_from([None, None, None, "unknown_item"]),
        }
    ),
    min_size=1,
    max_size=40,
)


def checked_table(rows: list[dict]) -> pa.Table:
    complete = [
        {
            **dict.fromkeys(CHECKED_SCHEMA.names),
            **row,
            "row": number,
            "bucket": bucket_of(row["user_id"], NUM_BUCKETS),
            "values": row["reason"],
        }
        for number, row in enumerate(rows)
    ]
    return pa.Table.from_pylist(complete, schema=CHECKED_SCHEMA)


def reference(rows: list[dict]) -> tuple[dict[str, list[tuple]], list[tuple]]:
    sequences, rejects, seen = defaultdict(list), [], set()
    for number, row in enumerate(rows):
        key = tuple(row[name] for name in ("user_id", "item", "timestamp", "position", "details"))
        if row["reason"] is not None or key in seen:
            rejects.append((number, row["reason"] or "duplicate"))
            continue
        seen.add(key)
        sequences[row["user_id"]].append((row["position"], row["timestamp"], number, row["item"]))
    return {user: [(event[3], event[1]) for event in sorted(events)] for user, events in sequences.items()}, rejects


@settings(deadline=None)
@given(interactions, st.randoms(use_true_random=False))
def test_sequences_and_rejects_are_those_of_the_slow_reference_in_whatever_order_rows_arrive(rows, random):
    table = checked_table(rows)
    order = list(range(len(rows)))
    random.shuffle(order)
    grouped = group_by_user(table.take(order), ITEM_IDS)
    assert grouped.schema == BUCKET_SCHEMA
    found_sequences, found_rejects = {}, []
    for bucket, users, rejects in iter_buckets(grouped):
        names = users["user_id"].to_pylist()
        assert names == sorted(names)
        assert {bucket_of(name, NUM_BUCKETS) for name in names} <= {bucket}
        for user in users.to_pylist():
            found_sequences[user["user_id"]] = list(zip(user["items"], user["timestamps"], strict=True))
        assert rejects["row"].to_pylist() == sorted(rejects["row"].to_pylist())
        found_rejects += [(row["row"], row["reason"]) for row in rejects.to_pylist()]
    expected_sequences, expected_rejects = reference(rows)
    assert found_sequences == expected_sequences
    assert Counter(found_rejects) == Counter(expected_rejects)


def row(**values) -> dict:
    return {"user_id": "ann", "item": 0, "timestamp": 1.0, "position": 0.0, "details": 0, "reason": None} | values


def sequence_of(rows: list[dict]) -> list[int]:
    ((_, users, _),) = iter_buckets(group_by_user(checked_table(rows), ITEM_IDS))
    return users["items"].to_pylist()[0]


def test_position_decides_before_time():
    assert sequence_of([row(item=0, position=1.0, timestamp=1.0), row(item=1, position=0.0, timestamp=9.0)]) == [1, 0]


def test_without_positions_time_decides_and_the_row_number_breaks_ties():
    rows = [row(item=1, timestamp=2.0), row(item=1, timestamp=1.0), row(item=0, timestamp=1.0)]
    assert sequence_of(rows) == [1, 0, 1]


def test_a_duplicate_is_described_with_its_item_id():
    ((_, _, rejects),) = iter_buckets(group_by_user(checked_table([row(item=1), row(item=1)]), ITEM_IDS))
    assert rejects.to_pylist() == [
        {"row": 1, "reason": "duplicate", "values": '{"user_id": "ann", "timestamp": 1.0, "item_id": "b"}'}
    ]


def test_a_bucket_of_rejects_only_has_no_users():
    ((_, users, rejects),) = iter_buckets(group_by_user(checked_table([row(reason="unknown_item")]), ITEM_IDS))
    assert (users.num_rows, rejects.num_rows) == (0, 1)


@pytest.mark.parametrize("num_buckets", [1, 2, 7, 1024])
@pytest.mark.parametrize("num_blocks", [1, 2, 3, 16])
def test_partitions_hold_equal_numbers_of_buckets(num_buckets, num_blocks):
    bounds = [0, *partition_boundaries(num_buckets, num_blocks), num_buckets]
    sizes = [after - before for before, after in itertools.pairwise(bounds)]
    sizes = [size for size in sizes if size > 0]
    assert sum(sizes) == num_buckets
    assert len(sizes) == min(num_blocks, num_buckets)
    assert max(sizes) - min(sizes) <= 1


def test_without_times_the_place_in_a_sequence_stands_for_seconds():
    rows = [
        {"user_id": user, "item": item, "timestamp": 0.0, "position": position, "details": 0, "reason": None}
        for user, item, position in [("ann", 0, 9.0), ("bob", 1, 5.0), ("ann", 1, 2.0), ("ann", 0, 4.0)]
    ]
    grouped = group_by_user(checked_table(rows), ITEM_IDS, tie_seed=3, has_times=False)
    users = [user for _, table, _ in iter_buckets(grouped) for user in table.to_pylist()]
    told = {user["user_id"]: (user["items"], user["timestamps"]) for user in users}
    assert told == {"ann": ([1, 0, 0], [0.0, 1.0, 2.0]), "bob": ([1], [0.0])}
