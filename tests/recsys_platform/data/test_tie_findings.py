"""A finding needs an order of ties that neither chance nor time explains."""

import numpy as np
import pyarrow as pa
import pytest

from recsys_platform.data.tie_counts import build_item_keys, count_ties
from recsys_platform.data.tie_findings import OrderShares, describe_ties
from recsys_platform.splits import DatasetSplit

ITEM_IDS = [f"B{number:03d}X" for number in range(200)]


def shop(generator: np.random.Generator, arrange) -> pa.Table:
    """Make 400 users of 6 events on two days; `arrange` orders the three items of a day."""
    users = []
    for _ in range(400):
        days = generator.permutation(200)[:6].reshape(2, 3)
        users.append([item for day in days for item in arrange(day)])
    return pa.table({"items": pa.array(users, pa.list_(pa.int32())), "timestamps": [[0.0] * 3 + [1.0] * 3] * 400})


def describe(users: pa.Table, tie_order="table", item_ids=ITEM_IDS) -> dict:
    return describe_ties(count_ties(users, build_item_keys(item_ids), 3, DatasetSplit()), tie_order, seed=4)


def test_ties_in_the_order_of_ids_are_a_finding_in_one_sentence():
    found = describe(shop(np.random.default_rng(0), sorted))

    assert found["orders"]["text"]["tied"] == {"pairs": 1600, "ascending": 1600, "share": 1.0}
    assert (found["orders"]["text"]["follows"], found["orders"]["number"]["follows"]) == ("ascending", None)
    apart, control = (found["orders"][order][kind]["share"] for order, kind in (("text", "apart"), ("hash", "tied")))
    assert found["finding"] == (
        "The order of events with equal times follows item ids as text: 100.0% of 1,600 such pairs are ascending, "
        f"{apart:.1%} of pairs with different times and {control:.1%} by a hash of the ids. A model that knows the ids "
        "can learn this order; data.tie_order: seeded orders them by a hash instead."
    )
    assert found["statements"] == [
        "1,600 of 2,000 adjacent pairs of a user's events have the same time; the order of these ties decides "
        "400 of 400 validation targets and 400 of 400 test targets."
    ]


def test_descending_ids_are_a_finding_too():
    found = describe(shop(np.random.default_rng(0), lambda day: sorted(day)[::-1]))

    assert found["orders"]["text"]["follows"] == "descending"
    assert "0.0% of 1,600 such pairs are ascending" in found["finding"]


def test_of_text_and_number_the_order_that_ties_follow_more_closely_is_told():
    by_number = describe(shop(np.random.default_rng(0), sorted), item_ids=[str(5 * number) for number in range(200)])

    assert by_number["orders"]["text"]["follows"] == "ascending"
    assert by_number["finding"].startswith(
        "The order of events with equal times follows the numbers in item ids: 100.0%"
    )


def test_shuffled_ties_are_silent_but_for_chance():
    numbers = [str(number) for number in range(200)]
    findings = [describe(shop(np.random.default_rng(seed), list), item_ids=numbers)["finding"] for seed in range(60)]

    assert findings == [None] * 60


def test_random_ties_are_silent_where_users_take_old_items_before_new_ones():
    shares = OrderShares(num_tied=77_402, num_tied_ascending=38_650, num_apart=98_737, num_apart_ascending=44_783)

    assert shares.follows is None


def test_ties_that_stand_in_the_true_order_are_silent_too():
    shares = OrderShares(num_tied=77_402, num_tied_ascending=35_100, num_apart=98_737, num_apart_ascending=44_783)

    assert shares.follows is None


@pytest.mark.parametrize(
    ("num_tied", "num_ascending", "follows"),
    [
        (0, 0, None),
        (9, 9, None),
        (10, 10, "ascending"),
        (10, 0, "descending"),
        (900, 495, None),
        (900, 496, "ascending"),
    ],
)
def test_three_standard_deviations_from_one_half_decide_where_all_times_tie(num_tied, num_ascending, follows):
    shares = OrderShares(num_tied=num_tied, num_tied_ascending=num_ascending, num_apart=0, num_apart_ascending=0)

    assert shares.follows == follows


def test_without_ties_there_is_one_sentence_and_no_finding():
    users = pa.table({"items": pa.array([[0, 1, 2]], pa.list_(pa.int32())), "timestamps": [[0.0, 1.0, 2.0]]})

    found = describe(users)

    assert found["statements"] == ["No two adjacent events of a user have the same time."]
    assert found["finding"] is None
    assert found["targets"] == {"valid": {"all": 1, "decided": 0}, "test": {"all": 1, "decided": 0}}


def test_the_seeded_order_is_stated_with_its_seed():
    statements = describe(shop(np.random.default_rng(0), list), tie_order="seeded")["statements"]

    assert statements[1] == (
        "Events of a user with equal times are ordered by a hash of (seed 4, user id, item id), not as in the table "
        "(data.tie_order: seeded)."
    )
