"""Write a report for people: one HTML file, and Markdown with its plots in a folder beside it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recsys_platform.evaluate.report.baseline_sections import baseline_section
from recsys_platform.evaluate.report.behaviour_sections import (
    examples_section,
    exposure_section,
    groups_section,
    settings_section,
    speed_section,
    training_section,
)
from recsys_platform.evaluate.report.document import Document
from recsys_platform.evaluate.report.html_page import Image, render_html
from recsys_platform.evaluate.report.markdown import render_markdown
from recsys_platform.evaluate.report.plots import draw_plots
from recsys_platform.evaluate.report.ranking_sections import protocol_section, ranking_section, summary_section
from recsys_platform.evaluate.report.task_sections import task_section

JSON_FILE = "report.json"
HTML_FILE = "report.html"
MARKDOWN_FILE = "report.md"
PLOTS_FOLDER = "plots"

_SECTIONS = (
    summary_section,
    protocol_section,
    ranking_section,
    baseline_section,
    task_section,
    exposure_section,
    groups_section,
    training_section,
    speed_section,
    examples_section,
    settings_section,
)


def write_reports(folder: Path, report: Mapping[str, Any]) -> None:
    """Write `report.json`, `report.html`, `report.md` and `plots/` into a folder; all is drawn from `report` alone.

    Raises:
        ValueError: the report holds a figure that is no finite number.
    """
    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
    document = build_document(report)
    plots = draw_plots(report, document.pictures())
    (folder / JSON_FILE).write_text(text + "\n", encoding="utf-8")
    (folder / HTML_FILE).write_text(
        render_html(document, {name: Image(light, dark) for name, (light, dark) in plots.items()}), encoding="utf-8"
    )
    (folder / MARKDOWN_FILE).write_text(render_markdown(document, PLOTS_FOLDER), encoding="utf-8")
    (folder / PLOTS_FOLDER).mkdir()
    for name, (light, _) in plots.items():
        (folder / PLOTS_FOLDER / f"{name}.png").write_bytes(light)


def build_document(report: Mapping[str, Any]) -> Document:
    """Return the report's sections in the order in which they are read."""
    return Document(f"Evaluation of {report['name']}", [build(report) for build in _SECTIONS])
