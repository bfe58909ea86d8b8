"""Every YAML that is shipped loads, and those of the paper hold the paper's setting."""

from pathlib import Path

import pytest

from recsys_platform.config.run import config_to_dict, load_config

CONFIGS = Path(__file__).resolve().parents[2] / "ray_configs"
ALL = sorted(path.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob("*.yaml"))


@pytest.mark.parametrize("name", ALL)
def test_shipped_config_loads(name: str) -> None:
    config = load_config(CONFIGS / name)
    assert config_to_dict(config)["name"] == config.name


def test_there_are_configs_for_the_laptop_and_for_the_cluster() -> None:
    assert {name.split("/")[0] for name in ALL} == {"laptop", "a100"}


def test_every_config_is_described_with_its_command() -> None:
    text = (CONFIGS / "README.md").read_text(encoding="utf-8")
    assert [name for name in ALL if name not in text] == []
