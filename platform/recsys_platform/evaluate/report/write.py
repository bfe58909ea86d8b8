"""Write a report as JSON, as one HTML file, and as Markdown with a folder of plots."""

from pathlib import Path

from recsys_platform.evaluate.report.baseline_sections import baseline_section
from recsys_platform.evaluate.report.behaviour_sections import (
    examples_section,
    exposure_section,
    groups_section,
    settings_section,
    speed_section,
    training_section,
)
from recsys_platform.evaluate.report.content import Report
from recsys_platform.evaluate.report.document import Document
from recsys_platform.evaluate.report.html_page import Image, render_html
from recsys_platform.evaluate.report.json_format import write_json
from recsys_platform.evaluate.report.markdown import render_markdown
from recsys_platform.evaluate.report.paper_tables import paper_section
from recsys_platform.evaluate.report.plot_fonts import describe_unshown
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
    paper_section,
    exposure_section,
    groups_section,
    training_section,
    speed_section,
    examples_section,
    settings_section,
)


def write_reports(folder: Path, report: Report) -> None:
    """Write `report.json`, `report.html`, `report.md` and `plots/` into a folder, all from `report` alone.

    Raises:
        ValueError: A number of the report is not finite; nothing is written.
    """
    write_json(folder / JSON_FILE, report)
    document = build_document(report)
    plots = draw_plots(report, document.pictures())
    images = {name: Image(light.png, dark.png) for name, (light, dark) in plots.items()}
    document = document.with_picture_notes(
        {name: describe_unshown(light.unshown) for name, (light, _) in plots.items() if light.unshown}
    )
    (folder / HTML_FILE).write_text(render_html(document, images), encoding="utf-8")
    (folder / MARKDOWN_FILE).write_text(render_markdown(document, PLOTS_FOLDER), encoding="utf-8")
    (folder / PLOTS_FOLDER).mkdir()
    for name, image in images.items():
        (folder / PLOTS_FOLDER / f"{name}.png").write_bytes(image.light)


def build_document(report: Report) -> Document:
    """Return the document of a report with all sections in order."""
    return Document(f"Evaluation of {report.name}", [build(report) for build in _SECTIONS])
