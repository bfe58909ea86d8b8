"""What is decided before and while a run trains: the type of its numbers, and which validation was the best."""

import dataclasses
from pathlib import Path

import pytest
import torch

from recsys_model.config import ObjectiveConfig
from recsys_model.errors import ConfigError
from recsys_platform.config.stages import TrainConfig
from recsys_platform.train.entities import check_head
from recsys_platform.train.model import with_precision
from recsys_platform.train.ranking import BestSoFar
from tests.recsys_platform.tiny_dataset import tiny_config


@pytest.mark.parametrize(
    ("precision", "use_gpu", "zero_stage", "cpu_is_fast", "expected"),
    [
        ("auto", False, 1, True, "bf16"),
        ("auto", False, 1, False, "fp32"),
        ("auto", True, 2, False, "bf16"),
        ("auto", False, 0, True, "fp32"),
        ("fp32", True, 1, True, "fp32"),
        ("bf16", False, 1, False, "bf16"),
    ],
)
def test_auto_is_bf16_where_it_is_fast_and_allowed(
    tmp_path: Path, monkeypatch, precision, use_gpu, zero_stage, cpu_is_fast, expected
):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: cpu_is_fast)
    train = TrainConfig(precision=precision, use_gpu=use_gpu, zero_stage=zero_stage)
    config = dataclasses.replace(tiny_config(tmp_path), train=train)
    assert with_precision(config).train == dataclasses.replace(train, precision=expected)


def test_the_best_is_the_first_of_equals_and_what_came_after_it_is_counted():
    best = BestSoFar()
    taken = [best.take(value, step) for step, value in enumerate([0.2, 0.3, 0.3, 0.1, 0.4], start=1)]
    assert taken == [True, True, False, False, True]
    assert best == BestSoFar(value=0.4, step=5, num_since=0)


def test_patience_belongs_to_keeping_the_best():
    with pytest.raises(ConfigError, match=r"train\.patience must be at least 1, and belongs to"):
        TrainConfig(patience=3)
    assert TrainConfig(keep="best", patience=3).patience == 3


VECTORS = {"next_item_target": "all", "history": "vectors"}


def test_a_history_of_vectors_asks_for_all_items():
    with pytest.raises(ConfigError, match=r"needs objective\.next_item_target all, got last; set it to all"):
        ObjectiveConfig(history="vectors")
    assert ObjectiveConfig(next_item_target="all", history="vectors").history_layout == "vectors"
    assert ObjectiveConfig(next_item_target="all").history_layout == "tokens"
    assert ObjectiveConfig(next_item_target="any").history_layout == "text"


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"train": {"keep": "best"}}, r"train\.keep best ranks with the entity head"),
        ({"objective": {"token_loss_weight": 0.0}}, "no entity head to train"),
        ({"entity": {"enabled": True}, "objective": {"entity_loss_weight": 0.0}}, "the head learns nothing"),
        ({"objective": VECTORS}, r"set entity\.enabled and entity\.inputs to true"),
        (
            {"entity": {"enabled": True, "inputs": False}, "objective": VECTORS},
            r"set entity\.enabled and entity\.inputs",
        ),
        (
            {"entity": {"enabled": True, "earlier_inputs": True}},
            r"set objective\.next_item_target to all, or entity\.earlier_inputs to false, got last",
        ),
    ],
)
def test_settings_that_need_a_head_or_leave_it_nothing_to_learn_are_refused(tmp_path, sections, message):
    with pytest.raises(ConfigError, match=message):
        check_head(tiny_config(tmp_path, **sections))
