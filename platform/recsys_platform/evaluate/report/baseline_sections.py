"""The report section on baselines: implementation, training and public figures of each."""

from recsys_platform.evaluate.report.content import BaselineEntry, Report
from recsys_platform.evaluate.report.document import Block, Bullets, Paragraph, Section, Table
from recsys_platform.evaluate.report.wording import UNKNOWN, in_order, method_title


def baseline_section(report: Report) -> Section:
    """Return the table of baselines with implementation, training and public figures, then warnings and notes."""
    title, notes = "Baselines", report.baselines
    if not notes.methods:
        return Section(title, [Paragraph("No baseline was measured.")])
    entries = {entry.method: entry for entry in notes.methods}
    rows = [_row(report, entries[method]) for method in in_order(report, entries)]
    head = ["method", "implementation", "training", "public figures to reach"]
    blocks: list[Block] = [Table("The baselines", head, rows)]
    for heading, sentences in (("Warnings", notes.warnings), ("", notes.notes)):
        blocks += [Bullets(sentences, title=heading)] if sentences else []
    return Section(title, blocks)


def _row(report: Report, entry: BaselineEntry) -> list[str]:
    return [method_title(report, entry.method), entry.implementation, entry.training, entry.public or UNKNOWN]
