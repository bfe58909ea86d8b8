"""Variants change the keys that they name and nothing else."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from recsys_model.errors import ConfigError
from recsys_platform.ablate.variants import (
    BASE,
    VARIANTS,
    build_run,
    choose_variants,
    data_run,
    same_as_base,
    source_of_free_generation,
)
from recsys_platform.config.run import RunConfig, config_to_dict
from recsys_platform.train.entities import check_head
from tests.recsys_platform.tiny_dataset import tiny_config

CHANGED = {
    "base": {},
    "token-masking": {"objective.mask_units": "token"},
    "shuffled-spans": {"objective.span_order": "shuffled"},
    "last-events": {"window.bounds": "last"},
    "intra-run": {"objective.intra_mode": "run"},
    "intra-glm": {"objective.intra_mode": "glm"},
    "plain-glm": {
        "objective.mask_units": "token",
        "objective.span_order": "shuffled",
        "objective.intra_mode": "glm",
    },
    "item-loss-lm": {"objective.item_loss": "lm"},
    "next-item-only": {
        "objective.entity_weight": 0.0,
        "objective.sentence_weight": 0.0,
        "objective.document_weight": 0.0,
    },
    "ties-seeded": {"data.tie_order": "seeded"},
}
OF_THE_HEAD = {
    "head-off": {
        "entity.enabled": False,
        "train.keep": "last",
        "train.patience": None,
        "decoding.scoring": "trie",
        "objective.token_loss_weight": 1.0,
        "objective.history": "tokens",
    },
    "residuals-off": {"entity.residuals": False},
    "words-off": {"entity.words": False},
    "inputs-off": {"entity.inputs": False, "entity.earlier_inputs": False, "objective.history": "tokens"},
    "earlier-inputs-off": {"entity.earlier_inputs": False},
    "token-loss-off": {"objective.token_loss_weight": 0.0},
}
OF_THE_BLEND = {"items-alone": {"decoding.scoring": "entity"}, "tokens-alone": {"decoding.scoring": "trie"}}
OF_THE_DATA = ("last-events", "ties-seeded")


def flat(config: RunConfig) -> dict[str, Any]:
    settings = config_to_dict(config)
    sections = {key: value for key, value in settings.items() if isinstance(value, dict) and key != "input"}
    return {
        **{key: value for key, value in settings.items() if key not in sections},
        **{f"{name}.{key}": value for name, section in sections.items() for key, value in section.items()},
    }


@pytest.fixture
def base(tmp_path: Path) -> RunConfig:
    return tiny_config(tmp_path, objective={"item_loss": "trie"})


def test_each_run_differs_from_the_base_in_the_named_settings_its_seed_and_its_folders(base):
    runs = {variant.name: build_run(base, variant, seed=5) for variant in choose_variants(base)}
    assert set(runs) == set(CHANGED)
    before = flat(base)
    for name, run in runs.items():
        changed = {key: value for key, value in flat(run).items() if value != before[key]}
        places = {key: changed.pop(key) for key in ("name", "storage", "dataset", "seed")}
        assert changed == CHANGED[name], name
        data = base.folder / "ablate" / f"data-{name}" if name in OF_THE_DATA else base.folder
        assert places == {
            "name": f"{name}-s5",
            "storage": str(base.folder / "ablate"),
            "dataset": str(data / "dataset"),
            "seed": 5,
        }


def test_minutes_end_every_training_and_change_nothing_else(base):
    run = build_run(base, BASE, 1, max_minutes=2.5)
    assert run == dataclasses.replace(build_run(base, BASE, 1), train=dataclasses.replace(base.train, max_minutes=2.5))


def test_only_other_histories_need_another_dataset_and_users_stay_those_of_the_bases_seed(base):
    for variant in VARIANTS:
        data = data_run(base, variant)
        assert data.seed == base.seed
        assert (data is base) == (variant.name not in OF_THE_DATA)


def test_a_variant_that_the_base_is_already_is_no_row(tmp_path):
    base = tiny_config(tmp_path, objective={"item_loss": "lm", "intra_mode": "glm"})
    assert [variant.name for variant in same_as_base(base)] == [
        "intra-glm",
        "item-loss-lm",
        *OF_THE_HEAD,
        *OF_THE_BLEND,
    ]
    assert "item-loss-trie" in [variant.name for variant in choose_variants(base)]
    with pytest.raises(ConfigError, match="the base has these settings already"):
        choose_variants(base, ["item-loss-lm"])


def test_parts_of_the_head_are_taken_away_from_a_base_that_has_one(tmp_path):
    base = tiny_config(
        tmp_path,
        entity={"enabled": True, "earlier_inputs": True},
        objective={
            "item_loss": "trie",
            "token_loss_weight": 0.2,
            "next_item_target": "all",
            "history": "vectors",
        },
        train={"keep": "best", "patience": 3},
        decoding={"scoring": "blend"},
    )
    before = flat(base)
    for name, expected in OF_THE_HEAD.items():
        [_, variant] = choose_variants(base, [name])
        changed = {key: value for key, value in flat(variant.apply(base)).items() if value != before[key]}
        assert changed == expected, name
        assert data_run(base, variant) is base
        check_head(variant.apply(base))


def test_parts_of_the_blend_are_taken_away_from_the_bases_checkpoint(tmp_path):
    base = tiny_config(tmp_path, entity={"enabled": True}, decoding={"scoring": "blend"})
    before = flat(base)
    for name, expected in OF_THE_BLEND.items():
        [_, variant] = choose_variants(base, [name])
        changed = {key: value for key, value in flat(variant.apply(base)).items() if value != before[key]}
        assert changed == expected, name
        run = build_run(base, variant, seed=4)
        assert run.checkpoint_folder == build_run(base, BASE, seed=4).checkpoint_folder
        assert run.evaluation_folder == base.folder / "ablate" / f"{name}-s4" / "evaluation"


def test_the_base_is_always_there_and_unknown_names_are_refused(base):
    assert [variant.name for variant in choose_variants(base, ["intra-glm"])] == ["base", "intra-glm"]
    with pytest.raises(ConfigError, match="got \\['entity-making'\\]"):
        choose_variants(base, ["entity-making", "base"])


def test_a_model_that_learnt_the_trie_alone_does_not_write_freely(base, tmp_path):
    assert source_of_free_generation(base).name == "item-loss-lm"
    assert source_of_free_generation(tiny_config(tmp_path, objective={"item_loss": "lm"})) is BASE
