"""A run whose weights were trained with an entity head goes on with that head."""

import dataclasses
from pathlib import Path

import pytest
import torch

from recsys_model.backbones.checkpoint import write_model
from recsys_model.backbones.glm import GLM
from recsys_model.entities.catalog import Catalog, CatalogItem
from recsys_model.entity_config import EntityConfig
from recsys_model.entity_head.head import EntityHead
from recsys_model.entity_head.storage import ITEMS_FILE, write_head, write_item_ids
from recsys_model.errors import CheckpointError, ConfigError
from recsys_platform.artifacts import open_artifact, write_artifact
from recsys_platform.checkpoints import ENTITIES_FOLDER, WEIGHTS_FOLDER, trained_objective
from recsys_platform.config.run import RunConfig, config_to_dict
from recsys_platform.train.entities import build_head, check_head
from tests.recsys_platform.tiny_dataset import tiny_config

IDS = ["tent", "stove", "lamp"]


def catalog_of(*item_ids: str) -> Catalog:
    items = [CatalogItem(each, each, each, (20 + len(each),)) for each in item_ids]
    return Catalog(items, {})


def write_checkpoint(config: RunConfig, model: GLM, entity: EntityConfig | None) -> EntityHead | None:
    """Write a checkpoint whose head has residuals 1, 2, 3 and biases 10, 20, 30 for its items."""
    head = None if entity is None else EntityHead(16, [(20 + len(each),) for each in IDS], entity)
    with write_artifact(config.checkpoint_folder, "checkpoint", config_to_dict(config)) as (folder, _):
        write_model(folder / WEIGHTS_FOLDER, model)
        if head is not None:
            with torch.no_grad():
                head.residuals += torch.tensor([1.0, 2.0, 3.0])[:, None]
                head.biases += torch.tensor([10.0, 20.0, 30.0])
                head.projection.normal_()
                head.input_projection.normal_()
                head.word_scale.fill_(7.0)
            write_head(folder / ENTITIES_FOLDER, head)
            write_item_ids(folder / ENTITIES_FOLDER, IDS)
    return head


@pytest.fixture
def model(tmp_path: Path) -> GLM:
    return GLM(tiny_config(tmp_path).model.geometry(64))


def going_on(storage: Path, **sections) -> RunConfig:
    base = tiny_config(storage)
    return tiny_config(storage, name="next", model={"weights": str(base.checkpoint_folder)}, **sections)


def test_items_keep_their_rows_wherever_they_stand_and_new_ones_begin_with_none(tmp_path, model):
    trained = write_checkpoint(tiny_config(tmp_path), model, EntityConfig(enabled=True))
    config = going_on(tmp_path, entity={"enabled": True, "negatives": 5})
    check_head(config)

    head = build_head(config, model, catalog_of("lamp", "canoe", "tent"))

    assert head.residuals[:, 0].tolist() == [3.0, 0.0, 1.0]
    assert head.biases.tolist() == [30.0, 0.0, 10.0]
    assert torch.equal(head.projection, trained.projection)
    assert torch.equal(head.input_projection, trained.input_projection)
    assert head.word_scale == 7.0
    assert all(parameter.requires_grad for parameter in head.parameters())


def test_a_checkpoint_without_a_head_gets_a_new_one_that_changes_nothing(tmp_path, model):
    write_checkpoint(tiny_config(tmp_path), model, None)
    config = going_on(tmp_path, entity={"enabled": True})
    check_head(config)

    head = build_head(config, model, catalog_of(*IDS))

    assert not head.residuals.any()
    assert not head.input_projection.any()


@pytest.mark.parametrize(
    ("entity", "message"),
    [
        ({}, r"was trained with an entity head; set entity\.enabled to true, or point model\.weights at the weights/"),
        (
            {"enabled": True, "fields": ["title"]},
            r"entity\.fields \('title', 'brand', 'categories'\), not \('title',\)",
        ),
        ({"enabled": True, "inputs": False}, r"entity\.inputs True, not False; set them so"),
    ],
)
def test_a_head_is_not_left_out_or_changed_in_silence(tmp_path, model, entity, message):
    write_checkpoint(tiny_config(tmp_path), model, EntityConfig(enabled=True))
    with pytest.raises(ConfigError, match=message):
        check_head(going_on(tmp_path, entity=entity))


def test_the_weights_folder_alone_leaves_the_head_out(tmp_path, model):
    write_checkpoint(tiny_config(tmp_path), model, EntityConfig(enabled=True))
    config = going_on(tmp_path)
    weights = str(Path(str(config.model.weights)) / WEIGHTS_FOLDER)
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, weights=weights))
    check_head(config)
    assert build_head(config, model, catalog_of(*IDS)) is None


@pytest.mark.parametrize(
    ("content", "message"), [(None, "train the head again"), ("{}", "must hold a list of item ids")]
)
def test_a_head_that_does_not_say_whose_rows_it_has_is_refused(tmp_path, model, content, message):
    write_checkpoint(tiny_config(tmp_path), model, EntityConfig(enabled=True))
    path = tiny_config(tmp_path).checkpoint_folder / ENTITIES_FOLDER / ITEMS_FILE
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(CheckpointError, match=message):
        build_head(going_on(tmp_path, entity={"enabled": True}), model, catalog_of(*IDS))


def test_tables_of_another_size_are_refused(tmp_path, model):
    write_checkpoint(tiny_config(tmp_path), model, EntityConfig(enabled=True))
    write_item_ids(tiny_config(tmp_path).checkpoint_folder / ENTITIES_FOLDER, [*IDS, "canoe"])
    with pytest.raises(CheckpointError, match=r"must have residuals of shape \(4, 16\), got \(3, 16\)"):
        build_head(going_on(tmp_path, entity={"enabled": True}), model, catalog_of(*IDS))


def test_a_checkpoint_of_another_layout_of_all_items_is_refused(tmp_path):
    config = config_to_dict(tiny_config(tmp_path, objective={"next_item_target": "all"}))
    with write_artifact(tmp_path / "checkpoint", "checkpoint", config):
        pass
    manifest = open_artifact(tmp_path / "checkpoint", "checkpoint")
    assert trained_objective(manifest).history_layout == "tokens"
    del manifest.config["objective"]["history"]
    with pytest.raises(CheckpointError, match="another layout of the history; train it again"):
        trained_objective(manifest)
