"""The examples of docs/tables.md are read as the page says."""

import re
from pathlib import Path

import pytest
import yaml

from recsys_platform.config.input import InputConfig, TableConfig
from recsys_platform.config.strict import build_section
from recsys_platform.data.input.open import open_interactions
from recsys_platform.data.input.sources import MALFORMED, read_whole

PAGE = Path(__file__).parents[4] / "docs" / "tables.md"
EXAMPLE = re.compile(r"# (?P<name>\S+)\n(?P<text>.*?)# settings\n(?P<settings>.*?)# rows\n(?P<rows>.*)", re.DOTALL)


def examples() -> list[re.Match[str]]:
    """The indented blocks of the page that begin with the name of a file."""
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    texts = ["\n".join(line[4:] for line in block.strip("\n").splitlines()) + "\n" for block in blocks]
    pieces = [piece for text in texts for piece in re.split(r"\n\n(?=# \S+\.)", text)]
    return [match for piece in pieces if (match := EXAMPLE.fullmatch(piece.strip("\n") + "\n"))]


def test_the_page_has_an_example_of_each_setting():
    settings = " ".join(match["settings"] for match in examples())
    for name in ("columns", "header", "explode", "where"):
        assert f"{name}:" in settings
    assert len(examples()) >= 7


@pytest.mark.parametrize("example", examples(), ids=lambda match: match["name"] + " " + match["settings"].strip()[:40])
def test_an_example_of_the_page_is_read_as_it_says(tmp_path, example):
    path = tmp_path / example["name"]
    path.write_text(example["text"], encoding="utf-8")
    config = build_section(TableConfig, {"path": str(path), **yaml.safe_load(example["settings"])}, "example")
    block = read_whole(open_interactions(InputConfig(interactions=config, items=TableConfig(path="unread"))))
    columns = [block[name].to_pylist() for name in ("user_id", "item_id", "timestamp", MALFORMED)]
    rows = [
        "malformed_line" if bad else f"{user}, {item}, {time}" for user, item, time, bad in zip(*columns, strict=True)
    ]
    assert rows == example["rows"].splitlines()


def test_every_setting_of_a_table_is_on_the_page():
    page = PAGE.read_text(encoding="utf-8")
    for name in (
        "path",
        "further_paths",
        "format",
        "columns",
        "delimiter",
        "header",
        "encoding",
        "explode",
        "where",
        "order",
    ):
        assert f"`{name}" in page or f"{name}:" in page, name
