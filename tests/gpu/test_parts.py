"""A file that travels in parts is the same file at the end, or an error says which part to bring again."""

from pathlib import Path

import pytest

from recsys_model.errors import DataError
from tests.gpu import parts


@pytest.fixture
def split(tmp_path: Path) -> list[Path]:
    (tmp_path / "model.gguf").write_bytes(b"0123456789")
    return parts.split_file(tmp_path / "model.gguf", tmp_path / "parts", part_bytes=4)


def test_parts_are_no_larger_than_asked_and_give_the_file_again(split: list[Path], tmp_path: Path) -> None:
    names = [f"model.gguf.part-{number}-of-3" for number in (1, 2, 3)]
    assert [path.name for path in split] == [*names, "model.gguf.parts.json"]
    assert [path.read_bytes() for path in split[:3]] == [b"0123", b"4567", b"89"]

    [joined] = parts.main(["join", str(tmp_path / "parts"), str(tmp_path / "joined")])

    assert joined == tmp_path / "joined" / "model.gguf"
    assert joined.read_bytes() == b"0123456789"


def test_a_part_that_did_not_arrive_is_named(split: list[Path], tmp_path: Path) -> None:
    split[1].unlink()
    split[2].write_bytes(b"8")
    with pytest.raises(DataError, match=r"part-2-of-3, model\.gguf\.part-3-of-3 must lie beside it in full"):
        parts.join_parts(split[-1], tmp_path / "joined")


def test_a_part_that_changed_on_the_way_leaves_no_file(split: list[Path], tmp_path: Path) -> None:
    split[1].write_bytes(b"4568")
    with pytest.raises(DataError, match="SHA-256"):
        parts.join_parts(split[-1], tmp_path / "joined")
    assert list((tmp_path / "joined").iterdir()) == []


def test_what_cannot_be_split_or_joined_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="it is no file"):
        parts.split_file(tmp_path / "nothing", tmp_path / "parts")
    with pytest.raises(DataError, match="holds no list of parts"):
        parts.main(["join", str(tmp_path)])
