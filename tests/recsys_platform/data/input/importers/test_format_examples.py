"""Every format with one small folder: it alone recognises it, and damage costs rows or is an error, never a traceback."""

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_model.errors import DataError
from recsys_platform.data.input.importers.folder import open_folder
from recsys_platform.data.input.importers.recognition import FORMATS, recognise
from recsys_platform.data.input.importers.source import LeftOut, Source
from recsys_platform.data.input.importers.writing import ImportCounts, write_source
from recsys_platform.data.input.records import MalformedLine
from tests.recsys_platform.data.input.importers.examples import EXAMPLES, write_example

LINE_BASED = sorted(set(EXAMPLES) - {"yambda", "lcrec", "sequences"})
"""Formats whose files hold a record a line, which is not their mark."""


def test_every_format_has_an_example():
    assert list(EXAMPLES) == list(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_only_the_format_itself_finds_its_example(tmp_path, name):
    folder = open_folder(str(write_example(tmp_path, name)))
    assert [other for other, item in FORMATS.items() if item.find(folder) is not None] == [name]
    source = FORMATS[name].find(folder)
    assert source is not None
    assert set(source.files) == set(folder.names)


@pytest.mark.parametrize("name", FORMATS)
def test_the_rows_of_an_example_are_written_and_counted(tmp_path, name):
    _, _, source = recognise(open_folder(str(write_example(tmp_path / "source", name))), "auto")
    assert source is not None
    counts = write_source(source, tmp_path)

    assert counts.rows["interactions"] > 0
    assert not [entry for entry in source.interactions.read() if isinstance(entry, MalformedLine)]
    check_counts(source, counts)


def check_counts(source: Source, counts: ImportCounts) -> None:
    """Check that every record of every table was written or left out with a reason."""
    tables = {"interactions": source.interactions, "items": source.items, "users": source.users}
    for table, rows in tables.items():
        entries = list(rows.read()) if rows is not None else []
        left_out = Counter(entry.reason for entry in entries if isinstance(entry, LeftOut))
        assert counts.left_out.get(table, Counter()) == left_out
        changed = counts.items_added - counts.items_unused if table == "items" else 0
        assert counts.rows.get(table, 0) == len(entries) - left_out.total() + changed


DAMAGES = st.sampled_from(("cut", "drop", "repeat", "replace", "insert", "quote"))
TEXTS = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=20)


def damage(text: str, kind: str, place: int, other: str) -> str:
    """Return a file with one line or character changed."""
    lines = text.splitlines(keepends=True)
    index = place % len(lines)
    line = lines[index]
    middle = place % max(len(line), 1)
    changed = {
        "cut": line[:middle] + "\n",
        "drop": "",
        "repeat": line * 2,
        "replace": other + "\n",
        "insert": line + other + "\n",
        "quote": line[:middle] + '"' + line[middle:],
    }
    return "".join([*lines[:index], changed[kind], *lines[index + 1 :]])


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_damaged_line_costs_rows_or_is_an_error(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(set(EXAMPLES) - {"yambda"})))
    file = data.draw(st.sampled_from(sorted(EXAMPLES[name])))
    kind, place, other = data.draw(DAMAGES), data.draw(st.integers(0, 500)), data.draw(TEXTS)
    with tempfile.TemporaryDirectory() as temporary:
        folder = write_example(Path(temporary) / "source", name)
        (folder / file).write_text(damage(EXAMPLES[name][file], kind, place, other), encoding="utf-8")
        try:
            _, _, source = recognise(open_folder(str(folder)), name)
            assert source is not None
            counts = write_source(source, Path(temporary))
        except DataError:
            return
        check_counts(source, counts)


@pytest.mark.parametrize("name", LINE_BASED)
def test_a_line_that_is_no_record_is_malformed_wherever_it_stands(tmp_path, name):
    file = next(iter(EXAMPLES[name]))
    folder = write_example(tmp_path, name)
    lines = EXAMPLES[name][file].splitlines(keepends=True)
    for place in range(1, len(lines) + 1):
        (folder / file).write_text("".join([*lines[:place], "?\n", *lines[place:]]))
        _, _, source = recognise(open_folder(str(folder)), name)
        assert source is not None
        texts = [entry.text for entry in source.interactions.read() if isinstance(entry, MalformedLine)]
        assert texts == ["?"]
