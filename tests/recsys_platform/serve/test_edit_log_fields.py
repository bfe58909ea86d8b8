"""The edit log keeps the tokens that make an item's vector, and reads lines that were written before there were any."""

import json
from pathlib import Path

import pytest

from recsys_model.entities.catalog import CatalogItem
from recsys_model.entities.live_catalog import CatalogEdit
from recsys_model.errors import CheckpointError
from recsys_platform.serve.edit_log import EditLog

WITH = CatalogItem("c", "Zelt", "Zelt", (5, 6), (7, 8, 8))
WITHOUT = CatalogItem("d", "Hut", "Hut", (9,))
OLD_LINE = '{"id": "5e", "removed": ["a"], "added": [["c", "Zelt", "Zelt", [5, 6]]]}\n'


def tokens(edits: list[CatalogEdit]) -> list[list[tuple[int, ...]]]:
    return [[item.field_token_ids for item in edit.added] for edit in edits]


def test_tokens_of_the_fields_come_back(tmp_path: Path) -> None:
    edit = CatalogEdit(removed=("a",), added=(WITH, WITHOUT), edit_id="1")
    EditLog(tmp_path / "edits.jsonl").append(edit)
    edits = EditLog(tmp_path / "edits.jsonl").read()
    assert edits == [edit]
    assert tokens(edits) == [[(7, 8, 8), ()]]


def test_a_line_has_the_tokens_behind_those_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "edits.jsonl"
    EditLog(path).append(CatalogEdit(added=(WITH, WITHOUT), edit_id="1"))
    assert json.loads(path.read_text()) == {
        "id": "1",
        "removed": [],
        "added": [["c", "Zelt", "Zelt", [5, 6], [7, 8, 8]], ["d", "Hut", "Hut", [9], []]],
    }


def test_a_line_of_before_is_read_and_the_log_goes_on_behind_it(tmp_path: Path) -> None:
    path = tmp_path / "edits.jsonl"
    path.write_text(OLD_LINE)
    log = EditLog(path)
    old = CatalogEdit(removed=("a",), added=(CatalogItem("c", "Zelt", "Zelt", (5, 6)),), edit_id="5e")
    assert log.read() == [old]
    assert tokens(log.read()) == [[()]]
    log.append(CatalogEdit(added=(WITH,), removed=("c",)))
    assert tokens(log.read()) == [[()], [(7, 8, 8)]]
    assert path.read_text().startswith(OLD_LINE), "what was written stays as it is"


def test_items_of_both_layouts_may_stand_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "edits.jsonl"
    path.write_text('{"removed": [], "added": [["c", "C", "C", [5], [1, 2]], ["d", "D", "D", [6]]]}\n')
    assert tokens(EditLog(path).read()) == [[(1, 2), ()]]


@pytest.mark.parametrize("more", ["[7], [8]", "7", "null"])
def test_a_line_with_anything_else_behind_the_tokens_is_named(tmp_path: Path, more: str) -> None:
    path = tmp_path / "edits.jsonl"
    path.write_text(OLD_LINE + f'{{"removed": [], "added": [["c", "C", "C", [5], {more}]]}}\n')
    with pytest.raises(CheckpointError, match=r"edits\.jsonl:2 is not an edit of a catalogue: .* restore the file"):
        EditLog(path).read()
