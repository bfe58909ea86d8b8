"""What the Chinese page shows is true: its commands parse, its settings load, its example text is the one that is written."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from recsys_model.config import TextConfig
from recsys_model.entities.catalog import build_catalog
from recsys_model.text.explanations import RULES
from recsys_model.text.language import LANGUAGES
from recsys_model.text.textualize import Behaviour, Textualizer
from recsys_model.text.tokenizer import train_tokenizer
from recsys_platform.cli.parser import build_parser
from recsys_platform.config.run import build_config

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "zh.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    (?:\.venv/bin/)?recsys (.+)$", PAGE, re.M)
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.M | re.S)
TABLES = {"interactions": {"path": "a.csv"}, "items": {"path": "b.csv"}}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_parses_and_its_run_file_is_there(command: str) -> None:
    options = build_parser().parse_args(shlex.split(command))
    if getattr(options, "config", None) is not None:
        assert (ROOT / options.config).is_file()


def test_the_commands_are_those_of_all_stages() -> None:
    assert [command.split()[0] for command in COMMANDS] == [
        "demo",
        "demo-shop",
        "data",
        "train",
        "evaluate",
        "serve",
        "recommend",
    ]
    assert "\nsetup:" in (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_of_settings_loads(block: str) -> None:
    config = build_config({"name": "page", "input": TABLES} | yaml.safe_load(block))
    assert config.name in ("page", "my-shop")


def test_there_are_three_blocks_and_the_first_is_chinese() -> None:
    first, tasks, model = (yaml.safe_load(block) for block in BLOCKS)
    assert build_config(first).text.language == "zh"
    assert set(tasks) == {"tasks", "objective"}
    assert model["model"]["family"] == "chatglm"


def test_the_example_of_a_text_is_what_the_textualizer_writes() -> None:
    titles = ["赤杨山径帐篷", "赤杨山径炉头"]
    tokenizer = train_tokenizer(titles, 300)
    catalog = build_catalog(["a", "b"], titles, titles, [], tokenizer)
    textualizer = Textualizer(tokenizer, catalog, TextConfig(language="zh"))
    text = textualizer.build({"城市": "成都", "会员": "常客"}, [Behaviour(item=0, timestamp=0.0)])
    assert f"`{tokenizer.decode(text.token_ids)} …`" in PAGE


def test_words_that_the_page_names_are_those_of_the_language() -> None:
    assert "“{}”“{}”".format(*LANGUAGES["zh"].choices["yes_no"]) in PAGE
    assert "在“。！？…”和换行处" in PAGE
    assert RULES["zh"].sentences("好。好！好？好…好\n好") == ["好。", "好！", "好？", "好…", "好", "好"]
