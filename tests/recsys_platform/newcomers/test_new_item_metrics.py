"""Answers become figures of new items: recall, shares of the places shown, what others lose; and a report of them."""

from typing import Any

import numpy as np
import pytest

from recsys_platform.config.run import build_config
from recsys_platform.evaluate.report.html_page import render_html
from recsys_platform.evaluate.report.markdown import render_markdown
from recsys_platform.evaluate.report.measured import MeasuredValue
from recsys_platform.newcomers.measuring import Measured, Timing
from recsys_platform.newcomers.metrics import build_figures, chance_of, ranks_of
from recsys_platform.newcomers.requests import Visit, Visits
from recsys_platform.newcomers.sections import build_document, summarize
from recsys_platform.newcomers.statements import build_statements


def visit(user_id: str, target: str, *, is_new: bool = True, num_seen: int = 0) -> Visit:
    return Visit(user_id=user_id, is_new=is_new, target_item=target, num_seen=num_seen, payload={})


OF_NEW = [visit("u1", "n1"), visit("u2", "n2")]
OTHERS = [visit("u3", "a", is_new=False), visit("u4", "b", is_new=False)]
VISITS = Visits(of_new=OF_NEW, others=OTHERS, num_of_new=2, num_others=9)


def measured(**changes: Any) -> Measured:
    values: dict[str, Any] = {
        "timing": Timing(all_replicas_s=0.5, first_shown_s=0.25, replicas=1, pending=0, items=40),
        "before": [["a", "b"], ["b", "a"]],
        "after": [["a", "n1"], ["n1", "b"]],
        "among_new": [["n1", "n2"], ["n2", "n1"]],
        "others_before": [["a", "b"], ["b", "a"]],
        "others_after": [["n1", "a"], ["b", "a"]],
    }
    return Measured(**(values | changes))


def report_of(figures: dict[str, Any]) -> dict[str, Any]:
    return {"name": "shop", "statements": ["One sentence."], "config": {"seed": 0}, "versions": {"ray": "2"}, **figures}


def figures(found: Measured | None = None, visits: Visits = VISITS) -> dict[str, Any]:
    return build_figures(visits, found or measured(), ["n1", "n2"], num_samples=50, seed=0)


def test_ranks_are_places_of_the_next_item_and_0_where_it_is_absent():
    np.testing.assert_array_equal(ranks_of(OF_NEW, [["a", "n1"], ["n1", "b"]]), [2, 0])


def test_recall_exposure_and_the_loss_of_others_are_means_over_users():
    found = figures()
    assert found["recall"]["after"]["hr_at_10"].value == 0.5
    assert found["recall"]["before"]["hr_at_10"] == MeasuredValue(value=0.0, low=0.0, high=0.0)
    assert found["among_new"]["metrics"]["hr_at_1"].value == 1.0
    assert found["items"] == {"new": 2, "all": 40, "new_share": 0.05}
    assert found["shown"]["of_new"]["place_share"].value == 0.5
    assert found["shown"]["of_new"]["user_share"].value == 1.0
    assert found["shown"]["of_new"]["item_share"] == 0.5
    assert found["shown"]["others"]["place_share"].value == 0.25
    assert found["others"]["difference"]["hr_at_1"].value == -0.5
    assert found["others"]["difference"]["hr_at_10"].value == 0.0
    assert found["users"] == {"of_new": 2, "of_new_in_dataset": 2, "others": 2, "others_in_dataset": 9}


def test_chance_counts_what_may_be_recommended_to_each_user():
    assert chance_of([visit("u", "n", num_seen=20), visit("v", "n")], 40) == pytest.approx((10 / 20 + 10 / 40) / 2)
    assert figures()["recall"]["chance_hr_at_10"] == 0.25
    assert figures()["among_new"]["chance_hr_at_10"] == 1.0


def test_the_report_says_it_in_words_and_tables():
    report = report_of(figures())
    first, second, third = summarize(report)
    assert first == (
        "2 new items, 5.0 % of the catalogue, were added by POST /v1/items. The one replica recommended from them after "
        "0.50 s; the first answer with one came after 0.25 s."
    )
    assert (
        "recall@10 is 0.5000 (0.0000 to 1.0000); before the edit it is 0.0000, for a model of item ids alone 0"
        in second
    )
    assert third == "New items take 50.0 % of the places shown to these users and 25.0 % of those shown to others."
    document = build_document(report)
    assert "One sentence" in render_html(document, {})
    assert "after minus before" in render_markdown(document, "plots")


def test_a_report_without_other_users_and_without_a_shown_item_says_so():
    alone = Visits(of_new=OF_NEW, others=[], num_of_new=2, num_others=0)
    timing = Timing(all_replicas_s=0.5, first_shown_s=None, replicas=1, pending=1, items=40)
    found = figures(measured(timing=timing, others_before=[], others_after=[], after=[["a"], []]), alone)
    assert found["others"] is None
    assert found["shown"]["others"] is None
    lines = summarize(report_of(found))
    assert "no user was shown one" in lines[0]
    assert "Replicas without the edit after the timeout: 1" in lines[-1]
    assert "no users whose next item is not a new one" in render_markdown(build_document(report_of(found)), "plots")


def test_statements_tell_what_a_new_item_has_and_what_it_lacks():
    table = {"path": "/nowhere/table.csv"}
    run = build_config(
        {
            "name": "shop",
            "input": {"interactions": table, "items": table},
            "entity": {"enabled": True, "fields": ["title", "description"]},
            "decoding": {"scoring": "blend"},
            "data": {"new_items": 0.05},
        }
    )
    counts = {"items": 5, "events": 60, "users": 40, "asked": 12, "others": 90}
    text = " ".join(build_statements(run, counts, 12, 50))
    assert "the share data.new_items 0.05 of all items" in text
    assert "12 of 12 such users were evaluated, and 50 of 90 other users" in text
    assert "so is its co-occurrence with the user's items" in text
    assert "entity.fields has description, which POST /v1/items does not take" in text
