"""The tables of the paper (arXiv 2308.10837) with the figures of a report next to the printed ones.

The columns are those of the paper; its data sets stand below each other, since a report has one. Printed figures that cannot
hold are marked: rankings by the audit, texts where ROUGE-L is above ROUGE-1.
"""

import csv
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recsys_model.evaluation.audit import find_broken_bound, parse_figure
from recsys_platform.evaluate.report.content import Report, TaskEntry
from recsys_platform.evaluate.report.document import Block, Bullets, Heading, Paragraph, Section, Table
from recsys_platform.evaluate.report.wording import UNKNOWN, in_order, method_title, metric_title, number

RANKINGS_FILE = Path(__file__).with_name("paper_rankings.csv")
"""Printed HR and NDCG, as `recsys audit` reads them."""
OTHERS_FILE = Path(__file__).with_name("paper_ratings_and_texts.csv")
"""Printed RMSE, MAE, BLEU and ROUGE."""
IMPOSSIBLE = "†"
"""Mark of printed figures that cannot hold together."""
MODEL_OF_THE_PAPER = "RecSysLLM"


@dataclass(frozen=True, kw_only=True, slots=True)
class PaperTable:
    """One table of the paper, or one half of it."""

    name: str
    """Its name in the files of printed figures."""
    title: str
    """What it shows."""
    task: str
    """The task whose questions make it."""
    metrics: tuple[str, ...]
    """Its columns."""
    note: str = ""
    """How ours differs from the printed protocol."""


RANKS = ("hr_at_5", "ndcg_at_5", "hr_at_10", "ndcg_at_10")
ROUGE = ("rouge_1", "rouge_2", "rouge_l")
TABLES = (
    PaperTable(name="Table 2", title="rating prediction", task="rating", metrics=("rmse", "mae")),
    PaperTable(name="Table 4", title="sequential recommendation", task="sequential", metrics=RANKS),
    PaperTable(
        name="Table 5 without hints", title="explanation generation", task="explanation", metrics=("bleu_4", *ROUGE)
    ),
    PaperTable(
        name="Table 5 with hints", title="explanation generation", task="explanation_hint", metrics=("bleu_4", *ROUGE)
    ),
    PaperTable(name="Table 6", title="review summarization", task="review_summary", metrics=("bleu_2", *ROUGE)),
    PaperTable(
        name="Table 7",
        title="direct recommendation",
        task="direct_choose",
        metrics=("hr_at_1", *RANKS),
        note="Ours chooses among the candidates that the question lists (`tasks.num_candidates`); the printed protocol is not "
        "stated, and P5's has 100 candidates, whose titles do not fit into 1,024 tokens.",
    ),
    PaperTable(name="Table 8", title="next item recommendation", task="next_item", metrics=("hr_at_1", *RANKS)),
    PaperTable(
        name="Table 9",
        title="candidate recommendation",
        task="candidate",
        metrics=("hr_at_1", *RANKS),
        note="The paper does not say how many candidates a question lists.",
    ),
)
"""In the order of the paper; Tables 1, 3 and 10 hold no results."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PrintedRow:
    """One method on one data set, as printed."""

    method: str
    """Name of the method, with the kind of its prompts."""
    dataset: str
    """Name of the data set."""
    figures: Mapping[str, str]
    """Metric -> figure as it is printed."""
    fault: str
    """Why the figures cannot hold together; empty if they can."""

    @property
    def is_of_the_model(self) -> bool:
        """Whether it is the paper's own model."""
        return self.method.startswith(MODEL_OF_THE_PAPER)


def names_of_tables(tasks: Sequence[str]) -> list[str]:
    """Return the tables of the paper that a report on these tasks has.

    Example:
        >>> names_of_tables(["candidate", "next_item"])
        ['Table 8', 'Table 9']
    """
    return [table.name for table in TABLES if table.task in tasks]


@functools.cache
def printed_rows(name: str) -> tuple[PrintedRow, ...]:
    """Return the printed rows of a table in the order of the paper."""
    rows = []
    for path in (RANKINGS_FILE, OTHERS_FILE):
        with path.open(encoding="utf-8", newline="") as lines:
            rows += [_printed(row) for row in csv.DictReader(lines) if row["table"] == name]
    return tuple(rows)


def compared_table(report: Report, paper: PaperTable, *, only_model: bool = False) -> Table | None:
    """Return our rows and the printed ones of a table, with `only_model` those of the paper's own model alone.

    None if the report has no questions of the task.
    """
    entries = [entry for entry in report.tasks if entry.task == paper.task and entry.num_cases]
    if not entries:
        return None
    ours = [row for entry in entries for row in _own_rows(report, entry, paper.metrics)]
    printed = [
        [
            f"{row.method}{f' {IMPOSSIBLE}' if row.fault else ''}",
            f"printed, {row.dataset}",
            *(row.figures.get(metric) or UNKNOWN for metric in paper.metrics),
        ]
        for row in printed_rows(paper.name)
        if row.is_of_the_model or not only_model
    ]
    head = ["method", "figures", *map(metric_title, paper.metrics)]
    return Table(f"{paper.name}: {paper.title}", head, [*ours, *printed])


def faults_of(paper: PaperTable, *, only_model: bool = False) -> list[str]:
    """Return a sentence for each printed row that cannot hold."""
    return [
        f"{IMPOSSIBLE} {row.method}, {row.dataset}: {row.fault}."
        for row in printed_rows(paper.name)
        if row.fault and (row.is_of_the_model or not only_model)
    ]


def paper_section(report: Report) -> Section:
    """Return the tables of the paper that the report's tasks make."""
    blocks: list[Block] = []
    for paper in TABLES:
        table = compared_table(report, paper)
        if table is not None:
            notes = [*([paper.note] if paper.note else []), *faults_of(paper)]
            blocks += [Heading(table.caption), table, *([Bullets(notes)] if notes else [])]
    if not blocks:
        return Section("Tables of the paper", [Paragraph("No table: the model was not trained on questions of tasks.")])
    lead = (
        "Figures of this run, then those that the paper prints. They are comparable only on the same data and with the same "
        f"model: the printed ones are of GLM-10B or ChatGLM-6B. {IMPOSSIBLE}: the printed figures cannot hold together."
    )
    return Section("Tables of the paper", [Paragraph(lead), *blocks])


def _own_rows(report: Report, entry: TaskEntry, metrics: Sequence[str]) -> list[list[str]]:
    return [
        [
            method_title(report, method),
            f"this run, {entry.templates} prompts",
            *(_own_figure(entry, method, metric) for metric in metrics),
        ]
        for method in in_order(report, entry.metrics)
    ]


def _own_figure(entry: TaskEntry, method: str, metric: str) -> str:
    measured = entry.metrics[method].get(metric)
    return number(None if measured is None else measured.value)


def _printed(row: Mapping[str, str]) -> PrintedRow:
    labels = ("table", "method", "dataset")
    figures = {name.replace("@", "_at_"): text for name, text in row.items() if name not in labels and text}
    return PrintedRow(method=row["method"], dataset=row["dataset"], figures=figures, fault=_fault(figures))


def _fault(figures: Mapping[str, str]) -> str:
    ranks = {name.replace("_at_", "@"): parse_figure(text) for name, text in figures.items() if "_at_" in name}
    broken = find_broken_bound(ranks) if ranks else None
    if broken is not None:
        return str(broken)
    if "rouge_l" in figures and float(figures["rouge_l"]) > float(figures["rouge_1"]):
        return f"ROUGE-L {figures['rouge_l']} cannot exceed ROUGE-1 {figures['rouge_1']}, as F1 over the same pairs"
    return ""
