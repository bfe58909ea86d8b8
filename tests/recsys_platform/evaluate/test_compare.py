"""Two evaluations against each other: literal ranks, a slow paired bootstrap, and everything that must be equal."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_model.errors import CheckpointError, DataError
from recsys_platform.artifacts import write_artifact
from recsys_platform.cli import main
from recsys_platform.evaluate.compare import compare_evaluations, write_comparison
from recsys_platform.evaluate.report.comparison import ComparedGroup, format_comparison
from recsys_platform.evaluate.report.json_format import to_json
from tests.recsys_platform.evaluate.report.tiny_report import tiny_document

USERS = ["ann", "bob", "cyd", "dan", "eve", "fay", "gus", "hal"]
TARGETS = [4, 1, 1, 0, 2, 3, 4, 2]
ONE = [1, 1, 2, 1, 3, 1, 0, 1]
TWO = [2, 6, 0, 1, 9, 4, 0, 7]


def write_evaluation(
    folder: Path,
    ranks: list[int],
    *,
    users=USERS,
    targets=TARGETS,
    dataset="d" * 64,
    name="run",
    columns=None,
    **protocol,
) -> Path:
    report = tiny_document()
    report |= {"name": name, "statements": ["All 8 users of the test split."]}
    report["protocol"] |= protocol
    report["config"] = {"seed": 3, "evaluate": {"bootstrap_samples": 2000, "candidates": None}}
    table = {"user_id": users, "target_item": targets, "rank_recsysllm": ranks, **(columns or {})}
    with write_artifact(folder, "evaluation", {}, {"dataset": dataset}) as (partial, _):
        (partial / "report.json").write_text(json.dumps(report), encoding="utf-8")
        pq.write_table(pa.table(table), partial / "ranks.parquet")
    return folder


def gain(rank: int, metric: str) -> float:
    kind, k = metric.split("_at_")
    if not 1 <= rank <= int(k):
        return 0.0
    return 1.0 if kind == "hr" else 1.0 / math.log2(rank + 1)


def slow_interval(metric: str, num_samples: int) -> tuple[float, float]:
    """Draw users one by one, both runs' gains of a user together."""
    generator = np.random.default_rng(11)
    means = []
    for _ in range(num_samples):
        drawn = generator.integers(0, len(USERS), len(USERS))
        means.append(sum(gain(ONE[user], metric) - gain(TWO[user], metric) for user in drawn) / len(USERS))
    return tuple(np.percentile(means, [2.5, 97.5]))


@pytest.mark.parametrize("metric", ["hr_at_1", "hr_at_5", "hr_at_10", "ndcg_at_5", "ndcg_at_10"])
def test_differences_are_those_of_a_slow_paired_bootstrap(tmp_path, metric):
    one, two = write_evaluation(tmp_path / "a", ONE), write_evaluation(tmp_path / "b", TWO)

    (ranking,) = compare_evaluations(one, two).rankings

    difference = ranking.difference[metric]
    by_hand = [gain(first, metric) - gain(second, metric) for first, second in zip(ONE, TWO, strict=True)]
    assert difference.value == pytest.approx(sum(by_hand) / 8)
    # 2,000 resamples of eight users: an end of the interval is off by a step of the gains at most
    assert difference.interval == pytest.approx(slow_interval(metric, 2000), abs=0.13)
    assert ranking.first[metric].value == pytest.approx(sum(gain(rank, metric) for rank in ONE) / 8)
    assert ranking.second[metric].value == pytest.approx(sum(gain(rank, metric) for rank in TWO) / 8)


def test_verdicts_follow_from_the_paired_interval_and_turn_round_with_the_sides(tmp_path):
    one, two = write_evaluation(tmp_path / "a", ONE), write_evaluation(tmp_path / "b", TWO)

    (ranking,) = compare_evaluations(one, two).rankings
    (turned,) = compare_evaluations(two, one).rankings
    (same,) = compare_evaluations(one, one).rankings

    assert ranking.verdicts == {
        "hr_at_1": "better",
        "hr_at_5": "better",
        "hr_at_10": "cannot be told apart",
        "ndcg_at_5": "better",
        "ndcg_at_10": "better",
    }
    assert turned.verdicts["ndcg_at_10"] == "worse"
    assert turned.difference["ndcg_at_10"].value == -ranking.difference["ndcg_at_10"].value
    assert set(same.verdicts.values()) == {"cannot be told apart"}


def test_the_order_of_the_rows_does_not_matter(tmp_path):
    one = write_evaluation(tmp_path / "a", ONE)
    back = write_evaluation(tmp_path / "b", TWO[::-1], users=USERS[::-1], targets=TARGETS[::-1])
    two = write_evaluation(tmp_path / "c", TWO)

    assert compare_evaluations(one, back).rankings == compare_evaluations(one, two).rankings


def test_every_protocol_of_the_evaluations_is_compared_by_its_own_ranks(tmp_path):
    both = {"competitors": ["catalogue", "sampled"]}
    one = write_evaluation(tmp_path / "a", ONE, columns={"rank_sampled_recsysllm": TWO}, **both)
    two = write_evaluation(tmp_path / "b", TWO, columns={"rank_sampled_recsysllm": ONE}, **both)

    whole, sampled = compare_evaluations(one, two).rankings

    assert [whole.title, sampled.title] == ["Whole catalogue", "Sampled negatives"]
    assert whole.first == sampled.second
    assert [whole.verdicts["hr_at_1"], sampled.verdicts["hr_at_1"]] == ["better", "worse"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dataset": "e" * 64}, "the same dataset (digest), got dddd"),
        ({"split": "valid"}, "the same evaluate.split, got test in"),
        ({"exclude_seen": True}, "the same evaluate.exclude_seen, got False in"),
        ({"competitors": ["sampled"]}, "the same evaluate.competitors, got ['catalogue'] in"),
        (
            {"dataset_split": {"kind": "temporal", "valid_from": 1.0, "test_from": 2.0}},
            "the same split of the dataset, got {'kind': 'leave_one_out'",
        ),
        ({"users": ["ann", "bob", "cyd", "dan", "eve", "fay", "gus", "ida"]}, "of the same user,"),
        ({"targets": [4, 1, 9, 0, 2, 3, 4, 2]}, "of the same target of each user,"),
    ],
)
def test_evaluations_that_differ_in_anything_else_are_refused(tmp_path, change, said):
    one, two = write_evaluation(tmp_path / "a", ONE), write_evaluation(tmp_path / "b", TWO, **change)

    with pytest.raises(DataError) as caught:
        compare_evaluations(one, two)

    assert said in str(caught.value)
    assert str(two) in str(caught.value)


def test_fewer_users_and_other_negatives_are_refused_but_unused_settings_are_not(tmp_path):
    one = write_evaluation(tmp_path / "a", ONE)
    fewer = write_evaluation(tmp_path / "b", TWO[:5], users=USERS[:5], targets=TARGETS[:5])
    with pytest.raises(DataError, match=r"the same number of users, got 8 in .* and 5 in"):
        compare_evaluations(one, fewer)

    others = write_evaluation(tmp_path / "c", TWO, num_negatives=50, negatives_seed=4, seed=4)
    assert compare_evaluations(one, others).num_users == 8
    sampled = {"competitors": ["sampled"], "columns": {"rank_sampled_recsysllm": ONE}}
    one, two = (write_evaluation(tmp_path / f"s{seed}", ONE, negatives_seed=seed, **sampled) for seed in (1, 2))
    with pytest.raises(DataError, match=re.escape("the same evaluate.negatives_seed, got 1 in")):
        compare_evaluations(one, two)


def test_runs_of_different_seeds_are_compared_on_the_same_negatives(tmp_path):
    sampled = {"competitors": ["sampled"], "columns": {"rank_sampled_recsysllm": ONE}}
    one, two = (write_evaluation(tmp_path / f"s{seed}", ONE, seed=seed, **sampled) for seed in (1, 2))

    assert compare_evaluations(one, two).num_users == 8


def test_a_table_of_candidates_is_known_by_what_is_in_it(tmp_path):
    given = {"competitors": ["given"], "columns": {"rank_given_recsysllm": ONE}}
    one, two, three = (
        write_evaluation(tmp_path / name, ONE, candidates_digest=digest, **given)
        for name, digest in (("a", "c" * 64), ("b", "c" * 64), ("c", "e" * 64))
    )

    assert compare_evaluations(one, two).num_users == 8
    with pytest.raises(DataError, match=re.escape("the same table evaluate.candidates (digest), got cccc")):
        compare_evaluations(one, three)


def test_a_folder_that_is_no_evaluation_or_was_changed_is_refused(tmp_path):
    one = write_evaluation(tmp_path / "a", ONE)
    with pytest.raises(CheckpointError, match="holds no evaluation artifact"):
        compare_evaluations(one, tmp_path)
    pq.write_table(pa.table({"user_id": USERS, "target_item": TARGETS, "rank_recsysllm": TWO}), one / "ranks.parquet")
    with pytest.raises(CheckpointError, match="was changed after it was written"):
        compare_evaluations(one, one)


def test_the_files_and_the_terminal_tell_the_same(tmp_path, capsys):
    one = write_evaluation(tmp_path / "a", ONE, name="rank|4")
    two = write_evaluation(tmp_path / "b", TWO, name="rank8")

    assert main(["compare", str(one), str(two), "--out", str(tmp_path / "out"), "--json"]) == 0

    said, document = capsys.readouterr().out.rstrip().rsplit("\n", 1)
    comparison = compare_evaluations(one, two)
    assert json.loads((tmp_path / "out" / "compare.json").read_text(encoding="utf-8")) == to_json(comparison)
    assert json.loads(document) == {"command": "compare", **to_json(comparison)}
    text = (tmp_path / "out" / "compare.md").read_text(encoding="utf-8")
    assert text == said + "\n" == format_comparison(comparison) + "\n"
    lines = text.splitlines()
    assert lines[0] == "# rank\\|4 compared with rank8"
    assert "| metric | rank\\|4 | rank8 | difference | rank\\|4 is |" in lines
    assert [line.rsplit("|", 2)[1].strip() for line in lines if line.startswith("| HR@")] == [
        "better",
        "better",
        "cannot be told apart",
    ]


def test_equal_names_are_told_apart_by_letters(tmp_path):
    one, two = write_evaluation(tmp_path / "a", ONE), write_evaluation(tmp_path / "b", TWO)

    write_comparison(tmp_path / "out", compare_evaluations(one, two))

    assert "| metric | run (A) | run (B) |" in (tmp_path / "out" / "compare.md").read_text(encoding="utf-8")


def test_users_whose_held_out_event_has_a_time_of_its_own_are_also_compared_alone(tmp_path):
    own = [True, False, True, True, False, True, True, False]
    columns = {"has_own_time": own}
    one, two = (write_evaluation(tmp_path / name, ranks, columns=columns) for name, ranks in (("a", ONE), ("b", TWO)))
    chosen = [place for place, is_own in enumerate(own) if is_own]
    few = {
        "users": [USERS[place] for place in chosen],
        "targets": [TARGETS[place] for place in chosen],
    }
    alone = compare_evaluations(
        *(
            write_evaluation(tmp_path / f"few-{name}", [ranks[place] for place in chosen], **few)
            for name, ranks in (("a", ONE), ("b", TWO))
        )
    ).rankings[0]

    comparison = compare_evaluations(one, two)

    ranking = comparison.rankings[0]
    assert ranking.own_time == ComparedGroup(
        num_users=5,
        first=alone.first,
        second=alone.second,
        difference=alone.difference,
        verdicts=alone.verdicts,
    )
    text = format_comparison(comparison)
    assert "### Users with a held-out event with a time of its own: 5 of 8" in text
    assert text.count("| metric | run (A) | run (B) |") == 2


@pytest.mark.parametrize("own", [[True] * 8, [False] * 8])
def test_where_all_or_no_users_have_such_an_event_they_are_compared_once(tmp_path, own):
    one = write_evaluation(tmp_path / "a", ONE, columns={"has_own_time": own})

    (ranking,) = compare_evaluations(one, one).rankings

    assert ranking.own_time is None
    assert set(to_json(ranking)) == {"title", "competitors", "first", "second", "difference", "verdicts"}


def test_a_report_without_its_protocol_is_refused(tmp_path):
    with write_artifact(tmp_path / "old", "evaluation", {}, {"dataset": "d"}) as (partial, _):
        (partial / "report.json").write_text(json.dumps({"name": "old", "protocol": "Leave-one-out."}))
        pq.write_table(pa.table({"user_id": ["a"]}), partial / "ranks.parquet")

    with pytest.raises(DataError) as caught:
        compare_evaluations(tmp_path / "old", tmp_path / "old")

    assert f"{tmp_path / 'old' / 'report.json'} is not a report of this version; evaluate the run again" in str(
        caught.value
    )
    assert "\n  protocol: must be an object, got 'Leave-one-out.'\n" in str(caught.value)
