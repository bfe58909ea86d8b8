"""`recsys link` on a tiny dataset."""

import json

import pytest
import yaml

from recsys_platform.cli import main
from recsys_platform.config.run import config_to_dict
from tests.recsys_platform.tiny_dataset import TITLES, tiny_config, write_tiny_dataset


def test_link_names_the_items_of_a_text_with_their_offsets(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tiny_config(tmp_path)
    write_tiny_dataset(config)
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(config_to_dict(config)))
    text = f"I bought «{TITLES[3].upper()}» yesterday"

    assert main(["link", str(file), text, "--json"]) == 0

    printed, document = capsys.readouterr().out.rsplit("\n", 2)[:2]
    (entity,) = json.loads(document)["entities"]
    assert entity["item_ids"] == ["item-03"]
    assert text[entity["start"] : entity["end"]] == entity["text"] == TITLES[3].upper()
    assert f"{TITLES[3].upper()}  ->  {TITLES[3]} (item-03)" in printed


def test_a_text_that_names_nothing_says_so(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tiny_config(tmp_path)
    write_tiny_dataset(config)
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(config_to_dict(config)))

    assert main(["link", str(file), "nothing of the kind"]) == 0
    assert capsys.readouterr().out == "the text names no item\n"
