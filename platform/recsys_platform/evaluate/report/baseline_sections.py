"""The section of a report that says what its baselines are worth."""

from collections.abc import Mapping
from typing import Any

from recsys_platform.evaluate.report.document import Block, Items, Paragraph, Section, Table
from recsys_platform.evaluate.report.wording import UNKNOWN, in_order, method_title

Report = Mapping[str, Any]
"""As in report.json."""


def baseline_section(report: Report) -> Section:
    """Return whose code each baseline is, how its training was stopped, and what public figure it should reach."""
    described, title = report.get("baselines"), "Baselines"
    if not described or not described["methods"]:
        return Section(title, [Paragraph("No baseline was described.")])
    entries = {entry["method"]: entry for entry in described["methods"]}
    rows = [
        [
            method_title(report, method),
            entries[method]["implementation"],
            entries[method]["training"],
            entries[method]["public"] or UNKNOWN,
        ]
        for method in in_order(report, entries)
    ]
    head = ["method", "whose code", "how training was stopped", "public figure to reach"]
    blocks: list[Block] = [Table("What the other methods are", head, rows)]
    for heading, sentences in (("Warnings", described["warnings"]), ("", described["notes"])):
        blocks += [Items(sentences, title=heading)] if sentences else []
    return Section(title, blocks)
