"""The section of a report that says what its baselines are worth."""

from recsys_platform.evaluate.report.content import BaselineEntry, Report
from recsys_platform.evaluate.report.document import Block, Items, Paragraph, Section, Table
from recsys_platform.evaluate.report.wording import UNKNOWN, in_order, method_title


def baseline_section(report: Report) -> Section:
    """Return whose code each baseline is, how its training was stopped, and what public figure it should reach."""
    title, notes = "Baselines", report.baselines
    if not notes.methods:
        return Section(title, [Paragraph("No baseline was described.")])
    entries = {entry.method: entry for entry in notes.methods}
    rows = [_row(report, entries[method]) for method in in_order(report, entries)]
    head = ["method", "whose code", "how training was stopped", "public figure to reach"]
    blocks: list[Block] = [Table("What the other methods are", head, rows)]
    for heading, sentences in (("Warnings", notes.warnings), ("", notes.notes)):
        blocks += [Items(sentences, title=heading)] if sentences else []
    return Section(title, blocks)


def _row(report: Report, entry: BaselineEntry) -> list[str]:
    return [method_title(report, entry.method), entry.implementation, entry.training, entry.public or UNKNOWN]
