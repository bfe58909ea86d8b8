"""Each leak check fires on a planted case, and on no real table."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_model.entities.catalog import make_unique_texts
from recsys_model.errors import DataError
from recsys_platform.data.leaks import (
    Finding,
    collect_cases,
    find_trained_on,
    judge_cases,
    refuse_leaks,
)
from recsys_platform.data.numbered_items import claim_next_numbers, names_of_items
from recsys_platform.splits import DatasetSplit

NUM_ITEMS = 50
TITLES = [f"{colour} {thing}" for thing in "ABCDEFGHIJ" for colour in ("Red", "Blue", "Green", "Pink", "Grey")]
IDS = [f"id-{title[::-1]}" for title in TITLES]
Shop = list[tuple[str, list[int], list[float]]]


def shop() -> Shop:
    """60 users with 4 to 8 events on different days; the items are drawn, none twice by a user."""
    generator = np.random.default_rng(11)
    lengths = [4 + user % 5 for user in range(60)]
    return [
        (f"u{user}", generator.permutation(NUM_ITEMS)[:length].tolist(), [100.0 * user + day for day in range(length)])
        for user, length in enumerate(lengths)
    ]


def search(
    users: Shop,
    features: Mapping[str, Mapping[str, str]] | None = None,
    ids: Sequence[str] = IDS,
    titles: Sequence[str] = TITLES,
) -> dict[str, Finding]:
    table = pa.table(dict(zip(("user_id", "items", "timestamps"), map(list, zip(*users, strict=True)), strict=True)))
    names = sorted({name for known in (features or {}).values() for name in known})
    cases = collect_cases(table, features or {}, names, names_of_items(ids, titles, titles), 3, DatasetSplit())
    trained_on = find_trained_on(table, np.unique(cases["example"].to_numpy()), 3, DatasetSplit()).to_numpy()
    return {finding.check: finding for finding in judge_cases(cases, trained_on, ids, titles, names)}


def loud(findings: Mapping[str, Finding]) -> dict[str, int]:
    return {check: finding.cases for check, finding in findings.items() if finding.share > 0}


def test_a_shop_without_leaks_is_silent():
    findings = search(shop(), {f"u{user}": {"age": str(20 + user % 40), "city": "Rome"} for user in range(60)})

    assert sorted(findings) == [
        "future_in_history",
        "numbered_ids",
        "numbered_texts",
        "target_in_feature age",
        "target_in_feature city",
        "target_in_history",
        "test_example_in_train",
    ]
    assert loud(findings) == {}
    assert {finding.num_cases for finding in findings.values()} == {60}
    refuse_leaks(list(findings.values()), 0.0)


@pytest.mark.parametrize("names", [IDS, TITLES, [str(number) for number in range(NUM_ITEMS)]])
def test_a_feature_that_names_the_target_is_a_leak(names):
    users = shop()
    ids = names if names is not TITLES else IDS
    features = {user: {"age": "20", "latest": names[items[-1]]} for user, items, _ in users}

    assert loud(search(users, features, ids=ids)) == {"target_in_feature latest": 60}


def test_the_number_of_an_id_names_its_item_too():
    users = shop()
    features = {user: {"favourite": str(items[-1])} for user, items, _ in users}

    assert loud(search(users, features, ids=[f"item-{number}" for number in range(NUM_ITEMS)])) == {
        "target_in_feature favourite": 60
    }


def test_a_feature_that_names_an_earlier_item_or_fits_by_chance_is_none():
    users = shop()
    generator = np.random.default_rng(3)
    features = {user: {"first": IDS[items[0]], "lucky": IDS[generator.integers(NUM_ITEMS)]} for user, items, _ in users}
    findings = search(users, features)

    assert loud(findings) == {}
    assert findings["target_in_feature first"].cases == 0
    # 60 cases, each with a chance of one in 50, less where the drawn item is in the history
    assert 0.5 < findings["target_in_feature lucky"].expected < 1.5


def test_a_target_that_the_user_bought_before_is_no_leak_but_the_same_event_twice_is():
    again = [(user, [items[-1], *items[1:]], times) for user, items, times in shop()]
    twice = [(user, [*items, items[-1]], [*times, times[-1]]) for user, items, times in shop()]

    assert loud(search(again)) == {}
    assert loud(search(twice)) == {"target_in_history": 60}


def test_events_after_the_target_are_a_leak_and_events_at_its_time_are_not():
    tied = [(user, items, [*times[:-1], times[-2]]) for user, items, times in shop()]
    later = [(user, items, [*times[:-2], times[-1] + 1.0, times[-1]]) for user, items, times in shop()[:12]] + shop()[
        12:
    ]

    assert loud(search(tied)) == {}
    assert loud(search(later)) == {"future_in_history": 12}


def in_order_of_visits(users: Shop) -> list[int]:
    """Number the items as sequences visit them, from 1, those never visited last."""
    visited = dict.fromkeys(item for _, items, _ in users for item in items)
    order = [*visited, *(item for item in range(NUM_ITEMS) if item not in visited)]
    return [order.index(item) + 1 for item in range(NUM_ITEMS)]


def test_numbers_in_the_order_of_visits_are_a_leak_where_the_model_reads_them():
    users = [(user, items[:4], times[:4]) for user, items, times in shop()[:15]]
    numbers = in_order_of_visits(users)
    guessed = sum(numbers[items[-1]] == numbers[items[-2]] + 1 for _, items, _ in users)
    names = [f"item {number}" for number in numbers]
    assert guessed > 3

    assert loud(search(users, titles=names)) == {"numbered_texts": guessed}
    noted = search(users, ids=names)
    assert loud(noted) == {"numbered_ids": guessed}
    refuse_leaks(list(noted.values()), 0.0)


def test_numbers_that_follow_no_order_and_numbers_in_a_few_titles_are_no_leak():
    users = shop()
    generator = np.random.default_rng(5)
    shuffled = [f"item {number}" for number in generator.permutation(NUM_ITEMS)]
    series = [f"Volume {number}" if number < 20 else title for number, title in enumerate(TITLES)]
    readers = [(user, [*items, 3, 4], [*times, 1e6, 2e6]) for user, items, times in users]

    assert loud(search(users, titles=shuffled)) == {}
    assert loud(search(readers, titles=series)) == {}


def test_the_next_number_is_claimed_for_each_case():
    names = ["i3", "i1", "i2", "Tent"]
    assert claim_next_numbers(names, np.array([1, 2, 0, 3])).tolist() == [2, 0, -1, -1]


def test_the_same_example_in_train_and_test_is_a_leak_under_whatever_user_id():
    users = shop()
    copies = [(f"copy of {user}", [*items, 1, 2], [*times, 1e6, 1e6]) for user, items, times in users[:9]]
    other_times = [(user, items, [time + 0.5 for time in times]) for user, items, times in copies]

    assert loud(search([*users, *copies])) == {"test_example_in_train": 9}
    assert loud(search([*users, *other_times])) == {}
    # one event more: the copied target is the copy's validation target, never trained on
    assert loud(search([*users, *((user, items[:-1], times[:-1]) for user, items, times in copies)])) == {}


def test_users_with_too_few_events_are_no_cases():
    assert {finding.num_cases for finding in search([*shop(), ("short", [1, 1], [0.0, 0.0])]).values()} == {60}


def finding(**changes: Any) -> Finding:
    base = Finding(
        check="numbered_texts", cases=50, expected=4.0, num_cases=1000, is_certain=True, meaning="the target is next"
    )
    return dataclasses.replace(base, **changes)


def test_leaks_above_the_share_stop_the_stage_and_are_listed():
    assert finding().share == pytest.approx((50 - 4 - 3 * 2) / 1000)
    refuse_leaks([finding()], 0.04)
    refuse_leaks([finding(is_certain=False)], 0.0)
    with pytest.raises(DataError) as caught:
        refuse_leaks([finding(), finding(check="quiet", cases=0), finding(check="loud", expected=0.0)], 0.03)

    assert str(caught.value).splitlines()[:3] == [
        "the input gives test targets away, more than data.max_leak_share 3.0% allows:",
        "  leak numbered_texts: the target is next in 50 of 1000 test cases, by chance 4.0",
        "  leak loud: the target is next in 50 of 1000 test cases",
    ]


def read_real(folder: Path) -> tuple[Shop, list[str], list[str], list[str]]:
    """Return the users, item ids, texts of the items, and the items' numbers in the published sequences."""
    items = pq.read_table(folder / "items.parquet").to_pylist()
    ids = [item["item_id"] for item in items]
    index = {item_id: number for number, item_id in enumerate(ids)}
    categories = [item["categories"] or [] for item in items]
    titles = [item["title"] or "" for item in items]
    texts, _ = make_unique_texts(titles, [item["brand"] for item in items], categories, ids)
    table = pq.read_table(folder / "interactions.parquet").sort_by(
        [("user_id", "ascending"), ("position", "ascending")]
    )
    sequences: dict[str, tuple[list[int], list[float]]] = {}
    numbers = ["0"] * len(ids)
    for row in table.select(["user_id", "item_id", "item_idx", "timestamp"]).to_pylist():
        item = index[row["item_id"]]
        numbers[item] = str(row["item_idx"])
        known = sequences.setdefault(row["user_id"], ([], []))
        known[0].append(item)
        known[1].append(float(row["timestamp"]))
    return [(user, *known) for user, known in sequences.items()], ids, texts, numbers


@pytest.mark.parametrize(
    ("name", "num_users", "num_copied", "num_guessed"),
    [("amazon_beauty", 22_363, 6, 566), ("amazon_toys", 19_412, 0, 802)],
)
def test_real_tables_are_silent_until_the_numbers_of_their_sequences_are_told(
    shared_data, name, num_users, num_copied, num_guessed
):
    users, ids, texts, numbers = read_real(shared_data / name)
    findings = search(users, ids=ids, titles=texts)
    found = {check: finding.cases for check, finding in findings.items()}

    assert {finding.num_cases for finding in findings.values()} == {num_users}
    # a few accounts of Beauty reviewed the same things on the same days
    assert found == {
        "target_in_history": 0,
        "numbered_texts": 0,
        "numbered_ids": 0,
        "future_in_history": 0,
        "test_example_in_train": num_copied,
    }
    assert not [finding for finding in findings.values() if finding.to_dict()["is_shown"]]
    refuse_leaks(list(findings.values()), 0.001)
    told = search(users, ids=ids, titles=numbers)["numbered_texts"]
    assert (told.cases, told.expected < 10.0) == (num_guessed, True)
    with pytest.raises(DataError, match="leak numbered_texts"):
        refuse_leaks([told], 0.01)
