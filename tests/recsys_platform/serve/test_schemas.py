"""What the endpoint lets in: every rule with the field that breaks it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from recsys_model.entities.edit_requests import NewItem
from recsys_platform.serve.fields import MAX_TEXT
from recsys_platform.serve.item_schemas import ItemFields
from recsys_platform.serve.schemas import MAX_HISTORY, RecommendRequest
from recsys_platform.values.times import parse_time_in


def wrong(document: Any) -> dict[tuple[str | int, ...], str]:
    """Field -> kind of its problem."""
    with pytest.raises(ValidationError) as caught:
        RecommendRequest.model_validate(document)
    return {error["loc"]: error["type"] for error in caught.value.errors()}


def test_an_empty_request_takes_the_defaults():
    request = RecommendRequest.model_validate({})
    lists = {"exclude_seen": True, "deny": [], "allow": None, "rules": None}
    user = {"user_features": {}, "history": [], "time": None, "strict": False}
    assert request.model_dump() == {**user, "k": 10, **lists, "exact": None, "explain": False}


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        (0, 0.0),
        (1398902400, 1398902400.0),
        (-1.5, -1.5),
        ("1970-01-02", 86400.0),
        ("1970-01-01T01:00:00Z", 3600.0),
        ("1970-01-01T01:00:00+01:00", 0.0),
        ("1970-01-01 00:00:00.250", 0.25),
        ("19700102", 86400.0),
        ("1970-01-02 00:00:00 UTC", 86400.0),
        (20240501.0, 20240501.0),
        (1714521600000, 1714521600.0),
    ],
)
def test_times_are_unix_seconds_or_iso_8601_in_utc_unless_a_zone_is_named(time: Any, seconds: float):
    request = RecommendRequest.model_validate({"history": [{"item": "a", "time": time}]})
    time_as_sent = request.history[0].time
    assert time_as_sent is not None
    assert parse_time_in(time_as_sent, None) == seconds


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e13", "-1e12", "true", '""', "[1]"])
def test_a_time_that_is_none_is_refused_at_its_field(literal: str):
    document = json.loads(f'{{"history": [{{"item": "a", "time": {literal}}}], "time": {literal}}}')
    assert wrong(document) == {("history", 0, "time"): "value_error", ("time",): "value_error"}


def test_a_number_that_may_be_a_date_is_refused_with_both_ways_to_write_it():
    with pytest.raises(
        ValidationError, match="20240501 may be a date or seconds: write the date as a text, or the moment"
    ):
        RecommendRequest.model_validate({"time": 20240501})


def test_items_of_requests_are_written_as_those_of_tables():
    fields = {"id": "12.0", "title": "R&amp;B", "brand": "7.0", "categories": ["Hair &amp; Skin", "27.0"]}
    item = ItemFields.model_validate(fields).to_new_item()
    assert item == NewItem(item_id="12", title="R&B", brand="7", categories=("Hair & Skin", "27"))
    with pytest.raises(ValidationError, match="write ids as text"):
        ItemFields.model_validate(fields | {"id": "1.08776E+08"})


@given(st.datetimes())
def test_any_time_survives_writing_it_as_iso_8601(moment: Any):
    epoch = moment.replace(year=1970, month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
    assert parse_time_in(moment.isoformat(), None) == (moment - epoch).total_seconds()


@pytest.mark.parametrize(
    ("document", "problems"),
    [
        ({"history": [{"time": 0}]}, {("history", 0, "item"): "missing"}),
        ({"history": [{"item": "a", "time": 0, "when": 1}]}, {("history", 0, "when"): "extra_forbidden"}),
        ({"history": [{"item": " ", "time": 0}]}, {("history", 0, "item"): "value_error"}),
        ({"history": [{"item": 7, "time": 0}]}, {("history", 0, "item"): "string_type"}),
        ({"history": [{"item": "a" * (MAX_TEXT + 1)}]}, {("history", 0, "item"): "string_too_long"}),
        ({"history": [{"item": "\ud800"}]}, {("history", 0, "item"): "string_unicode"}),
        ({"history": [{"item": "a", "rating": float("nan")}]}, {("history", 0, "rating"): "finite_number"}),
        ({"history": [{"item": "a"}] * (MAX_HISTORY + 1)}, {("history",): "too_long"}),
        ({"k": 0}, {("k",): "greater_than_equal"}),
        ({"k": 2.5}, {("k",): "int_type"}),
        ({"rules": {"where": [{"column": "price"}]}}, {("rules", "where", 0): "value_error"}),
        ({"rules": {"where": [{"column": "price", "max": 5}]}}, {("rules", "where", 0): "value_error"}),
        ({"rules": {"where": [{"column": "price", "above": 5, "below": 5}]}}, {("rules", "where", 0): "value_error"}),
        (
            {"rules": {"where": [{"column": "price", "above": float("nan")}]}},
            {("rules", "where", 0, "above"): "finite_number"},
        ),
        ({"rules": {"where": [{"column": "brand", "one_of": []}]}}, {("rules", "where", 0, "one_of"): "too_short"}),
        (
            {"rules": {"caps": [{"column": "brand", "at_most": 0}]}},
            {("rules", "caps", 0, "at_most"): "greater_than_equal"},
        ),
        ({"rules": {"caps": [{"column": "brand", "at_most": 1}] * 2}}, {("rules",): "value_error"}),
        ({"top": 3}, {("top",): "extra_forbidden"}),
        ({"user_features": {"age": None}}, {("user_features", "age"): "value_error"}),
        ({"user_features": {"age": float("inf")}}, {("user_features", "age"): "value_error"}),
        ({"user_features": {"city": "x" * (MAX_TEXT + 1)}}, {("user_features", "city"): "value_error"}),
        ({"user_features": {"city": "\ud800"}}, {("user_features", "city"): "value_error"}),
        ({"user_features": {f"f{number}": 1 for number in range(201)}}, {("user_features",): "too_long"}),
    ],
)
def test_a_broken_rule_names_its_field(document: Any, problems: dict[tuple[str | int, ...], str]):
    assert wrong(document) == problems


def test_feature_values_keep_their_type():
    values = {"a": "x", "b": 1, "c": 1.5, "d": True}
    features = RecommendRequest.model_validate({"user_features": values}).user_features
    assert [(name, type(value), value) for name, value in features.items()] == [
        (name, type(value), value) for name, value in values.items()
    ]


def test_openapi_describes_every_field():
    document = RecommendRequest.model_json_schema()
    for schema in (document, *document["$defs"].values()):
        assert all(field.get("description") for field in schema["properties"].values())
