"""Edits on disk: what was written comes back, what a crash cut off does not."""

import resource
from pathlib import Path

import pytest

from recsys_model.entities.catalog import CatalogItem
from recsys_model.entities.live_catalog import CatalogEdit
from recsys_model.errors import CheckpointError
from recsys_platform.serve.edit_log import EditLog

FIRST = CatalogEdit(removed=("a", "b\n"), added=(CatalogItem("c", "Zelt  „rot“", "Zelt „rot“", (5, 6)),))
SECOND = CatalogEdit(removed=("c",), edit_id="5e", cells=(("a", {"price": 5, "tags": ["x"]}),))


def test_edits_come_back_in_their_order(tmp_path: Path):
    log = EditLog(tmp_path / "new" / "edits.jsonl")
    assert log.read() == []
    log.append(FIRST)
    log.append(SECOND)
    assert EditLog(tmp_path / "new" / "edits.jsonl").read() == [FIRST, SECOND]


@pytest.mark.parametrize("lost_bytes", [1, 5, 20])
def test_an_edit_that_a_crash_cut_off_is_dropped_and_the_next_one_stands_in_its_place(tmp_path: Path, lost_bytes: int):
    path = tmp_path / "edits.jsonl"
    log = EditLog(path)
    log.append(FIRST)
    log.append(SECOND)
    path.write_bytes(path.read_bytes()[:-lost_bytes])
    assert log.read() == [FIRST]
    log.append(CatalogEdit(removed=("z",)))
    assert log.read() == [FIRST, CatalogEdit(removed=("z",))]


def test_an_edit_that_finds_no_room_leaves_the_log_as_it_was(tmp_path: Path):
    path = tmp_path / "edits.jsonl"
    log = EditLog(path)
    log.append(FIRST)
    before = path.read_bytes()
    huge = CatalogEdit(removed=tuple(f"item {number}" for number in range(10_000)))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # no file may grow beyond this, as on a disk that is nearly full
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 5_000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            log.append(huge)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    log.append(SECOND)
    assert log.read() == [FIRST, SECOND]


@pytest.mark.parametrize("line", ["{", "3", '{"removed": []}', '{"removed": [], "added": [["a"]]}'])
def test_a_damaged_line_is_named(tmp_path: Path, line: str):
    path = tmp_path / "edits.jsonl"
    EditLog(path).append(FIRST)
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(CheckpointError, match=r"edits\.jsonl:2 is not an edit"):
        EditLog(path).read()
