"""Our figures beside those of the paper, and the marks on printed figures that cannot hold."""

import pytest

from recsys_platform.cli.summaries import of_paper_tables
from recsys_platform.evaluate.report.paper_tables import TABLES, compared_table, faults_of, paper_section, printed_rows
from recsys_platform.evaluate.report.wording import titles_of
from tests.recsys_platform.evaluate.report.tiny_report import entry, report_of, tiny_document


def report_on(*tasks: dict):
    document = tiny_document()
    document["method_titles"] = titles_of([])
    document["tasks"] = [
        {
            "family": "x",
            "templates": "seen",
            "template_ids": ["x/1"],
            "num_cases": 9,
            "statements": [],
            "examples": [],
            **task,
        }
        for task in tasks
    ]
    return report_of(document)


RANKS = {"hr_at_1": entry(0.25), "hr_at_5": entry(0.5), "ndcg_at_5": entry(0.375)}
PAPER = {table.name: table for table in TABLES}


def test_a_table_has_the_columns_of_the_paper_our_rows_and_the_printed_ones():
    report = report_on(
        {"task": "candidate", "metrics": {"popularity": RANKS, "recsysllm": RANKS}},
        {"task": "candidate", "templates": "unseen", "metrics": {"recsysllm": RANKS}},
    )

    table = compared_table(report, PAPER["Table 9"])

    assert table is not None
    assert list(table.head) == ["method", "figures", "HR@1", "HR@5", "NDCG@5", "HR@10", "NDCG@10"]
    assert [list(row) for row in table.rows] == [
        ["RecSysLLM", "this run, seen prompts", "0.2500", "0.5000", "0.3750", "-", "-"],
        ["popularity", "this run, seen prompts", "0.2500", "0.5000", "0.3750", "-", "-"],
        ["RecSysLLM", "this run, unseen prompts", "0.2500", "0.5000", "0.3750", "-", "-"],
        ["ChatGPT", "printed, Alipay", "0.3786", "0.5550", "0.4715", "0.6424", "0.5001"],
        ["GPT-4", "printed, Alipay", "0.7079", "0.8154", "0.7671", "0.8560", "0.7804"],
        ["ChatGLM+SFT †", "printed, Alipay", "0.2984", "0.7012", "0.6826", "0.7621", "0.7038"],
        ["RecSysLLM †", "printed, Alipay", "0.4965", "0.7435", "0.7032", "0.7728", "0.7237"],
    ]
    assert len(faults_of(PAPER["Table 9"])) == 2


def test_twelve_rankings_and_one_text_are_marked():
    marked = [
        (table.name, row.method, row.dataset) for table in TABLES for row in printed_rows(table.name) if row.fault
    ]

    assert len(marked) == 13
    assert ("Table 6", "RecSysLLM", "Beauty") in marked
    assert ("Table 7", "RecSysLLM (unseen prompts)", "Beauty") in marked


@pytest.mark.parametrize(("name", "count"), [("Table 2", 18), ("Table 4", 33), ("Table 6", 12), ("Table 7", 21)])
def test_every_printed_row_has_every_column_of_its_table(name, count):
    rows = printed_rows(name)

    assert len(rows) == count
    assert all(set(row.figures) == set(PAPER[name].metrics) for row in rows)


def test_table_5_has_its_rows_without_and_with_hints():
    counts = {name: len(printed_rows(f"Table 5 {name}")) for name in ("without hints", "with hints")}

    assert counts == {"without hints": 15, "with hints": 15}
    (row,) = [
        row
        for row in printed_rows("Table 5 with hints")
        if (row.method, row.dataset) == ("RecSysLLM (unseen prompts)", "Toys")
    ]
    assert row.figures == {"bleu_4": "6.2912", "rouge_1": "30.2948", "rouge_2": "10.0329", "rouge_l": "24.9932"}


def test_a_report_has_the_tables_of_its_tasks_alone():
    report = report_on(
        {
            "task": "rating",
            "metrics": {"expected_rating": {"rmse": entry(1.0)}, "most_likely_rating": {"rmse": entry(1.25)}},
        },
        {"task": "sequential", "num_cases": 0, "metrics": {}},
    )

    (text,) = of_paper_tables(report)

    lines = text.splitlines()
    assert lines[0] == "Table 2: rating prediction"
    assert lines[1].split() == ["method", "figures", "RMSE", "MAE"]
    assert [line.split("  ")[0] for line in lines[2:4]] == [
        "RecSysLLM, expected rating",
        "RecSysLLM, most likely rating",
    ]
    assert sum("printed" in line for line in lines) == 6, "the paper's own model in seen and unseen words"
    assert len(paper_section(report).blocks) == 3


def test_without_tasks_the_section_says_why_it_is_empty():
    assert len(paper_section(report_on()).blocks) == 1
    assert of_paper_tables(report_on()) == []
