"""What the documents show is run, and what they point at is there."""

import dataclasses
import re
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import get_type_hints

import pytest
import yaml

from recsys_model.evaluation.audit_table import audit_file
from recsys_platform.config.run import RunConfig, build_config

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("*/README.md")})
GUIDES = [ROOT / name for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "docs/decisions.md")]
FOLDERS = ("recsys_model", "platform", "tests", "ray_configs", "docs", "k8s", "findings")
SOURCE_ENDINGS = (".py", ".toml", ".yaml", ".md", ".sh")
ENDINGS = (*SOURCE_ENDINGS, ".csv", ".json")
TABLES_OF_A_RUN = {"interactions": {"path": "a.csv"}, "items": {"path": "b.csv"}}
NOT_OURS = {"streaming_split", "user_config", "platform/__init__.py"}
"""Names of libraries, and the file that must not be there."""
FENCED_CODE = re.compile(r"^```.*?^```$", re.M | re.S)
LINK = re.compile(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]+))?\)")


def name_of(document: Path) -> str:
    return document.relative_to(ROOT).as_posix()


def anchors_of(document: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", FENCED_CODE.sub("", document.read_text()), re.M)
    slugs = [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
    seen = Counter[str]()
    anchors = set()
    for slug in slugs:
        anchors.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return anchors


def test_every_line_of_checking_runs() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs/checking.md").read_text(), re.M | re.S)
    assert len(blocks) == 4
    exec(compile("\n".join(blocks), "docs/checking.md", "exec"), {})


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_lead_to_files_and_headings(document: Path) -> None:
    wrong = []
    for name, anchor in LINK.findall(FENCED_CODE.sub("", document.read_text())):
        target = document.parent / name if name else document
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            wrong.append(f"{name}#{anchor}" if anchor else name)
    assert wrong == []


def test_the_index_of_the_documents_lists_each_of_them() -> None:
    text = (ROOT / "docs/README.md").read_text()
    pages = [path.name for path in ROOT.glob("docs/*.md") if path.name != "README.md"]
    assert [
        name for name in (*pages, "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md") if f"{name})" not in text
    ] == []


@pytest.mark.parametrize("document", GUIDES, ids=name_of)
def test_the_files_and_names_of_the_guides_exist(document: Path) -> None:
    sources = [
        path
        for path in chain.from_iterable((ROOT / folder).rglob("*") for folder in FOLDERS)
        if path.suffix in SOURCE_ENDINGS and "__pycache__" not in path.parts
    ]
    # NAME stands for what a reader chooses
    quoted = {text for text in re.findall(r"`([^`\n]+)`", document.read_text()) if "NAME" not in text} - NOT_OURS
    paths = {text for text in quoted if re.fullmatch(r"[\w./*-]+\.(?:py|toml|yaml|md|sh)", text)}
    known = [*sources, *ROOT.glob("*.*")]
    assert sorted(path for path in paths if not any(source.match(path) for source in known)) == []

    words = set(re.findall(r"\w+", "\n".join(path.read_text() for path in sources if path.suffix != ".md")))
    names = {text for text in quoted if re.fullmatch(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", text)} - paths
    assert sorted(name for name in names if not words.issuperset(name.split("."))) == []


def test_the_document_lists_exactly_the_impossible_rows_with_their_bounds() -> None:
    text = (
        (ROOT / "docs/paper-vs-ours.md").read_text().split("no ranking can have\n")[1].split("Eleven of the twelve")[0]
    )
    listed = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[4:] if line.startswith("| ")
    ]
    rows = [
        row
        for row in audit_file(ROOT / "platform/recsys_platform/evaluate/report/paper_rankings.csv").rows
        if row.broken
    ]
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


def test_the_modules_and_settings_that_the_comparison_names_exist() -> None:
    quoted = set(re.findall(r"`([^`\n]+)`", (ROOT / "docs/paper-vs-ours.md").read_text()))
    settings = {text for text in quoted if re.fullmatch(r"[a-z_]+\.[a-z_]+(?:: [^`]+)?", text) and "/" not in text}
    sections = get_type_hints(RunConfig)
    values = [text.removeprefix("{").partition(": ") for text in settings if not text.endswith(ENDINGS)]
    assert len(values) >= 10
    for name, _, value in values:
        section, _, key = name.partition(".")
        known = {field.name for field in dataclasses.fields(sections[section])}
        assert key in known, name
        if value:
            build_config({"name": "x", "input": TABLES_OF_A_RUN, section: {key: yaml.safe_load(value)}})
    folders = [ROOT, ROOT / "recsys_model", ROOT / "tests/recsys_model", ROOT / "platform"]
    modules = {text for text in quoted if text.endswith("/")}
    assert [text for text in modules if not any((folder / text).is_dir() for folder in folders)] == []
    names = {text for text in quoted if re.fullmatch(r"[A-Z][A-Za-z_]+", text)}
    sources = "\n".join(path.read_text() for path in (ROOT / "recsys_model").rglob("*.py"))
    assert [name for name in names if not re.search(rf"^(?:class )?{name}\b", sources, re.M)] == []
