"""What the documents show is run, and what they point at is there."""

import re
from pathlib import Path

import pytest

from recsys_model.evaluation.audit_table import audit_file

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "ray_configs/README.md"])


def test_every_line_of_checking_runs() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs/checking.md").read_text(), re.M | re.S)
    assert len(blocks) == 4
    exec(compile("\n".join(blocks), "docs/checking.md", "exec"), {})


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?://)([^)#]+)\)", document.read_text())
    assert [target for target in targets if not (document.parent / target).exists()] == []


def test_the_document_lists_exactly_the_impossible_rows_with_their_bounds() -> None:
    text = (
        (ROOT / "docs/paper-vs-ours.md").read_text().split("no ranking can have\n")[1].split("Eleven of the twelve")[0]
    )
    listed = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[4:] if line.startswith("| ")
    ]
    rows = [row for row in audit_file(ROOT / "tests/recsys_model/evaluation/paper_tables.csv") if row.broken]
    expected = []
    for row in rows:
        broken = row.broken
        bound = f"at most {broken.high:.4f}" if broken.is_above else f"at least {broken.low:.4f}"
        expected.append([f"{broken.name.upper()} {broken.text.removeprefix('0')}", bound.replace("0.", ".")])
    assert [cells[1:3] for cells in listed if cells[0] != "table, method, data"] == expected
    assert len(expected) == 12


def test_the_files_that_the_comparison_names_exist() -> None:
    names = set(re.findall(r"`([\w/*-]+\.(?:py|toml|yaml))`", (ROOT / "docs/paper-vs-ours.md").read_text()))
    folders = (ROOT, ROOT / "recsys_model", ROOT / "tests/recsys_model", ROOT / "ray_configs")
    missing = [n for n in names if not any([*folder.glob(n), *folder.glob(f"*/{n}")] for folder in folders)]
    assert missing == []
