"""What is served comes back from disk as it was written, or is refused."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from recsys_model.bundle import Bundle, BundleSettings, load_bundle, load_settings, write_bundle
from recsys_model.config import DecodingConfig, TextConfig, WindowConfig
from recsys_model.errors import CheckpointError
from recsys_model.text.tokenizer import train_tokenizer


@pytest.fixture
def folder(tmp_path: Path, shop_bundle: Bundle) -> Path:
    write(tmp_path / "bundle", shop_bundle)
    return tmp_path / "bundle"


def write(folder: Path, bundle: Bundle, settings: BundleSettings | None = None) -> None:
    write_bundle(folder, bundle.model, bundle.tokenizer, bundle.catalog, settings or bundle.settings)


def edit_settings(folder: Path, **changes: object) -> None:
    path = folder / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_bundle_comes_back_with_equal_weights_tokens_catalogue_and_settings(folder: Path, shop_bundle: Bundle):
    loaded = load_bundle(folder)
    state = loaded.model.state_dict()
    for name, tensor in shop_bundle.model.state_dict().items():
        assert torch.equal(state[name], tensor), name
    assert loaded.tokenizer.encode_text("Red Tent, 25") == shop_bundle.tokenizer.encode_text("Red Tent, 25")
    assert loaded.tokenizer.special == shop_bundle.tokenizer.special
    assert loaded.catalog.items == shop_bundle.catalog.items
    assert loaded.catalog.attributes == shop_bundle.catalog.attributes
    assert loaded.settings == shop_bundle.settings


def test_a_loaded_model_has_its_dropout_switched_off(folder: Path):
    assert not load_bundle(folder).model.training


def test_a_bundle_holds_safetensors_and_json_only(folder: Path):
    endings = {path.suffix for path in folder.rglob("*") if path.is_file()}
    assert endings == {".safetensors", ".json", ".jsonl"}


def test_weights_can_be_loaded_in_another_type(folder: Path):
    assert load_bundle(folder, dtype=torch.float64).model.word_embeddings.weight.dtype == torch.float64


def test_tuples_in_the_settings_survive_json(tmp_path: Path, shop_bundle: Bundle):
    text = TextConfig(max_tokens=64, behaviour_fields=("action", "rating"))
    settings = dataclasses.replace(shop_bundle.settings, text=text, window=WindowConfig(short_days=3.5))
    write(tmp_path, shop_bundle, settings)
    assert load_settings(tmp_path) == settings


def test_an_unknown_setting_is_refused_by_name(folder: Path):
    edit_settings(folder, temperature=0.7)
    with pytest.raises(CheckpointError, match="unknown: temperature; missing: none"):
        load_bundle(folder)


def test_an_unknown_setting_in_a_section_is_refused_with_its_section(folder: Path):
    edit_settings(folder, decoding={"num_beams": 10, "scoring": "trie", "depth": 2})
    with pytest.raises(CheckpointError, match=r"decoding must have the keys .* unknown: depth"):
        load_bundle(folder)


def test_a_bundle_from_before_there_were_languages_is_english(folder: Path):
    edit_settings(folder, text={"max_tokens": 64, "behaviour_fields": []})
    assert load_settings(folder).text == TextConfig(max_tokens=64, language="en")


def test_a_missing_setting_is_refused_by_name(folder: Path):
    settings = dataclasses.asdict(DecodingConfig())
    del settings["scoring"]
    edit_settings(folder, decoding=settings)
    with pytest.raises(CheckpointError, match="missing: scoring"):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"intra_mode": "other"}, "intra_mode must be one of"),
        ({"decoding": dataclasses.asdict(DecodingConfig()) | {"num_beams": 0}}, "num_beams must be at least 1, got 0"),
        ({"decoding": dataclasses.asdict(DecodingConfig()) | {"num_beams": "8"}}, "not valid"),
        ({"decoding": 3}, "decoding must have the keys"),
    ],
)
def test_a_setting_out_of_range_is_refused(folder: Path, changes: dict, rule: str):
    edit_settings(folder, **changes)
    with pytest.raises(CheckpointError, match=rule):
        load_bundle(folder)


@pytest.mark.parametrize(
    "name", ["bundle.json", "catalog.jsonl", "weights/model.safetensors", "tokenizer/tokenizer.json"]
)
def test_a_missing_part_is_a_checkpoint_error(folder: Path, name: str):
    (folder / name).unlink()
    with pytest.raises(CheckpointError):
        load_bundle(folder)


def test_a_model_with_too_few_rows_for_the_tokenizer_is_not_bundled(tmp_path: Path, shop_bundle: Bundle):
    larger = train_tokenizer([f"word{number}" for number in range(500)], vocab_size=600)
    with pytest.raises(CheckpointError, match="trained with another tokenizer"):
        write_bundle(tmp_path, shop_bundle.model, larger, shop_bundle.catalog, shop_bundle.settings)


def test_a_text_longer_than_the_position_table_is_not_bundled(tmp_path: Path, shop_bundle: Bundle):
    settings = dataclasses.replace(shop_bundle.settings, text=TextConfig(max_tokens=129))
    with pytest.raises(CheckpointError, match="max_tokens must be at most the model's max_sequence_length 128"):
        write(tmp_path, shop_bundle, settings)
