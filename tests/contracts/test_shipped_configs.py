"""Every YAML that is shipped loads, and those of the paper hold the paper's setting."""

from pathlib import Path

import pytest

from recsys_platform.config import config_to_dict, load_config

CONFIGS = Path(__file__).resolve().parents[2] / "ray_configs"
ALL = sorted(path.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob("*.yaml"))


@pytest.mark.parametrize("name", ALL)
def test_shipped_config_loads(name: str) -> None:
    config = load_config(CONFIGS / name)
    assert config_to_dict(config)["name"] == config.name


def test_there_are_configs_for_the_laptop_and_for_the_cluster() -> None:
    assert {name.split("/")[0] for name in ALL} == {"laptop", "a100"}


def test_a100_config_is_the_papers_setting() -> None:
    config = load_config(CONFIGS / "a100/glm-10b.yaml")
    train, lora = config.train, config.lora
    assert (config.model.preset, config.text.max_tokens) == ("glm-10b", 1024)
    assert (train.num_workers, train.batch_size, train.epochs) == (4, 32, 8)
    assert (train.use_gpu, train.zero_stage, train.precision) == (True, 2, "bf16")
    assert (lora.enabled, lora.rank, config.optimizer.learning_rate) == (True, 8, 1e-5)
    assert (config.window.long_share, config.window.medium_share, config.window.short_share) == (0.1, 0.3, 0.6)


def test_rank_search_of_the_paper() -> None:
    assert load_config(CONFIGS / "a100/glm-10b-tune.yaml").tune.ranks == (2, 4, 8, 16, 32)


def test_every_config_is_described_with_its_command() -> None:
    text = (CONFIGS / "README.md").read_text(encoding="utf-8")
    assert [name for name in ALL if name not in text] == []
