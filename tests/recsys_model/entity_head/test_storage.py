"""An entity head on disk: what was written comes back, everything else is refused with a way out."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from recsys_model.entities.catalog import CatalogItem
from recsys_model.entity_config import BlendWeights, EntityConfig
from recsys_model.entity_head.co_occurrence import CoOccurrenceCounts, count_co_occurrences, load_counts
from recsys_model.entity_head.head import EntityHead
from recsys_model.entity_head.scorer import EntityScorer, build_scorer, load_scorer, write_scorer
from recsys_model.entity_head.storage import load_blend, load_head, load_head_config, write_blend, write_head
from recsys_model.errors import CheckpointError
from tests.recsys_model.backbones.tiny_backbones import tiny_backbone

WIDTH = 16
ITEMS = [CatalogItem("a", "A", "A", (1, 2), (3, 4)), CatalogItem("b", "B", "B", (5,)), CatalogItem("c", "C", "C", (6,))]
TOKENS = [(3, 4), (5,), (6,)]
BLEND = BlendWeights(token=0.1, entity=1.0, co_occurrence=0.05)


def trained_head(**settings: object) -> EntityHead:
    head = EntityHead(WIDTH, TOKENS, EntityConfig(enabled=True, **settings))  # type: ignore[arg-type]
    head.word_scale.fill_(0.75)
    generator = torch.Generator().manual_seed(2)
    for parameter in head.parameters():
        parameter.data.normal_(std=0.5, generator=generator)
    return head


def same_counts(one: CoOccurrenceCounts | None, other: CoOccurrenceCounts | None) -> bool:
    assert one is not None
    assert other is not None
    names = [field.name for field in dataclasses.fields(CoOccurrenceCounts)]
    pairs = [(getattr(one, name), getattr(other, name)) for name in names]
    return all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"fields": ("title", "description"), "negatives": 7, "temperature": 2.5},
        {"words": False},
        {"residuals": False, "inputs": False},
    ],
)
def test_settings_and_tables_come_back_frozen(tmp_path: Path, settings: dict) -> None:
    head = trained_head(**settings)
    write_head(tmp_path / "new" / "entities", head)
    loaded = load_head(tmp_path / "new" / "entities", WIDTH, TOKENS)
    assert loaded.config == head.config == load_head_config(tmp_path / "new" / "entities")
    assert loaded.temperature == head.temperature
    assert loaded.state_dict().keys() == head.state_dict().keys()
    for name, tensor in head.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


@pytest.mark.parametrize("dtype", [None, torch.float32, torch.bfloat16])
def test_tables_may_be_written_in_another_type_and_load_in_single_precision(
    tmp_path: Path, dtype: torch.dtype | None
) -> None:
    head = trained_head().bfloat16()
    write_head(tmp_path, head, dtype)
    stored = load_file(tmp_path / "head.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {dtype or torch.bfloat16}
    loaded = load_head(tmp_path, WIDTH, TOKENS)
    assert torch.equal(loaded.biases, head.biases.float())


def test_a_scorer_comes_back_with_blend_and_counts(tmp_path: Path) -> None:
    model = tiny_backbone("glm")
    counts = count_co_occurrences([[0, 2, 1], [2, 1]], num_items=3)
    scorer = build_scorer(trained_head(), model, ITEMS, BLEND, counts)
    write_scorer(tmp_path, scorer)
    newcomer = CatalogItem("d", "D", "D", (7,))
    loaded = load_scorer(tmp_path, model, [*ITEMS, newcomer])
    assert isinstance(loaded, EntityScorer)
    assert loaded.blend == BLEND
    assert same_counts(loaded.counts, counts)
    assert torch.equal(loaded.vectors.vectors[:3], scorer.vectors.vectors)
    assert loaded.vectors.vectors.shape == (4, WIDTH)
    torch.testing.assert_close(loaded.vectors.vectors, scorer.of_items(model, [*ITEMS, newcomer]).vectors.vectors)


def test_a_scorer_without_blend_comes_back_without_and_no_folder_is_no_scorer(tmp_path: Path) -> None:
    model = tiny_backbone("glm")
    write_scorer(tmp_path / "entities", build_scorer(trained_head(), model, ITEMS))
    loaded = load_scorer(tmp_path / "entities", model, ITEMS)
    assert loaded is not None
    assert (loaded.blend, loaded.counts) == (None, None)
    assert load_blend(tmp_path / "entities") == (None, None)
    assert load_scorer(tmp_path / "elsewhere", model, ITEMS) is None


def rewritten(name: str, change: Callable[[dict], dict]) -> Callable[[Path], object]:
    """A change to a JSON file of a folder."""

    def damage(folder: Path) -> object:
        path = folder / name
        return path.write_text(json.dumps(change(json.loads(path.read_text()))))

    return damage


def retabled(**changed: torch.Tensor | None) -> Callable[[Path], object]:
    """A change to the tables of a folder; None takes one out."""

    def damage(folder: Path) -> object:
        tables = {**load_file(folder / "head.safetensors"), **changed}
        return save_file({name: t for name, t in tables.items() if t is not None}, folder / "head.safetensors")

    return damage


def cut(name: str, size: int) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:size])


def removed(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def test_a_head_of_an_earlier_version_has_the_settings_that_it_behaves_by(tmp_path: Path) -> None:
    write_head(tmp_path, trained_head())
    rewritten("head.json", lambda d: {k: v for k, v in d.items() if k != "earlier_inputs"})(tmp_path)
    assert load_head_config(tmp_path).earlier_inputs is False


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (removed("head.json"), r"head\.json does not hold the settings of an entity head"),
        (cut("head.json", 20), r"head\.json does not hold the settings of an entity head"),
        (rewritten("head.json", lambda d: {**d, "depth": 2}), r"unknown: depth; missing: none"),
        (rewritten("head.json", lambda d: {k: v for k, v in d.items() if k != "words"}), r"missing: words"),
        (rewritten("head.json", lambda d: {**d, "negatives": -3}), r"must not be negative, got -3"),
        (rewritten("head.json", lambda d: {**d, "negatives": "many"}), r"head\.json does not hold the settings"),
        (rewritten("head.json", lambda d: [d]), r"head\.json does not hold the settings"),  # type: ignore[arg-type]
        (rewritten("head.json", lambda d: {**d, "words": False}), r"must have the tables .*train again"),
        (removed("head.safetensors"), r"holds no entity head: head\.safetensors cannot be read"),
        (cut("head.safetensors", 200), r"holds no entity head: head\.safetensors cannot be read"),
        (cut("head.safetensors", 0), r"holds no entity head: head\.safetensors cannot be read"),
        (retabled(biases=None), r"must have the tables .*train again"),
        (retabled(residuals=torch.zeros(3, 8)), r"must have the tables .*\(3, 8\).*train again"),
        (retabled(more=torch.zeros(1)), r"must have the tables .*'more'.*train again"),
        (removed("co_occurrence.safetensors"), r"holds no co-occurrence counts: .*; train again"),
        (cut("co_occurrence.safetensors", 100), r"holds no co-occurrence counts: .*; train again"),
        (cut("blend.json", 9), r"blend\.json does not hold the weights of a blended score"),
        (rewritten("blend.json", lambda d: {**d, "words": 1.0}), r"unknown: words"),
        (rewritten("blend.json", lambda d: {**d, "token": -1.0}), r"must be 0 or more, not all 0"),
        (rewritten("blend.json", lambda d: dict.fromkeys(d, 0.0)), r"must be 0 or more, not all 0"),
        (rewritten("blend.json", lambda d: {**d, "token": None}), r"blend\.json does not hold the weights"),
    ],
)
def test_damaged_and_missing_files_are_checkpoint_errors(
    tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    model = tiny_backbone("glm")
    write_scorer(tmp_path, build_scorer(trained_head(), model, ITEMS, BLEND, count_co_occurrences([[0, 1]], 3)))
    assert load_scorer(tmp_path, model, ITEMS) is not None
    damage(tmp_path)
    with pytest.raises(CheckpointError, match=message):
        load_scorer(tmp_path, model, ITEMS)


def test_a_head_of_another_catalogue_or_model_is_refused(tmp_path: Path) -> None:
    write_head(tmp_path, trained_head())
    with pytest.raises(CheckpointError, match="has 3 items, the catalogue only 2; it was trained with another dataset"):
        load_head(tmp_path, WIDTH, TOKENS[:2])
    with pytest.raises(CheckpointError, match=r"must have the tables .*train again"):
        load_head(tmp_path, 8, TOKENS)
    with pytest.raises(CheckpointError, match="item 1 has no tokens, so it has no vector; give it a title"):
        load_head(tmp_path, WIDTH, [(3, 4), (), (6,)])


def test_counts_come_back_whole(tmp_path: Path) -> None:
    counts = count_co_occurrences([[0, 2, 1, 2], [2, 2]], num_items=4)
    write_blend(tmp_path, BLEND, counts)
    weights, loaded = load_blend(tmp_path)
    assert weights == BLEND
    assert same_counts(loaded, counts)
    nothing = count_co_occurrences([], num_items=2)
    nothing.write(tmp_path / "empty.safetensors")
    assert same_counts(load_counts(tmp_path / "empty.safetensors"), nothing)
