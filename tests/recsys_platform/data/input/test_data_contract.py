"""Every reason of the contract, with the rows that it rejects."""

import json

import pyarrow as pa
import pytest

from recsys_model.errors import DataError
from recsys_platform.data.input.contract import CHECKED_SCHEMA, bucket_of, check_interactions, check_items, check_users
from recsys_platform.data.input.plain import to_plain_table
from recsys_platform.data.input.reading import Reading
from recsys_platform.data.input.rejects import Reject, build_reject_table, summarize
from recsys_platform.data.input.sources import MALFORMED, ROW

ITEM_IDS = pa.array(["a", "b"])


def block(rows: list[dict], names: list[str]) -> pa.Table:
    columns = {name: pa.array([row.get(name) for row in rows]) for name in names}
    malformed = pa.array([row.get("malformed") for row in rows], pa.string())
    table = pa.table({**columns, MALFORMED: malformed, ROW: pa.array(range(10, 10 + len(rows)), pa.int64())})
    return to_plain_table(table, {}, "table.parquet (input.items)")


def check(rows: list[dict], *more: str, uses_rating: bool = False) -> pa.Table:
    table = block(rows, ["user_id", "item_id", "timestamp", *more])
    return check_interactions(table, ITEM_IDS, 4, uses_rating=uses_rating)


GOOD = {"user_id": "ann", "item_id": "b", "timestamp": "5", "position": "1", "rating": "4.5"}


def test_a_good_row_becomes_indices_and_seconds():
    checked = check([GOOD | {"action": "buy"}], "position", "rating", "action", uses_rating=True)
    assert checked.schema == CHECKED_SCHEMA
    row = checked.drop_columns(["details"]).to_pylist()[0]
    assert row == {
        "bucket": bucket_of("ann", 4),
        "user_id": "ann",
        "item": 1,
        "timestamp": 5.0,
        "position": 1.0,
        "rating": 4.5,
        "action": "buy",
        "row": 10,
        "reason": None,
        "values": None,
    }


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"malformed": "ann;b"}, "malformed_line"),
        ({"user_id": None}, "null_user"),
        ({"user_id": ""}, "null_user"),
        ({"item_id": None}, "null_item"),
        ({"timestamp": None}, "null_timestamp"),
        ({"timestamp": "soon"}, "unparsable_timestamp"),
        ({"timestamp": "1577880000000"}, "timestamp_out_of_range"),
        ({"item_id": '["a", "b"]'}, "nested_id"),
        ({"user_id": "1.08776E+08"}, "inexact_id"),
        ({"action": '{"kind": "buy"}'}, "unreadable_action"),
        ({"position": None}, "null_position"),
        ({"position": "first"}, "unparsable_position"),
        ({"rating": "many"}, "unparsable_rating"),
        ({"item_id": "c"}, "unknown_item"),
        ({"user_id": None, "timestamp": None, "item_id": "c"}, "null_user"),
    ],
)
def test_a_bad_row_is_rejected_for_its_first_reason_with_its_values(change, reason):
    good = GOOD | {"action": "buy"}
    bad = good | change
    checked = check([good, bad, good], "position", "rating", "action", uses_rating=True)
    assert checked["reason"].to_pylist() == [None, reason, None]
    values = {name: bad[name] for name in good} if reason != "malformed_line" else {"line": "ann;b"}
    assert json.loads(checked["values"][1].as_py()) == values
    assert checked["row"][1].as_py() == 11


def test_a_missing_rating_is_no_reason_and_an_unread_one_neither():
    assert check([GOOD | {"rating": None}], "rating", uses_rating=True)["reason"].to_pylist() == [None]
    assert check([GOOD | {"rating": "many"}], "rating")["reason"].to_pylist() == [None]


def test_details_differ_where_any_other_column_differs_and_are_zero_without_any():
    rows = [GOOD, GOOD, GOOD | {"summary": "fine"}, GOOD | {"rating": "1"}, {**GOOD, "rating": None}]
    details = check(rows, "rating", "summary")["details"].to_pylist()
    assert details[0] == details[1]
    assert len(set(details)) == 4
    assert details[4] == 0
    assert check([{**GOOD, "rating": None}])["details"].to_pylist() == [0]


def test_buckets_are_the_same_in_every_process_and_spread():
    assert [bucket_of(user, 1000) for user in ("ann", "zoë", None)] == [837, 194, 876]
    counts = [0] * 4
    for user in range(4000):
        counts[bucket_of(str(user), 4)] += 1
    assert all(abs(count - 1000) < 140 for count in counts)


def test_items_without_a_title_are_reported_and_stay():
    rows = [
        {"item_id": "a", "title": "Tent", "brand": "Red", "categories": ["Garden", "Tents"]},
        {"item_id": None, "title": "Lost"},
        {"item_id": "a", "title": "Again"},
        {"item_id": "b", "title": "  "},
        {"item_id": "c", "title": None},
        {"malformed": "x"},
    ]
    items = check_items(block(rows, ["item_id", "title", "brand", "categories"]))
    assert items.item_ids == ["a", "b", "c"]
    assert items.titles == ["Tent", "", ""]
    assert items.brands == ["Red", None, None]
    assert items.categories == [("Garden", "Tents"), (), ()]
    assert [(reject.row, reject.reason) for reject in items.rejects] == [
        (11, "null_id"),
        (12, "duplicate_id"),
        (13, "empty_title"),
        (14, "empty_title"),
        (15, "malformed_line"),
    ]


def test_users_keep_the_features_that_are_known():
    rows = [
        {"user_id": 1, "age": 34.0, "city": "New  York"},
        {"user_id": None, "age": 1.0},
        {"user_id": 2, "city": ""},
        {"user_id": 1, "age": 3.0},
    ]
    users = check_users(block(rows, ["user_id", "age", "city"]), ("age", "city"))
    assert users.user_ids == ["1", "2"]
    assert users.features == [{"age": "34", "city": "New York"}, {}]
    assert [(reject.row, reject.reason) for reject in users.rejects] == [(11, "null_id"), (13, "duplicate_id")]


def test_too_many_rejects_are_an_error_that_names_share_reasons_and_rows():
    rejects = [Reject(9, "null_user", "{9}"), Reject(2, "duplicate", "{2}"), Reject(1, "null_user", "{1}")]
    summary = summarize([*rejects, Reject(30, "null_user", "{30}")])
    summary.check_share("interactions", 40, 0.1)
    with pytest.raises(DataError) as caught:
        summary.check_share("interactions", 39, 0.1)
    assert str(caught.value) == (
        "4 of 39 rows of the interactions table (10.3%) are rejected, more than input.max_reject_share 10.0% allows: "
        "duplicate 1, null_user 3. The first are\n  row 1, null_user: {1}\n  row 2, duplicate: {2}\n  row 9, null_user: {9}\n"
        "Correct the table or input.interactions.columns, or raise input.max_reject_share. Nothing was written"
    )


def test_rows_that_only_lose_a_value_do_not_count_as_rejected():
    summary = summarize([Reject(1, "empty_title", "{1}"), Reject(2, "unreadable_brand", "{2}")])
    summary.check_share("items", 2, 0.0)
    assert (summary.num_rejected, summary.counts.total(), summary.samples) == (0, 2, [])


def test_the_error_of_a_reason_names_its_way_out():
    with pytest.raises(DataError, match=r"timestamp_out_of_range: set input.interactions.time_unit to s, ms"):
        summarize([Reject(1, "timestamp_out_of_range", "{}")]).check_share("interactions", 1, 0.1, ["And more."])


def test_values_without_a_text_are_left_out_and_listed():
    rows = [{"item_id": "a", "title": None, "brand": '{"name": "Red"}', "categories": '[{"name": "Tents"}]'}]
    items = check_items(block(rows, ["item_id", "title", "brand", "categories"]))
    assert (items.item_ids, items.brands, items.categories) == (["a"], [None], [()])
    assert [reject.reason for reject in items.rejects] == ["empty_title", "unreadable_brand", "unreadable_categories"]


def test_prices_become_numbers_where_they_are_clear():
    rows = [
        {"item_id": str(row), "title": "x", "price": price} for row, price in enumerate(("$1,012.50", "1,012", "9.90"))
    ]
    assert check_items(block(rows, ["item_id", "title", "price"])).prices == ["1012.5", "1,012", "9.9"]


def test_a_feature_of_objects_alone_is_an_error_and_some_objects_are_listed():
    rows = [{"user_id": "1", "home": '{"city": "Ulm"}'}, {"user_id": "2", "home": None}]
    with pytest.raises(DataError, match=r"input.users: column home has no plain values, such as .*Ulm.* in row 10;"):
        check_users(block(rows, ["user_id", "home"]), ("home",))
    users = check_users(block([*rows, {"user_id": "3", "home": "Ulm"}], ["user_id", "home"]), ("home",))
    assert users.features == [{}, {}, {"home": "Ulm"}]
    assert [(reject.row, reject.reason) for reject in users.rejects] == [(10, "unreadable_feature_home")]


def test_lost_zeros_are_put_back_before_items_are_looked_up():
    table = block([GOOD | {"item_id": "8"}], ["user_id", "item_id", "timestamp"])
    reading = Reading(id_width={"item_id": 3})
    assert check_interactions(table, pa.array(["008"]), 4, uses_rating=False, reading=reading)["item"].to_pylist() == [
        0
    ]


def test_the_rejects_table_is_ordered_by_row():
    table = build_reject_table("items", [Reject(2, "null_id", "{}"), Reject(1, "empty_title", "{}")])
    assert table.to_pylist() == [
        {"table": "items", "row": 1, "reason": "empty_title", "values": "{}"},
        {"table": "items", "row": 2, "reason": "null_id", "values": "{}"},
    ]
