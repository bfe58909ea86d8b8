"""The order of a user's events, against a slow sort of each run of equal times."""

import itertools

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from recsys_platform.data.tie_order import order_events, rank_event

ITEM_IDS = [f"i{number}" for number in range(6)]
SCHEMA = pa.schema(
    [
        ("user_id", pa.string()),
        ("item", pa.int32()),
        ("timestamp", pa.float64()),
        ("position", pa.float64()),
        ("row", pa.int64()),
    ]
)
events = st.lists(
    st.fixed_dictionaries(
        {
            "user_id": st.sampled_from(["ann", "bob"]),
            "item": st.integers(0, 5),
            "timestamp": st.sampled_from([1.0, 2.0]),
            "position": st.sampled_from([0.0, 0.0, 1.0, 2.0]),
        }
    ),
    max_size=25,
)


def ordered_rows(rows: list[dict], seed: int | None) -> list[dict]:
    return order_events(pa.Table.from_pylist(rows, schema=SCHEMA), pa.array(ITEM_IDS), seed).to_pylist()


def numbered(rows: list[dict]) -> list[dict]:
    return [row | {"row": number} for number, row in enumerate(rows)]


def slow_order(rows: list[dict], seed: int | None) -> list[dict]:
    """Sort as the table says, then each run of one user and time by the hash."""
    table = sorted(rows, key=lambda row: (row["user_id"], row["position"], row["timestamp"], row["row"]))
    if seed is None:
        return table
    runs = itertools.groupby(table, key=lambda row: (row["user_id"], row["timestamp"]))
    return [
        row
        for (user, _), run in runs
        for row in sorted(run, key=lambda row: rank_event(seed, user, ITEM_IDS[row["item"]]))
    ]


@given(events, st.sampled_from([None, 0, 7]), st.randoms(use_true_random=False))
def test_the_order_is_that_of_the_slow_sort_in_whatever_order_rows_arrive(rows, seed, random):
    rows = numbered(rows)
    shuffled = random.sample(rows, len(rows))

    assert ordered_rows(shuffled, seed) == slow_order(rows, seed)


@given(st.permutations(range(6)))
def test_the_seeded_order_of_equal_times_is_the_same_for_every_order_of_the_table(items):
    rows = numbered([{"user_id": "ann", "item": item, "timestamp": 1.0, "position": 0.0} for item in items])
    moved = [row | {"position": float(row["row"])} for row in rows]
    expected = sorted(range(6), key=lambda item: rank_event(3, "ann", ITEM_IDS[item]))

    assert [row["item"] for row in ordered_rows(rows, seed=3)] == expected
    assert [row["item"] for row in ordered_rows(moved, seed=3)] == expected


def test_where_positions_contradict_times_positions_decide_in_both_orders():
    rows = numbered(
        [
            {"user_id": "ann", "item": 0, "timestamp": 9.0, "position": 0.0},
            {"user_id": "ann", "item": 1, "timestamp": 5.0, "position": 1.0},
            {"user_id": "ann", "item": 2, "timestamp": 9.0, "position": 2.0},
        ]
    )

    assert [row["item"] for row in ordered_rows(rows, None)] == [0, 1, 2]
    assert [row["item"] for row in ordered_rows(rows, 0)] == [0, 1, 2]


def test_seeds_and_users_order_the_same_items_differently():
    rows = numbered([{"user_id": "ann", "item": item, "timestamp": 1.0, "position": 0.0} for item in range(6)])
    as_bob = [row | {"user_id": "bob"} for row in rows]
    orders = {tuple(row["item"] for row in ordered_rows(table, seed)) for table in (rows, as_bob) for seed in range(20)}

    assert len(orders) >= 35


def test_two_events_with_one_item_and_time_keep_the_order_of_the_table():
    event = {"user_id": "ann", "item": 4, "timestamp": 1.0, "position": 0.0}

    assert [row["row"] for row in ordered_rows(numbered([event, event, event])[::-1], 5)] == [0, 1, 2]


def test_no_events_stay_no_events():
    assert ordered_rows([], 1) == []
