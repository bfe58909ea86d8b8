"""What the report says in words, and that it says nothing where nothing is known."""

import dataclasses
import json
import math
import re

import pytest

from recsys_platform.cli import summaries
from recsys_platform.evaluate.report.behaviour_sections import groups_section
from recsys_platform.evaluate.report.document import Bullets, Heading, Paragraph, Table
from recsys_platform.evaluate.report.html_page import Image, render_html
from recsys_platform.evaluate.report.markdown import render_markdown
from recsys_platform.evaluate.report.measured import MeasuredValue
from recsys_platform.evaluate.report.ranking_sections import ranking_section, summary_section
from recsys_platform.evaluate.report.task_sections import task_section
from recsys_platform.evaluate.report.wording import verdict
from recsys_platform.evaluate.report.write import build_document, write_reports
from tests.recsys_platform.evaluate.report.tiny_report import entry, report_of, tiny_document, tiny_report


def test_the_summary_is_two_sentences_on_the_model_and_on_the_best_other_method():
    assert summary_section(tiny_report()).blocks == [
        Paragraph(
            "The first ten items of RecSysLLM include the next item of 60.0 % of 200 users "
            "(95 % interval 58.0 % to 62.0 %), ranked against the whole catalogue. "
            "This is better than the best other method, co-occurrence (30.0 %): the paired difference of HR@10 is "
            "+0.3000 (+0.2800 to +0.3200)."
        )
    ]


def test_the_summary_does_not_call_better_what_cannot_be_told_apart():
    document = tiny_document()
    document["rankings"][0]["differences"][0]["metrics"]["hr_at_10"] = {"value": 0.3, "low": -0.01, "high": 0.6}

    text = summary_section(report_of(document)).blocks[0].text

    assert "This cannot be told apart from the best other method, co-occurrence" in text


@pytest.mark.parametrize(
    ("low", "high", "metric", "word"),
    [
        (0.1, 0.2, "hr_at_10", "better"),
        (-0.2, -0.1, "ndcg_at_5", "worse"),
        (-0.1, 0.1, "hr_at_1", "cannot be told apart"),
        (0.0, 0.1, "hr_at_1", "cannot be told apart"),
        (-0.2, -0.1, "rmse", "better"),
        (0.1, 0.2, "mae", "worse"),
        (math.nan, math.nan, "hr_at_1", "cannot be told apart"),
        (None, None, "hr_at_1", "cannot be told apart"),
    ],
)
def test_the_interval_decides_the_verdict(low, high, metric, word):
    assert verdict(metric, MeasuredValue(value=0.15, low=low, high=high)) == word


def test_each_baseline_gets_a_sentence_that_names_every_metric():
    sentences = ranking_section(tiny_report()).blocks[-2]

    assert sentences == Bullets(
        [
            "Compared with co-occurrence, RecSysLLM cannot be told apart from it in HR@1 and is better in HR@10.",
            "Compared with popularity, RecSysLLM is better in HR@1 and HR@10.",
        ]
    )


def test_every_protocol_of_ranking_has_its_own_heading_table_and_plot():
    document = tiny_document()
    document["rankings"].append(document["rankings"][0] | {"title": "99 negatives", "competitors": "sampled"})
    report = report_of(document)

    section = ranking_section(report)

    assert [block.text for block in section.blocks if isinstance(block, Heading)] == ["Whole catalogue", "99 negatives"]
    assert "methods_2" in build_document(report).pictures()


def test_seen_and_unseen_wordings_stand_side_by_side():
    table = next(block for block in task_section(tiny_report()).blocks if isinstance(block, Table))

    assert table == Table(
        "rating: 40 cases with seen wordings, 40 cases with unseen wordings",
        ["method", "RMSE, seen", "RMSE, unseen", "MAE, seen", "MAE, unseen"],
        [
            ["RecSysLLM", "1.0000 (0.9800 to 1.0200)", "1.1000 (1.0800 to 1.1200)", "-", "-"],
            ["mean rating", *["1.2000 (1.1800 to 1.2200)"] * 2, *["0.9000 (0.8800 to 0.9200)"] * 2],
        ],
    )


def test_a_statement_of_both_wordings_is_said_once():
    bullets = next(block for block in task_section(tiny_report()).blocks if isinstance(block, Bullets))

    assert bullets.items == [
        "The expected value is compared.",
        "Seen wordings: The seen ones.",
        "Unseen wordings: The unseen ones.",
    ]


def test_warnings_on_texts_stand_before_the_statements_and_in_the_terminal():
    seen, unseen = sorted(tiny_report().tasks, key=lambda entry: entry.templates)
    both, one = "ROUGE keeps the letters a to z alone", "BLEU-4 is 0 by construction"
    tasks = (dataclasses.replace(seen, warnings=(both, one)), dataclasses.replace(unseen, warnings=(both,)))
    report = dataclasses.replace(tiny_report(), tasks=tasks)

    first, second = [block for block in task_section(report).blocks if isinstance(block, Bullets)][:2]

    assert (first.title, first.items) == ("Warnings", [both, f"Seen wordings: {one}"])
    assert second.title == ""
    assert summaries.of_task(tasks[0]).splitlines()[1:] == [f"  warning: {both}", f"  warning: {one}"]


def test_what_users_took_stands_beside_what_is_recommended():
    text = render_markdown(build_document(tiny_report()), "plots")

    assert "| RecSysLLM | 90.0 % | 0.3000 | 12.5 | 60.0 % |" in text
    assert "| the items that users took | - | - | 20.0 | 50.0 % |" in text


def test_users_whose_held_out_event_has_a_time_of_its_own_have_a_row_beside_all_users():
    section = groups_section(tiny_report())

    (table,) = (block for block in section.blocks if isinstance(block, Table))
    assert table == Table(
        "HR@10 of all users, and of users whose held-out event has a time of its own",
        ["group", "users", "RecSysLLM", "popularity"],
        [
            ["all users", "200", "0.6000 (0.5800 to 0.6200)", "0.1000 (0.0800 to 0.1200)"],
            [
                "held-out event with a time of its own",
                "120",
                "0.5000 (0.4800 to 0.5200)",
                "0.1000 (0.0800 to 0.1200)",
            ],
            ["held-out event that shares its time", "80", "0.7500 (0.7300 to 0.7700)", "-"],
        ],
    )
    document = build_document(tiny_report())
    images = {name: Image(b"light", b"dark") for name in document.pictures()}
    html, markdown = render_html(document, images), render_markdown(document, "plots")
    for text in (html, markdown):
        assert "held-out event with a time of its own" in text
        assert "An event has a time of its own if no other event of the user has the same time." in text


def test_a_report_from_before_ties_were_counted_still_reads():
    document = tiny_document()
    del document["breakdowns"]["times"]

    assert [block for block in groups_section(report_of(document)).blocks if isinstance(block, Table)] == []


def test_an_evaluation_with_nothing_but_a_ranking_still_reads():
    nothing = {"exposure_statements": (), "breakdowns": None, "learning_curve": None, "examples_statement": ""}
    report = dataclasses.replace(tiny_report(), tasks=(), exposure={}, examples=(), **nothing)

    document = build_document(report)

    assert document.pictures() == ["methods_1"]
    text = render_markdown(document, "plots")
    assert "The model was not trained on questions of task families." in text
    assert "The checkpoint has no record of its training." in text


def test_an_evaluation_of_tasks_alone_still_reads():
    report = dataclasses.replace(tiny_report(), rankings=(), breakdowns=None)

    assert "No ranking of next items was measured." in render_markdown(build_document(report), "plots")


def test_an_unknown_figure_is_a_dash_and_nan_never_reaches_a_reader(tmp_path):
    report = tiny_report()
    unknown = MeasuredValue(value=math.nan, low=math.nan, high=math.nan)
    metrics = {
        **report.rankings[0].metrics,
        "popularity": {**report.rankings[0].metrics["popularity"], "hr_at_1": unknown},
    }
    rankings = (dataclasses.replace(report.rankings[0], metrics=metrics),)
    popularity = dataclasses.replace(report.exposure["popularity"], gini=None)
    report = dataclasses.replace(report, rankings=rankings, exposure={**report.exposure, "popularity": popularity})

    text = render_markdown(build_document(report), "plots")

    assert "| popularity | - | 0.1000 (0.0800 to 0.1200) |" in text
    assert "| popularity | 10.0 % | - | 90.0 | 0.0 % |" in text
    with pytest.raises(ValueError, match="JSON"):
        write_reports(tmp_path, report)
    assert list(tmp_path.iterdir()) == []


def test_everything_is_written_and_the_json_is_the_report(tmp_path):
    report = tiny_report()

    write_reports(tmp_path, report)

    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == tiny_document()
    written = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    plots = ("family_losses", "history", "hit_rate_over_k", "learning_curve", "methods_1", "popularity")
    assert written == [*(f"plots/{name}.png" for name in plots), "report.html", "report.json", "report.md"]
    for name in plots:
        assert (tmp_path / "plots" / f"{name}.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    words = re.findall(r"[a-z]+", (tmp_path / "report.md").read_text(encoding="utf-8").lower())
    assert not {"nan", "none", "inf"} & set(words)


def test_methods_without_a_title_are_still_named():
    document = tiny_document()
    document["rankings"][0]["metrics"]["gru4rec_v2"] = {"hr_at_10": entry(0.2)}

    text = render_markdown(build_document(report_of(document)), "plots")

    assert "| gru4rec v2 | - | 0.2000 (0.1800 to 0.2200) |" in text
