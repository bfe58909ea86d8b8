"""A small report as evaluation writes it, and what hostile titles may look like."""

import copy
import json
from typing import Any

from recsys_platform.evaluate.report.content import Report
from recsys_platform.evaluate.report.json_format import from_json
from recsys_platform.evaluate.report.measured import MeasuredValue

HOSTILE = (
    "<script>alert(1)</script>",
    "</td></table><img src=x onerror=alert(2)>",
    "a | b || c",
    "two\nlines\r\n\n# heading\u2028here",
    "`tick` ``` fence",
    "[click](javascript:alert(3)) ![x](http://evil.example/x.png)",
    "1. *bold* __under__ ~~gone~~ $a_b$ \\",
    "- dash & &lt; \" ' \u202egnp.exe\x00",
    "",
)
"""Titles and texts that mean something to HTML or to Markdown."""


def figure(value: float, width: float = 0.02) -> MeasuredValue:
    """Return a figure with an interval."""
    return MeasuredValue(value=value, low=value - width, high=value + width)


def entry(value: float, width: float = 0.02) -> dict[str, float]:
    """Return the same as it stands in the JSON."""
    return {"value": value, "low": value - width, "high": value + width}


def tiny_document() -> dict[str, Any]:
    """Return the JSON of a report with one ranking, one task, three methods and two cases, to be changed by a test."""
    return copy.deepcopy(_REPORT)


def report_of(document: dict[str, Any]) -> Report:
    """Return the report that a document holds."""
    return from_json(json.dumps(document), "report.json")


def tiny_report() -> Report:
    """Return the report of `tiny_document`."""
    return report_of(tiny_document())


_GROUPS = [{"name": "1-2", "num_users": 3}, {"name": "3-4", "num_users": 197}]
_REPORT: dict[str, Any] = {
    "name": "shop",
    "statements": ["The last event of each user is the target."],
    "rankings": [
        {
            "title": "Whole catalogue",
            "competitors": "catalogue",
            "statements": ["Nothing is taken out."],
            "metrics": {
                "popularity": {"hr_at_1": entry(0.05), "hr_at_10": entry(0.1)},
                "best_reachable": {"hr_at_10": {"value": 0.7, "low": None, "high": None}},
                "recsysllm": {"hr_at_1": entry(0.2), "hr_at_10": entry(0.6)},
                "co_occurrence": {"hr_at_1": entry(0.21), "hr_at_10": entry(0.3)},
            },
            "differences": [
                {"baseline": "co_occurrence", "metrics": {"hr_at_1": entry(-0.01), "hr_at_10": entry(0.3)}},
                {"baseline": "popularity", "metrics": {"hr_at_1": entry(0.15), "hr_at_10": entry(0.5)}},
            ],
        }
    ],
    "protocol": {
        "dataset_split": {"kind": "leave_one_out", "valid_from": None, "test_from": None},
        "split": "test",
        "exclude_seen": False,
        "num_negatives": 99,
        "negatives_seed": 0,
        "candidates_digest": None,
        "competitors": ["catalogue"],
        "seed": 3,
    },
    "baselines": {"dataset": None, "methods": [], "notes": [], "warnings": []},
    "method_titles": {
        "recsysllm": "RecSysLLM",
        "co_occurrence": "co-occurrence",
        "popularity": "popularity",
        "best_reachable": "best reachable",
    },
    "tasks": [
        {
            "task": "rating",
            "family": "rating",
            "templates": wording,
            "template_ids": [f"rating-{wording}-1"],
            "num_cases": 40,
            "statements": ["The expected value is compared.", f"The {wording} ones."],
            "metrics": {"recsysllm": {"rmse": entry(value)}, "mean_rating": {"rmse": entry(1.2), "mae": entry(0.9)}},
            "examples": [{"question": "How many stars?", "truth": "4", "answer": "3.71"}],
        }
        for wording, value in (("unseen", 1.1), ("seen", 1.0))
    ],
    "exposure": {
        "recsysllm": {"coverage": 0.9, "gini": 0.3, "mean_popularity": 12.5, "long_tail_share": 0.6},
        "popularity": {"coverage": 0.1, "gini": 0.95, "mean_popularity": 90.0, "long_tail_share": 0.0},
        "taken": {"mean_popularity": 20.0, "long_tail_share": 0.5},
    },
    "exposure_statements": ["Coverage is a share."],
    "breakdowns": {
        "hit_rate_over_k": {
            "ks": [1, 2, 3],
            "methods": {"popularity": [0.0, 0.1, 0.1], "recsysllm": [0.2, 0.4, 0.6]},
        },
        "popularity": {
            "groups": _GROUPS,
            "methods": {
                "recsysllm": [entry(0.5), entry(0.6)],
                "popularity": [{"value": 0.0, "low": 0.0, "high": 0.4}, entry(0.1)],
            },
        },
        "history": {"groups": _GROUPS, "methods": {"recsysllm": [entry(0.4), entry(0.7)]}},
        "times": {
            "groups": [
                {"name": "all users", "num_users": 200},
                {"name": "held-out event with a time of its own", "num_users": 120},
                {"name": "held-out event that shares its time", "num_users": 80},
            ],
            "methods": {
                "recsysllm": [entry(0.6), entry(0.5), entry(0.75)],
                "popularity": [entry(0.1), entry(0.1), None],
            },
        },
    },
    "learning_curve": {
        "train": [[1, 3.0], [2, 2.0]],
        "eval": [[2, 2.5]],
        "families": {"next_item": [[2, 1.5]], "rating": [[2, 0.5]]},
        "minutes": 4.5,
    },
    "num_users": 200,
    "num_users_in_split": 1000,
    "num_items": 300,
    "seconds": 42.4,
    "seconds_recommending": 40.0,
    "users_per_second": 5.0,
    "config": {"name": "shop", "evaluate": {"num_workers": 2}},
    "versions": {"torch": "2.0"},
    "examples": [
        {
            "user_id": "ann",
            "num_history": 10,
            "history": ["pole", "hat"],
            "truth": "tent",
            "rank": 2,
            "recommended": ["lamp", "tent"],
        },
        {"user_id": "bob", "num_history": 1, "history": ["hat"], "truth": "cap", "rank": 0, "recommended": ["lamp"]},
    ],
    "examples_statement": "Drawn with seed 0.",
}
