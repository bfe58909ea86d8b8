import collections
import dataclasses
import json
import re
from pathlib import Path

import jsonschema
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from recsys_model.backbones.checkpoint import write_model
from recsys_model.backbones.glm import GLM
from recsys_model.decoding.answer_scorer import AnswerScorer
from recsys_model.decoding.generator import TrieGuidedGenerator
from recsys_model.entities.catalog import load_catalog
from recsys_model.errors import CheckpointError, ConfigError
from recsys_model.evaluation.metrics import METRIC_NAMES
from recsys_model.infilling.positions import PositionAutomaton
from recsys_model.infilling.prompt import build_prompt
from recsys_model.text.tokenizer import load_tokenizer
from recsys_platform.artifacts import open_artifact, write_artifact
from recsys_platform.checkpoints import load_trained_model
from recsys_platform.cli.summaries import of_evaluation
from recsys_platform.config.run import RunConfig, config_to_dict
from recsys_platform.evaluate.ranking.candidates import draw_candidates
from recsys_platform.evaluate.ranking.cases import Case, load_evaluation_data
from recsys_platform.evaluate.ranking.metrics import build_ranking
from recsys_platform.evaluate.report.json_format import from_json, json_schema
from recsys_platform.evaluate.report.wording import estimate
from recsys_platform.evaluate.stage import run_evaluate
from tests.recsys_platform.tiny_dataset import SEQUENCES, TITLES, tiny_config, write_tiny_dataset


def write_checkpoint(config: RunConfig) -> None:
    """Write a checkpoint with random weights, made from the run's dataset."""
    tokenizer = load_tokenizer(config.dataset_folder / "tokenizer")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = GLM(config.model.geometry(tokenizer.vocab_size))
        torch.nn.init.normal_(model.word_embeddings.weight, std=1.0)  # far apart, so that beams do not tie
    parents = {"dataset": open_artifact(config.dataset_folder, "dataset").digest}
    with write_artifact(config.checkpoint_folder, "checkpoint", config_to_dict(config), parents) as (folder, _):
        write_model(folder / "weights", model)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunConfig:
    """A run whose data and train stages are done."""
    config = tiny_config(tmp_path_factory.mktemp("evaluate"), evaluate={"num_workers": 2, "batch_size": 5})
    write_tiny_dataset(config)
    write_checkpoint(config)
    return config


def with_settings(config: RunConfig, name: str, **changes) -> RunConfig:
    """Return the run with changed evaluation settings and its results in a folder of their own."""
    folder = config.folder.parent / name
    folder.mkdir()
    for stage in ("dataset", "checkpoint"):
        (folder / stage).symlink_to(config.folder / stage)
    return dataclasses.replace(config, name=name, evaluate=dataclasses.replace(config.evaluate, **changes))


def recommended_one_by_one(config: RunConfig, exclude_seen: bool) -> list[list[int]]:
    """Ask the generator in this process, each user alone."""
    special = load_tokenizer(config.dataset_folder / "tokenizer").special
    model = load_trained_model(config.checkpoint_folder).eval()
    generator = TrieGuidedGenerator(model, load_catalog(config.dataset_folder), special, config.decoding)
    cases = load_evaluation_data(config.dataset_folder, "test", 0, 0).cases
    answers = [
        generator.recommend([build_prompt(case.text, special)], 10, [case.seen_items] if exclude_seen else None)
        for case in cases
    ]
    return [[scored.item for scored in answer[0]] for answer in answers]


def rank_of(items: list[int], target: int) -> int:
    return items.index(target) + 1 if target in items else 0


@pytest.mark.e2e
@pytest.mark.parametrize("exclude_seen", [False, True])
def test_two_workers_give_what_the_generator_gives_user_by_user(ray_cluster, run, exclude_seen):
    config = with_settings(run, f"seen-{exclude_seen}", exclude_seen=exclude_seen)
    expected = recommended_one_by_one(config, exclude_seen)

    result = run_evaluate(config)

    table = pq.read_table(config.evaluation_folder / "ranks.parquet")
    targets = [items[-1] for items in SEQUENCES.values()]
    assert table["user_id"].to_pylist() == list(SEQUENCES)
    assert table["target_item"].to_pylist() == targets
    assert table["recommended"].to_pylist() == expected
    ranks = [rank_of(items, target) for items, target in zip(expected, targets, strict=True)]
    assert table["rank_recsysllm"].to_pylist() == ranks
    hits = sum(1 <= rank <= 5 for rank in ranks)
    (ranking,) = result.report.rankings
    assert ranking.metrics["recsysllm"]["hr_at_5"].value == pytest.approx(hits / len(SEQUENCES))
    # who stands somewhere in the circle of four items has the next one as target: what always came next is right,
    # but for the two thirds of the users who come round to an item that they have, where seen items are taken out
    expected_hits = 8 if exclude_seen else 24
    assert ranking.metrics["co_occurrence"]["hr_at_1"].value == pytest.approx(expected_hits / 24)


@pytest.mark.e2e
def test_the_artifact_and_the_result_tell_the_same(ray_cluster, run):
    config = with_settings(run, "artifact", num_users=7, num_workers=1)
    oracle = {"split": "test", "best_reachable": {"hr_at_1": 0.5, "hr_at_10": 0.75}}
    Path(config.input.interactions.path).with_name("oracle.json").write_text(json.dumps(oracle))

    evaluation = run_evaluate(config)

    result = evaluation.to_json()
    folder = config.evaluation_folder
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    jsonschema.validate(report, json_schema())
    assert from_json(json.dumps(report), "report.json") == evaluation.report
    manifest = open_artifact(folder, "evaluation")
    parents = {name: open_artifact(config.folder / name, name).digest for name in ("dataset", "checkpoint")}
    assert manifest.parents == parents
    (ranking,) = report["rankings"]
    assert manifest.counts["metrics"] == result["metrics"] == ranking["metrics"]
    assert manifest.counts["difference"] == result["difference"] == ranking["differences"][0]
    assert [entry["baseline"] for entry in ranking["differences"]] == ["co_occurrence", "popularity"]
    assert result["evaluation"] == str(folder)
    assert result["num_users"] == pq.read_table(folder / "ranks.parquet").num_rows == 7
    assert result["protocol"].startswith(
        "7, drawn with seed 0, of the 24 users of the test split. The target is the last event"
    )
    assert result["protocol"].endswith(
        "RecSysLLM ranks by trie-guided beam search; an item that the search does not return counts as a miss."
    )
    assert " No two adjacent events of a user have the same time. " in result["protocol"]
    assert set(result["metrics"]) == {"recsysllm", "popularity", "co_occurrence", "best_reachable"}
    assert all(set(result["metrics"][method]) == set(METRIC_NAMES) for method in ("recsysllm", "popularity"))
    assert result["metrics"]["best_reachable"]["hr_at_10"] == {"value": 0.75, "low": None, "high": None}
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert all(sentence in text for sentence in report["statements"])
    assert f"| RecSysLLM | {estimate(evaluation.report.rankings[0].metrics['recsysllm']['hr_at_1'])} |" in text
    assert "7 of 24 users, 12 items" in (folder / "report.html").read_text(encoding="utf-8")
    assert report["breakdowns"]["times"]["groups"][1] == {
        "name": "held-out event with a time of its own",
        "num_users": 7,
    }
    assert set(report["breakdowns"]["times"]["methods"]) == {"recsysllm", "popularity", "co_occurrence"}
    assert "| held-out event with a time of its own | 7 |" in text
    assert pq.read_table(folder / "ranks.parquet")["has_own_time"].to_pylist() == [True] * 7
    assert len(report["examples"]) == 7
    assert all(set(example["history"]) <= set(TITLES) for example in report["examples"])
    assert all((folder / "plots" / f"{name}.png").is_file() for name in ("methods_1", "history", "popularity"))
    assert str(folder / "report.html") in of_evaluation(evaluation)


@pytest.mark.e2e
@pytest.mark.parametrize("max_expansions", [3, 5000])
def test_exact_searches_that_the_limit_ended_are_counted_in_the_report(ray_cluster, run, max_expansions):
    decoding = dataclasses.replace(run.decoding, exact=True, max_expansions=max_expansions)
    config = dataclasses.replace(with_settings(run, f"exact-{max_expansions}"), decoding=decoding)
    special = load_tokenizer(run.dataset_folder / "tokenizer").special
    model = load_trained_model(run.checkpoint_folder).eval()
    generator = TrieGuidedGenerator(model, load_catalog(run.dataset_folder), special, decoding)
    cases = load_evaluation_data(run.dataset_folder, "test", 0, 0).cases
    answers = [generator.search([build_prompt(case.text, special)], 10)[0] for case in cases]
    num_cut = sum(answer.certificate is not None and not answer.certificate.is_exact for answer in answers)

    result = run_evaluate(config)

    assert (num_cut > 0) == (max_expansions == 3)
    sentence = f"For {num_cut} of 24 users the exact search ended at decoding.max_expansions (3) nodes"
    assert (sentence in result.protocol) == (num_cut > 0)
    table = pq.read_table(config.evaluation_folder / "ranks.parquet")
    assert table["recommended"].to_pylist() == [[scored.item for scored in answer.items] for answer in answers]


@pytest.mark.e2e
def test_sampled_and_given_competitors_are_scored_exactly_and_the_same_for_every_method(ray_cluster, run, tmp_path):
    given = {user: sorted({0, 5, 7, items[-1]}) for user, items in SEQUENCES.items()}
    rows = [{"user_id": user, "item_id": f"item-{item:02d}"} for user, items in given.items() for item in items]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "candidates.parquet")
    changes = {
        "competitors": ("sampled", "given"),
        "num_negatives": 5,
        "candidates": str(tmp_path / "candidates.parquet"),
    }
    config = dataclasses.replace(with_settings(run, "competitors", **changes), seed=3)

    result = run_evaluate(config)

    cases = load_evaluation_data(config.dataset_folder, "test", 0, 0).cases
    sampled = draw_candidates(cases, len(TITLES), 5, seed=0)  # whatever the run's own
    table = pq.read_table(config.evaluation_folder / "ranks.parquet")
    for name, candidates in (("sampled", sampled), ("given", list(given.values()))):
        expected = [rank_by_answer_scorer(config, case, items) for case, items in zip(cases, candidates, strict=True)]
        assert table[f"rank_{name}_recsysllm"].to_pylist() == expected
        assert max(table[f"rank_{name}_popularity"].to_pylist()) <= len(candidates[0])
    report = json.loads((config.evaluation_folder / "report.json").read_text(encoding="utf-8"))
    assert [ranking["competitors"] for ranking in report["rankings"]] == ["sampled", "given"]
    assert "among itself and 5 items drawn by seed and user from the 12" in report["rankings"][0]["statements"][1]
    assert result.to_json()["metrics"] == report["rankings"][0]["metrics"]


def rank_by_answer_scorer(config: RunConfig, case: Case, candidates: list[int]) -> int:
    """Score the candidates of one user in this process."""
    special = load_tokenizer(config.dataset_folder / "tokenizer").special
    catalog = load_catalog(config.dataset_folder)
    model = load_trained_model(config.checkpoint_folder).eval()
    answer_scorer = AnswerScorer(model, special, PositionAutomaton(catalog.pool()))
    answers = [catalog.items[item].token_ids for item in candidates]
    (scores,) = answer_scorer.log_probs([build_prompt(case.text, special)], [answers])
    own = scores[candidates.index(case.target_item)]
    return sum(score >= own for score in scores)


@pytest.mark.e2e
def test_exposure_is_that_of_the_items_in_the_table_of_ranks(ray_cluster, run):
    config = with_settings(run, "exposure", num_workers=1)

    run_evaluate(config)

    exposure = json.loads((config.evaluation_folder / "report.json").read_text(encoding="utf-8"))["exposure"]
    recommended = pq.read_table(config.evaluation_folder / "ranks.parquet")["recommended"].to_pylist()
    counts = collections.Counter(item for items in SEQUENCES.values() for item in items[:-2])
    assert set(exposure) == {"recsysllm", "popularity", "co_occurrence", "taken"}
    assert exposure["recsysllm"]["coverage"] == len({item for items in recommended for item in items}) / len(TITLES)
    means = [sum(counts[item] for item in items) / len(items) for items in recommended]
    assert exposure["recsysllm"]["mean_popularity"] == pytest.approx(sum(means) / len(means))
    assert exposure["popularity"]["coverage"] == pytest.approx(10 / 12)
    taken = [counts[items[-1]] for items in SEQUENCES.values()]
    assert exposure["taken"]["mean_popularity"] == pytest.approx(sum(taken) / len(taken))


def test_a_beam_narrower_than_ten_is_refused(run):
    narrow = dataclasses.replace(run, decoding=dataclasses.replace(run.decoding, num_beams=9))

    with pytest.raises(ConfigError, match=re.escape("decoding.num_beams must be at least 10 to measure HR@10, got 9")):
        run_evaluate(narrow)


def test_a_checkpoint_of_another_dataset_is_refused(tmp_path):
    config = tiny_config(tmp_path)
    write_tiny_dataset(config)
    with write_artifact(config.checkpoint_folder, "checkpoint", {}, {"dataset": "0" * 64}):
        pass

    with pytest.raises(CheckpointError, match="was made from another dataset"):
        run_evaluate(config)


def test_an_evaluation_that_exists_is_not_overwritten_unasked(tmp_path):
    config = tiny_config(tmp_path)
    config.evaluation_folder.mkdir(parents=True)

    with pytest.raises(CheckpointError, match="exists already"):
        run_evaluate(config)


@pytest.mark.parametrize(("split", "is_shown"), [("leave_one_out", True), ("temporal", False)])
def test_what_the_shop_says_of_last_events_stands_beside_no_other_split(tmp_path, split, is_shown):
    config = tiny_config(tmp_path)
    (tmp_path / "oracle.json").write_text(json.dumps({"split": "test", "best_reachable": {"hr_at_10": 0.75}}))

    ranking = build_ranking(
        config, "catalogue", {"recsysllm": np.array([1, 0]), "popularity": np.array([2, 3])}, 12, split
    )

    assert ("best_reachable" in ranking.metrics) is is_shown
