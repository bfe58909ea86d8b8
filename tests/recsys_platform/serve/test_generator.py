"""The generator replica without a cluster: it serves what its bundle artifact holds, or does not start."""

import asyncio
from pathlib import Path

import pytest

from recsys_model.bundle import Bundle, write_bundle
from recsys_model.errors import CheckpointError
from recsys_platform.artifacts import open_artifact, write_artifact
from recsys_platform.config.stages import ServeConfig
from recsys_platform.serve.app import Generator


@pytest.fixture
def folder(tmp_path: Path, shop_bundle: Bundle) -> Path:
    with write_artifact(tmp_path / "bundle", "bundle", {"name": "shop"}) as (folder, _):
        write_bundle(folder, shop_bundle.model, shop_bundle.tokenizer, shop_bundle.catalog, shop_bundle.settings)
    return tmp_path / "bundle"


def test_a_replica_describes_the_bundle_it_loaded(folder: Path):
    generator = Generator(str(folder), ServeConfig())
    health = asyncio.run(generator.describe())
    assert (health.status, health.items) == ("ok", 8)
    assert health.model.digest == open_artifact(folder, "bundle").digest


def test_a_replica_refuses_a_bundle_that_was_changed(folder: Path):
    with (folder / "bundle.json").open("a") as file:
        file.write(" ")
    with pytest.raises(CheckpointError, match="checksum"):
        Generator(str(folder), ServeConfig())
