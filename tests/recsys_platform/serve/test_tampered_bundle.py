"""A bundle that was changed in any byte, or that has a file more or less, is not served."""

import random
from pathlib import Path

import pytest

from recsys_model.bundle import Bundle, write_bundle
from recsys_model.errors import CheckpointError
from recsys_platform.artifacts import MANIFEST_NAME, open_artifact, write_artifact

NUM_BYTES = 40
"""Bytes that are changed in each file, besides the first and the last."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, shop_bundle: Bundle) -> Path:
    folder = tmp_path_factory.mktemp("run") / "bundle"
    with write_artifact(folder, "bundle", {"name": "shop"}) as (partial, _):
        write_bundle(partial, shop_bundle.model, shop_bundle.tokenizer, shop_bundle.catalog, shop_bundle.settings)
    return folder


def files_of(folder: Path) -> list[Path]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MANIFEST_NAME]
    assert len(files) > 3
    return files


def test_a_changed_byte_of_any_file_is_noticed(folder: Path):
    rng = random.Random(7)
    for path in files_of(folder):
        content = path.read_bytes()
        places = {0, len(content) - 1, *(rng.randrange(len(content)) for _ in range(NUM_BYTES))}
        for place in places:
            changed = bytearray(content)
            changed[place] ^= 1 << rng.randrange(8)
            path.write_bytes(changed)
            with pytest.raises(CheckpointError, match=rf"{path.name} was changed"):
                open_artifact(folder, "bundle")
        path.write_bytes(content)
    open_artifact(folder, "bundle")


def test_a_checksum_that_is_changed_in_the_manifest_is_noticed(folder: Path):
    path = folder / MANIFEST_NAME
    text = path.read_text()
    for entry in open_artifact(folder, "bundle").files.values():
        digest = entry["sha256"]
        path.write_text(text.replace(digest, digest[1:] + digest[0]))
        with pytest.raises(CheckpointError, match="was changed"):
            open_artifact(folder, "bundle")
    path.write_text(text)
    open_artifact(folder, "bundle")


@pytest.mark.parametrize("name", ["entities/config.json", "adapter/adapter_config.json", "sitecustomize.py"])
def test_a_file_that_the_manifest_does_not_list_is_noticed(folder: Path, name: str):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("{}")
    with pytest.raises(CheckpointError, match=rf"{name}, which its manifest does not list.*recsys bundle --overwrite"):
        open_artifact(folder, "bundle")
    path.unlink()
    open_artifact(folder, "bundle")


def test_every_file_of_a_bundle_is_json_text_or_safetensors_none_is_a_pickle(folder: Path):
    assert {path.suffix for path in files_of(folder)} <= {".json", ".jsonl", ".safetensors", ".txt", ".model"}
    assert not [
        path.name
        for path in files_of(folder)
        if path.read_bytes()[:2] in (b"\x80\x02", b"\x80\x04", b"\x80\x05", b"PK")
    ]
