"""The evaluation with models of cornac beside ours: each user is ranked for as that user."""

import dataclasses
import importlib.util
import json
import logging
import shutil
from typing import get_args

import numpy as np
import pyarrow.parquet as pq
import pytest

from recsys_model.errors import ConfigError
from recsys_model.evaluation.baselines import rank_by_keys
from recsys_platform import progress
from recsys_platform.config.stages import EvaluateConfig
from recsys_platform.evaluate import stage
from recsys_platform.evaluate.baselines import run as baseline_run
from recsys_platform.evaluate.baselines.cornac_models import build_ranker
from recsys_platform.evaluate.baselines.run import COUNTED, trained_settings
from recsys_platform.evaluate.baselines.sasrec import SASREC_MODELS, HeldOutEvents, build_sasrec
from recsys_platform.evaluate.report.json_format import to_json
from recsys_platform.evaluate.stage import run_evaluate
from recsys_platform.evaluate.workers.answer_log import digest_of
from tests.recsys_platform.evaluate.test_evaluate_stage import write_checkpoint
from tests.recsys_platform.tiny_dataset import SEQUENCES, tiny_config, write_tiny_dataset

BASELINES = ("co_occurrence", "bpr", "sasrec")
EPOCHS = {"bpr": 2, "sasrec": 2}


@pytest.mark.e2e
def test_the_artifact_has_the_ranks_of_every_baseline_that_was_asked_for(ray_cluster, tmp_path):
    settings = {"baselines": BASELINES, "baseline_epochs": EPOCHS, "num_workers": 1, "num_users": 9}
    config = tiny_config(tmp_path, evaluate=settings)
    write_tiny_dataset(config)
    write_checkpoint(config)

    result = run_evaluate(config)

    table = pq.read_table(config.evaluation_folder / "ranks.parquet")
    report = json.loads((config.evaluation_folder / "report.json").read_text(encoding="utf-8"))
    assert set(result.report.rankings[0].metrics) == {"recsysllm", *BASELINES}
    assert [entry["baseline"] for entry in report["rankings"][0]["differences"]] != []
    assert report["method_titles"]["bpr"] == "BPR (cornac)"
    users = sorted(SEQUENCES)
    training = [SEQUENCES[user][:-2] for user in users]
    num_items = report["num_items"]
    events = HeldOutEvents(sequences=training, validation_items=[SEQUENCES[user][-2] for user in users])
    own, record = build_sasrec("sasrec", events, num_items, seed=config.seed, max_passes=2, patience=20)
    for name in ("bpr", "sasrec"):
        ranker = (
            own
            if name == "sasrec"
            else build_ranker(name, training, num_items, seed=config.seed, num_threads=1, epochs=EPOCHS[name])
        )
        expected = [
            rank_by_keys(ranker.sort_keys(SEQUENCES[user][:-1], users.index(user)), SEQUENCES[user][-1])
            for user in table["user_id"].to_pylist()
        ]
        assert table[f"rank_{name}"].to_pylist() == expected
    assert np.all(table["rank_bpr"].to_numpy() >= 1)
    methods = {entry["method"]: entry for entry in report["baselines"]["methods"]}
    assert list(methods) == list(BASELINES)
    assert methods["sasrec"]["record"] == to_json(record)
    assert methods["bpr"]["record"] == {"num_passes": 2}
    assert report["baselines"]["dataset"] is None
    assert report["baselines"]["warnings"] == []


def test_a_missing_package_is_said_before_anything_is_opened(tmp_path, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "cornac" else find_spec(name))
    config = tiny_config(tmp_path, evaluate={"baselines": ("popularity", "gru4rec")})

    with pytest.raises(ConfigError, match=r"evaluate.baselines gru4rec needs the package cornac"):
        run_evaluate(config)


@pytest.mark.parametrize("baselines", [(), ("bpr", "bpr")])
def test_baselines_are_named_once_and_there_is_one(baselines):
    with pytest.raises(ConfigError, match=r"evaluate.baselines must name each baseline once, and at least one"):
        EvaluateConfig(baselines=baselines)


def test_what_is_kept_depends_on_the_settings_of_every_baseline_that_is_trained(monkeypatch):
    every = get_args(get_args(EvaluateConfig.__annotations__["baselines"])[0])
    before = trained_settings()
    assert set(every) - set(COUNTED) == set(before)
    assert json.loads(json.dumps(before)) == before
    monkeypatch.setitem(SASREC_MODELS, "sasrec", dataclasses.replace(SASREC_MODELS["sasrec"], dropout=0.5))
    assert digest_of(trained_settings()) != digest_of(before)


def test_patience_is_at_least_one_pass():
    with pytest.raises(ConfigError, match=r"evaluate.baseline_patience must be at least 1, got 0"):
        EvaluateConfig(baseline_patience=0)


def test_epochs_are_those_of_a_baseline_that_is_asked_for_and_has_some():
    assert EvaluateConfig(baselines=("bpr",), baseline_epochs={"bpr": 3}).baseline_epochs == {"bpr": 3}
    with pytest.raises(ConfigError, match=r"evaluate.baseline_epochs.bpr must be at least 1, got 0"):
        EvaluateConfig(baselines=("bpr",), baseline_epochs={"bpr": 0})
    with pytest.raises(ConfigError, match=r"among evaluate.baselines, got sasrec"):
        EvaluateConfig(baselines=("bpr",), baseline_epochs={"sasrec": 3})
    with pytest.raises(ConfigError, match=r"may name those of sasrec, .* got popularity"):
        EvaluateConfig(baselines=("popularity",), baseline_epochs={"popularity": 3})


@pytest.mark.e2e
def test_baselines_that_were_trained_before_a_crash_are_not_trained_again(ray_cluster, tmp_path, monkeypatch):
    config = tiny_config(tmp_path, evaluate={"baselines": BASELINES, "baseline_epochs": EPOCHS, "num_workers": 1})
    write_tiny_dataset(config)
    write_checkpoint(config)
    monkeypatch.setattr(stage, "write_reports", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        run_evaluate(config)
    monkeypatch.undo()
    monkeypatch.setattr(baseline_run, "_train_and_rank", lambda *_: pytest.fail("trained again"))

    resumed = run_evaluate(config)

    monkeypatch.undo()
    fresh = dataclasses.replace(config, name="fresh")
    fresh.folder.mkdir()
    for stage_name in ("dataset", "checkpoint"):
        (fresh.folder / stage_name).symlink_to(config.folder / stage_name)
    assert run_evaluate(fresh).report.rankings == resumed.report.rankings
    assert "pass" in (config.evaluation_folder / "report.md").read_text(encoding="utf-8")


@pytest.mark.e2e
def test_another_checkpoint_of_the_dataset_takes_the_baselines_that_were_trained(
    ray_cluster, tmp_path, monkeypatch, caplog
):
    settings = {"baselines": ("sasrec", "bpr"), "baseline_epochs": EPOCHS, "num_workers": 1}
    config = tiny_config(tmp_path, evaluate=settings)
    write_tiny_dataset(config)
    write_checkpoint(config)
    with monkeypatch.context() as patch, caplog.at_level(logging.INFO, logger="recsys_platform"):
        patch.setattr(progress, "LINE_INTERVAL_S", 0.0)
        first = run_evaluate(config)
    assert "sasrec: pass" in caplog.text
    shutil.rmtree(config.checkpoint_folder)
    write_checkpoint(dataclasses.replace(config, seed=1))
    with monkeypatch.context() as patch, caplog.at_level(logging.INFO, logger="recsys_platform"):
        patch.setattr(baseline_run, "_train_and_rank", lambda *_: pytest.fail("trained again"))
        second = run_evaluate(config, overwrite=True)
    assert "taking sasrec, bpr from an earlier evaluation of this dataset" in caplog.text
    for name in ("sasrec", "bpr"):
        assert second.report.rankings[0].metrics[name] == first.report.rankings[0].metrics[name]

    fewer = dataclasses.replace(config, evaluate=dataclasses.replace(config.evaluate, num_users=4))
    third = run_evaluate(fewer, overwrite=True)

    # other users are ranked anew, by the model that was trained before
    assert third.report.num_users == 4
    (state,) = config.folder.glob("baselines/*/sasrec_2_20.state.pt")
    assert len(list(state.parent.glob("sasrec_2_20_*.jsonl"))) == 2
    assert len((state.parent / "sasrec_2_20.passes.jsonl").read_bytes().splitlines()) == 2
