"""Files of JSON lines after a crash in the middle of a line, and after a disk that is full."""

import os
from pathlib import Path

import pytest

from recsys_platform.json_lines import (
    append_json_line,
    drop_unfinished_line,
    read_json_lines,
    read_latest_json_lines,
    read_whole_lines,
)


def test_what_was_appended_is_read_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "new" / "log.jsonl"
    for value in ({"step": 1, "title": "茶杯\u2028"}, {"step": 2}):
        append_json_line(path, value)
    assert read_json_lines(path) == [{"step": 1, "title": "茶杯\u2028"}, {"step": 2}]
    assert len(read_whole_lines(path)) == 2


def test_a_missing_file_has_no_lines(tmp_path: Path) -> None:
    path = tmp_path / "missing.jsonl"
    assert (read_json_lines(path), read_whole_lines(path), drop_unfinished_line(path)) == ([], [], 0)
    assert not path.exists()


@pytest.mark.parametrize(
    ("max_bytes", "latest"),
    [(1, []), (14, [{"a": 3}]), (20, [{"a": 3}]), (25, [{"a": 2}, {"a": 3}]), (99, [{"a": 1}, {"a": 2}, {"a": 3}])],
)
def test_the_latest_lines_are_those_that_lie_wholly_at_the_end(tmp_path: Path, max_bytes: int, latest: list) -> None:
    path = tmp_path / "log.jsonl"
    assert read_latest_json_lines(path, max_bytes) == []
    path.write_bytes(b'{"a": 1}\n{"a": 2}\n{"a": 3}\n{"a"')
    assert read_latest_json_lines(path, max_bytes) == latest


@pytest.mark.parametrize(
    ("content", "lines", "dropped"), [(b'{"a": 1}\n{"a"', 1, 4), (b'{"a": 1', 0, 7), (b"{}\n", 1, 0)]
)
def test_a_line_without_an_end_is_left_out_and_can_be_cut_off(
    tmp_path: Path, content: bytes, lines: int, dropped: int
) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(content)
    assert len(read_json_lines(path)) == lines
    assert path.read_bytes() == content, "reading changes nothing"
    assert drop_unfinished_line(path) == dropped
    assert path.read_bytes() == content[: len(content) - dropped]
    append_json_line(path, {"b": 2})
    assert read_json_lines(path)[lines:] == [{"b": 2}]


def test_a_line_that_cannot_be_kept_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.jsonl"
    append_json_line(path, {"a": 1})

    def fail(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        append_json_line(path, {"a": 2})
    monkeypatch.undo()
    assert read_json_lines(path) == [{"a": 1}]
    append_json_line(path, {"a": 3})
    assert read_json_lines(path) == [{"a": 1}, {"a": 3}]
