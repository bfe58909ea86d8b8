"""The Markdown report: the same content, tables that hold together, and titles that stay text."""

import re

import pytest

from recsys_platform.evaluate.report.document import Bullets, Code, Document, Fold, Paragraph, Section, Table, one_line
from recsys_platform.evaluate.report.markdown import escape, format_table, render_markdown
from recsys_platform.evaluate.report.write import build_document
from tests.recsys_platform.evaluate.report.tiny_report import HOSTILE, tiny_report


def cells_of(line: str) -> list[str]:
    """Cut a table's line at the bars that no backslash stands before, as GitHub does."""
    return re.split(r"(?<!\\)(?:\\\\)*\|", line.strip())[1:-1]


def tables_of(text: str) -> list[list[str]]:
    tables: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.startswith("|"):
            tables[-1].append(line)
        elif tables[-1]:
            tables.append([])
    return [table for table in tables if table]


def test_all_tables_have_as_many_cells_in_every_line():
    text = render_markdown(build_document(tiny_report()), "plots")

    tables = tables_of(text)
    assert len(tables) == 9
    for table in tables:
        assert re.fullmatch(r"\|(---\|)+", table[1])
        assert len({len(cells_of(line)) for line in table}) == 1


def test_a_short_document_is_written_as_expected():
    blocks = [
        Paragraph("# no heading"),
        Table("Two *figures*", ["method", "HR@1"], [["a|b", "-0.1 (-0.2 to 0.0)"]]),
        Bullets(["hat", "1. cap", "+1"], title="history", is_numbered=True, marked=frozenset({1})),
        Fold("More", [Code("x = '```'")]),
    ]

    text = render_markdown(Document("Evaluation of a_b", [Section("What was measured", blocks)]), "plots")

    assert text == (
        "# Evaluation of a\\_b\n\n- [What was measured](#what-was-measured)\n\n## What was measured\n\n"
        "\\# no heading\n\nTwo \\*figures\\*\n\n| method | HR@1 |\n|---|---|\n| a\\|b | -0.1 (-0.2 to 0.0) |\n\n"
        "history:\n\n1. hat\n2. **1\\. cap**\n3. \\+1\n\n### More\n\n````\nx = '```'\n````\n"
    )


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_text_is_one_line_without_a_single_live_sign(hostile):
    written = escape(hostile)

    assert "\n" not in written
    assert re.search(r"(?<!\\)(?:\\\\)*[`*_<>|~&$\[\]]", written) is None
    assert not re.match(r"[-+=#]|\d+[.)]", written)
    assert re.sub(r"\\([^a-zA-Z0-9\s])", r"\1", written) == one_line(hostile)


def test_rows_that_stand_out_have_a_bold_name():
    table = Table("ranks", ["rank", "HR@1"], [["2", "0.2"], ["8", "0.5"]], marked=frozenset({1}))

    assert format_table(table).splitlines()[2:] == ["| 2 | 0.2 |", "| **8** | 0.5 |"]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_name_of_a_row_keeps_the_table_together(hostile):
    table = Table("t", ["a", "b"], [[hostile, hostile]])

    lines = tables_of(render_markdown(Document("d", [Section("s", [table])]), "plots"))[0]

    assert [len(cells_of(line)) for line in lines] == [2, 2, 2]


def test_pictures_are_files_in_the_folder_beside():
    text = render_markdown(build_document(tiny_report()), "plots")

    found = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    names = ("methods_1", "hit_rate_over_k", "popularity", "history", "learning_curve", "family_losses")
    assert found == [f"plots/{name}.png" for name in names]


def test_a_row_with_a_missing_cell_is_never_rendered():
    with pytest.raises(ValueError, match="must have 2 cells"):
        Table("t", ["a", "b"], [["only one"]])
