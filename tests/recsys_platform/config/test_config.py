"""Strict loading: every mistake is reported with its path, overrides are typed, paths are absolute."""

from pathlib import Path

import pytest
import yaml

from recsys_model.errors import ConfigError
from recsys_platform.config.run import build_config, config_to_dict, load_config

MINIMAL = {"name": "x", "input": {"interactions": {"path": "a.csv"}, "items": {"path": "{storage}/b.csv"}}}


def write(folder: Path, document: object) -> Path:
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def test_every_unknown_and_missing_key_is_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        build_config({"name": "x", "lora": {"rnak": 1}, "input": {"items": {"path": "b", "colums": {}}}, "sede": 1})
    message = str(caught.value)
    for line in ("lora.rnak: unknown key", "sede: unknown key", "input.items.colums: unknown key"):
        assert line in message
    assert "input.interactions: required, but missing" in message


def test_every_value_out_of_range_is_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        build_config(MINIMAL | {"lora": {"rank": 0}, "train": {"batch_size": 0}})
    assert "lora.rank must be at least 1, got 0" in str(caught.value)
    assert "train.batch_size must be at least 1, got 0" in str(caught.value)


def test_value_of_the_wrong_type_is_reported_with_its_path() -> None:
    with pytest.raises(ConfigError, match=r"optimizer\.learning_rate: .*got 'fast'"):
        build_config(MINIMAL | {"optimizer": {"learning_rate": "fast"}})


def test_overrides_reach_nested_keys_and_keep_their_types(tmp_path: Path) -> None:
    path = write(tmp_path, MINIMAL)
    config = load_config(
        path, ["lora.rank=16", "optimizer.learning_rate=2e-4", "tune.ranks=[2, 8]", "input.users=null"]
    )
    assert (config.lora.rank, config.optimizer.learning_rate, config.tune.ranks) == (16, 2e-4, (2, 8))
    assert config.input.users is None


@pytest.mark.parametrize(
    ("override", "message"),
    [("lora.rank", "must be key.path=value"), ("name.first=1", "name is a value"), ("lora.rank=[", "not YAML")],
)
def test_bad_override_is_explained(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(write(tmp_path, MINIMAL), [override])


def test_unknown_override_is_an_unknown_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"lora\.rnk: unknown key"):
        load_config(write(tmp_path, MINIMAL), ["lora.rnk=1"])


def test_paths_become_absolute_and_storage_is_filled_in(tmp_path: Path) -> None:
    config = build_config(MINIMAL | {"storage": str(tmp_path)})
    assert config.input.items.path == f"{tmp_path}/b.csv"
    assert Path(config.input.interactions.path).is_absolute()
    assert config.dataset_folder == tmp_path / "x" / "dataset"


def test_object_storage_paths_of_tables_stay_as_they_are() -> None:
    document = {"name": "x", "input": {"interactions": {"path": "s3://b/a.csv"}, "items": {"path": "gs://b/i.csv"}}}
    config = build_config(document)
    assert (config.input.interactions.path, config.input.items.path) == ("s3://b/a.csv", "gs://b/i.csv")


def test_storage_in_object_storage_is_refused() -> None:
    with pytest.raises(ConfigError, match="only input tables may lie in object storage"):
        build_config(MINIMAL | {"storage": "s3://bucket"})


def test_relative_storage_is_refused_inside_a_ray_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    with pytest.raises(ConfigError, match="temporary copy"):
        build_config(MINIMAL | {"storage": "runs"})


def test_run_name_that_is_no_folder_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="name must consist of"):
        build_config(MINIMAL | {"name": "../x"})


def test_missing_file_and_broken_yaml_are_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load_config(tmp_path / "none.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [")
    with pytest.raises(ConfigError, match="cannot be read as YAML"):
        load_config(broken)


def test_config_survives_the_way_through_a_manifest() -> None:
    config = build_config(MINIMAL | {"lora": {"rank": 4}})
    assert build_config(config_to_dict(config)) == config
