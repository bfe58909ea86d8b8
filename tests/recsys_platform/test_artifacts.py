"""Artifacts are complete or absent, and a changed byte is noticed."""

import json
from pathlib import Path

import pytest

from recsys_model.errors import CheckpointError
from recsys_platform.artifacts import check_parent, open_artifact, write_artifact


def write(folder: Path, text: str = "hello", **settings: bool) -> None:
    with write_artifact(folder, "dataset", {"seed": 1}, {"checkpoint": "abc"}, **settings) as (partial, counts):
        (partial / "deep").mkdir()
        (partial / "deep" / "file.txt").write_text(text)
        counts["users"] = 3


def test_written_artifact_opens_with_its_counts_and_checksums(tmp_path: Path) -> None:
    write(tmp_path / "a")
    manifest = open_artifact(tmp_path / "a", "dataset")
    assert (manifest.counts, manifest.config, manifest.parents) == ({"users": 3}, {"seed": 1}, {"checkpoint": "abc"})
    assert list(manifest.files) == ["deep/file.txt"]
    assert manifest.files["deep/file.txt"]["size_bytes"] == 5
    assert {"ray", "torch"} <= set(manifest.versions)


def write_half(folder: Path) -> None:
    with write_artifact(folder, "dataset", {}) as (partial, _):
        (partial / "half").write_text("x")
        raise RuntimeError("boom")


def test_failure_while_writing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="boom"):
        write_half(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_failure_while_overwriting_keeps_the_old_one(tmp_path: Path) -> None:
    write(tmp_path / "a")
    with pytest.raises(RuntimeError), write_artifact(tmp_path / "a", "dataset", {}, overwrite=True):
        raise RuntimeError
    assert open_artifact(tmp_path / "a", "dataset").counts == {"users": 3}


def test_existing_artifact_is_replaced_only_when_asked(tmp_path: Path) -> None:
    write(tmp_path / "a")
    with pytest.raises(CheckpointError, match="exists already; pass --overwrite"):
        write(tmp_path / "a", "other")
    write(tmp_path / "a", "other", overwrite=True)
    assert (tmp_path / "a/deep/file.txt").read_text() == "other"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_changed_byte_is_noticed(tmp_path: Path) -> None:
    write(tmp_path / "a")
    (tmp_path / "a/deep/file.txt").write_text("hellO")
    with pytest.raises(CheckpointError, match=r"deep/file\.txt was changed"):
        open_artifact(tmp_path / "a", "dataset")


def test_missing_file_is_noticed(tmp_path: Path) -> None:
    write(tmp_path / "a")
    (tmp_path / "a/deep/file.txt").unlink()
    with pytest.raises(CheckpointError, match=r"deep/file\.txt is missing"):
        open_artifact(tmp_path / "a", "dataset")


def test_artifact_of_another_kind_or_schema_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a")
    with pytest.raises(CheckpointError, match="is a dataset artifact, a bundle is needed"):
        open_artifact(tmp_path / "a", "bundle")
    path = tmp_path / "a/manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 99}))
    with pytest.raises(CheckpointError, match="schema version 99"):
        open_artifact(tmp_path / "a", "dataset")


def test_folder_without_manifest_is_no_artifact(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="Run the dataset stage first"):
        open_artifact(tmp_path, "dataset")


def test_artifact_made_from_another_parent_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "one", "1")
    write(tmp_path / "two", "2")
    one, two = (open_artifact(tmp_path / name, "dataset") for name in ("one", "two"))
    with write_artifact(tmp_path / "child", "checkpoint", {}, {"dataset": one.digest}) as (_, counts):
        counts["x"] = 1
    child = open_artifact(tmp_path / "child", "checkpoint")
    check_parent(child, one)
    with pytest.raises(CheckpointError, match="was made from another dataset"):
        check_parent(child, two)
