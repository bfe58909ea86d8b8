"""What is done, done again, left out and told, with stages that write known ranks in place of training."""

import dataclasses
import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_model.errors import CheckpointError, ConfigError, DataError
from recsys_platform.ablate import runs
from recsys_platform.ablate.groups import EvaluatedGroup
from recsys_platform.ablate.results import summarize_differences, summarize_metrics
from recsys_platform.ablate.stage import run_ablate
from recsys_platform.artifacts import open_artifact, write_artifact
from recsys_platform.config.run import RunConfig, config_to_dict
from tests.recsys_platform.tiny_dataset import SEQUENCES, tiny_config, write_tiny_dataset

ONLY = ["token-masking", "intra-glm"]


class Stages:
    """Stand for training and evaluation: ranks are 1 for the base, 2 with token masking, 0 with GLM's positions."""

    def __init__(self) -> None:
        self.trained: list[str] = []
        self.evaluated: list[str] = []
        self.fails_at = ""

    def train(self, config: RunConfig, *, resume: bool, overwrite: bool) -> None:
        assert not resume
        assert config.checkpoint is None
        if config.name == self.fails_at:
            raise CheckpointError("training failed: out of memory\nmend the cause")
        self.trained.append(config.name)
        parents = {"dataset": open_artifact(config.dataset_folder, "dataset").digest}
        folder = config.checkpoint_folder
        with write_artifact(folder, "checkpoint", config_to_dict(config), parents, overwrite=overwrite) as (
            new,
            counts,
        ):
            (new / "weights").write_text(config.name)
            counts["steps"] = 12

    def evaluate(self, config: RunConfig, *, overwrite: bool) -> None:
        self.evaluated.append(config.name)
        rank = 2 if config.objective.mask_units == "token" else 0 if config.objective.intra_mode == "glm" else 1
        rank = 3 if config.decoding.scoring == "entity" else rank
        parents = {"checkpoint": open_artifact(config.checkpoint_folder, "checkpoint").digest}
        ranks = {"user_id": list(SEQUENCES), "rank_recsysllm": [rank] * 24, "rank_popularity": [1, 0, 0] * 8}
        folder = config.evaluation_folder
        with write_artifact(folder, "evaluation", config_to_dict(config), parents, overwrite=overwrite) as (new, _):
            pq.write_table(pa.table(ranks), new / "ranks.parquet")


@pytest.fixture
def stages(monkeypatch: pytest.MonkeyPatch) -> Stages:
    stages = Stages()
    monkeypatch.setattr(runs, "run_train", stages.train)
    monkeypatch.setattr(runs, "run_evaluate", stages.evaluate)
    return stages


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    config = tiny_config(tmp_path)
    write_tiny_dataset(config)
    return config


def test_every_variant_and_seed_is_trained_once_seed_by_seed(stages, config):
    result = run_ablate(config, seeds=[0, 3], only=ONLY)

    names = [f"{name}-s{seed}" for seed in (0, 3) for name in ("base", *ONLY)]
    assert stages.trained == stages.evaluated == names
    assert result["failed"] == {}
    assert [row["verdict"] for row in result["rows"]] == [None, "hurts", "hurts"]
    # rank 1 gives 1, rank 2 gives 1 / log2(3), no rank 0
    assert [row["metrics"]["ndcg_at_10"]["mean"] for row in result["rows"]] == pytest.approx(
        [1.0, 0.63093, 0.0], abs=1e-5
    )
    assert [row["metrics"]["hr_at_10"]["mean"] for row in result["rows"]] == [1.0, 1.0, 0.0]


def test_the_artifact_tells_the_same_in_json_and_markdown_beside_a_picture(stages, config):
    result = run_ablate(config, seeds=[0, 1], only=ONLY)

    folder = config.folder / "ablation"
    assert result["ablation"] == str(folder)
    assert set(open_artifact(folder, "ablation").files) == {"ablation.json", "ablation.md", "differences.png"}
    document = json.loads((folder / "ablation.json").read_text())
    text = (folder / "ablation.md").read_text()
    assert document["rows"] == result["rows"]
    assert (document["num_users"], document["steps"]) == (24, {"min": 12, "max": 12})
    assert document["baselines_hr_at_10"] == {"popularity": pytest.approx(1 / 3)}
    assert all(sentence in text for sentence in document["statements"])
    assert (
        "| intra-glm | intra positions of plain GLM, not of entities; objective.intra\\_mode: glm | 0.0000 ± 0.0000 "
        in text
    )
    assert "| -1.0000 (-1.0000 to -1.0000) | -1.0000 to -1.0000 | hurts |" in text
    assert (folder / "differences.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_finished_is_not_done_again(stages, config):
    run_ablate(config, seeds=[0], only=["intra-glm"])
    stages.trained.clear()
    stages.evaluated.clear()
    assert run_ablate(config, seeds=[0, 1], only=ONLY)["failed"] == {}
    assert stages.trained == ["token-masking-s0", "base-s1", "token-masking-s1", "intra-glm-s1"]
    assert stages.evaluated == stages.trained


def test_a_trained_run_without_evaluation_is_only_evaluated(stages, config):
    run_ablate(config, seeds=[0], only=["intra-glm"])
    evaluation = config.folder / "ablate" / "intra-glm-s0" / "evaluation"
    evaluation.rename(evaluation.with_name("elsewhere"))
    stages.trained.clear()
    stages.evaluated.clear()
    run_ablate(config, seeds=[0], only=["intra-glm"])
    assert (stages.trained, stages.evaluated) == ([], ["intra-glm-s0"])


def test_a_part_of_the_blend_is_evaluated_with_the_checkpoint_of_the_base(stages, tmp_path):
    config = tiny_config(tmp_path, entity={"enabled": True}, decoding={"scoring": "blend"})
    write_tiny_dataset(config)
    result = run_ablate(config, seeds=[0, 1], only=["items-alone"])

    assert result["failed"] == {}
    assert stages.trained == ["base-s0", "base-s1"]
    assert stages.evaluated == ["base-s0", "items-alone-s0", "base-s1", "items-alone-s1"]
    # rank 3 gives 1 / 2
    assert [row["metrics"]["ndcg_at_10"]["mean"] for row in result["rows"]] == pytest.approx([1.0, 0.5])
    run_ablate(config, seeds=[0, 1], only=["items-alone"])
    assert len(stages.evaluated) == 4


def test_a_part_of_the_blend_fails_with_the_base(stages, tmp_path):
    config = tiny_config(tmp_path, entity={"enabled": True}, decoding={"scoring": "blend"})
    write_tiny_dataset(config)
    stages.fails_at = "base-s1"
    result = run_ablate(config, seeds=[0, 1], only=["items-alone"])
    assert set(result["failed"]) == {"base-s1", "items-alone-s1"}


def test_groups_of_users_have_tables_of_their_own(stages, config):
    run_ablate(config, seeds=[0], only=["token-masking"])

    document = json.loads((config.folder / "ablation" / "ablation.json").read_text())
    events = Counter(item for items in SEQUENCES.values() for item in items[:-2])
    rare = [user for user, items in SEQUENCES.items() if events[items[-1]] <= 5]
    assert 0 < len(rare) < 24
    [of_rare, of_own_time] = document["groups"]
    assert (of_rare["num_users"], of_own_time["num_users"]) == (len(rare), 24)
    assert [row["metrics"]["hr_at_1"]["mean"] for row in of_rare["rows"]] == [1.0, 0.0]
    assert of_rare["rows"][1]["differences"]["hr_at_1"]["value"] == -1.0
    text = (config.folder / "ablation" / "ablation.md").read_text()
    assert f"## {len(rare)} users whose held-out item has at most 5 training events\n\n| variant | HR@10 |" in text


def test_the_ranks_of_a_group_are_those_of_its_users():
    group = EvaluatedGroup(title="two of three", users=frozenset({"ann", "eve"}))
    assert group.restrict({4: {"ann": 1, "bob": 2, "eve": 0}}) == {4: {"ann": 1, "eve": 0}}


def test_a_run_that_fails_does_not_end_the_others_and_is_named(stages, config):
    stages.fails_at = "token-masking-s0"
    result = run_ablate(config, seeds=[0], only=ONLY)

    assert stages.trained == ["base-s0", "intra-glm-s0"]
    assert result["failed"] == {"token-masking-s0": "training failed: out of memory\nmend the cause"}
    failed, compared = result["rows"][1:]
    assert (failed["metrics"], failed["differences"], failed["verdict"]) == (None, None, None)
    assert compared["verdict"] == "one seed only"
    text = (config.folder / "ablation" / "ablation.md").read_text()
    assert "**Failed and missing**: token-masking-s0: training failed: out of memory\n" in text
    stages.fails_at = ""
    assert run_ablate(config, seeds=[0], only=ONLY)["failed"] == {}
    assert stages.trained[2:] == ["token-masking-s0"]


def test_without_a_base_nothing_is_compared(stages, config):
    stages.fails_at = "base-s0"
    with pytest.raises(CheckpointError, match="no run of the base could be finished"):
        run_ablate(config, seeds=[0], only=["intra-glm"])


def test_runs_made_with_other_settings_are_no_part_of_it_until_they_are_done_again(stages, config):
    run_ablate(config, seeds=[0], only=["intra-glm"])
    other = dataclasses.replace(config, optimizer=dataclasses.replace(config.optimizer, learning_rate=0.5))
    with pytest.raises(CheckpointError, match="made with other settings of optimizer"):
        run_ablate(other, seeds=[0], only=["intra-glm"])


def test_a_dataset_of_other_histories_is_refused(stages, config):
    other = dataclasses.replace(config, window=dataclasses.replace(config.window, max_history=3))
    with pytest.raises(CheckpointError, match="dataset was made with other settings of window"):
        run_ablate(other, seeds=[0], only=["intra-glm"])
    assert stages.trained == []


@pytest.mark.parametrize("seeds", [[], [1, 1], [-1]])
def test_seeds_are_different_numbers_from_zero_on(config, seeds):
    with pytest.raises(ConfigError, match="--seeds must be different numbers"):
        run_ablate(config, seeds=seeds)


def test_figures_over_seeds_are_means_and_spreads_of_the_seeds():
    ranks = {4: {"ann": 1, "bob": 0}, 9: {"ann": 2, "bob": 1}}
    hit_rate = summarize_metrics(ranks)["hr_at_1"]
    assert hit_rate == {"mean": 0.5, "sd_over_seeds": 0.0, "by_seed": [0.5, 0.5]}
    hit_rate = summarize_metrics({4: {"ann": 1, "bob": 1}, 9: {"ann": 2, "bob": 1}})["hr_at_1"]
    assert hit_rate == {"mean": 0.75, "sd_over_seeds": pytest.approx(0.125**0.5), "by_seed": [1.0, 0.5]}


def test_users_are_paired_by_name_and_seeds_by_number():
    base = {0: {"ann": 1, "bob": 0}, 1: {"bob": 1, "ann": 0}, 7: {"ann": 0, "bob": 0}}
    same = {1: {"ann": 0, "bob": 1}, 0: {"bob": 0, "ann": 1}}
    difference = summarize_differences(same, base, num_samples=20, seed=0)["hr_at_1"]
    assert difference["seeds"] == [0, 1]
    assert (difference["value"], difference["low"], difference["high"]) == (0.0, 0.0, 0.0)
    with pytest.raises(DataError, match="same users"):
        summarize_differences({0: {"ann": 1, "eve": 0}}, base, num_samples=20, seed=0)
