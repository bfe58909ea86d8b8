"""The tasks of a run that was trained on them, from the artifacts to the report, on a real cluster."""

import dataclasses
import json
import os
import signal
from pathlib import Path

import jsonschema
import pyarrow.parquet as pq
import pytest

from recsys_model.errors import ConfigError
from recsys_model.text.tasks import TASKS
from recsys_model.text.templates import load_templates
from recsys_platform.cli import summaries
from recsys_platform.config.run import RunConfig, build_config, config_to_dict
from recsys_platform.config.stages import EvaluateConfig
from recsys_platform.evaluate.report.json_format import json_schema, to_json
from recsys_platform.evaluate.stage import EvaluationResult, run_evaluate
from recsys_platform.evaluate.tasks.data import chosen_tasks, trained_tasks
from recsys_platform.evaluate.workers.pool import answer_batches
from tests.recsys_platform.task_dataset import (
    WEIGHTS,
    facts_of,
    task_config,
    write_task_checkpoint,
    write_task_dataset,
)
from tests.recsys_platform.tiny_dataset import SEQUENCES

NUM_USERS = 10
REVIEWED = [user for user in SEQUENCES if facts_of(user, 0).review]
HEADED = [user for user in REVIEWED if facts_of(user, 0).summary]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> RunConfig:
    """A run with all tasks whose data and train stages are done."""
    config = task_config(tmp_path_factory.mktemp("tasks"))
    write_task_dataset(config)
    write_task_checkpoint(config)
    return config


def evaluated(config: RunConfig, name: str, **changes) -> tuple[EvaluationResult, dict, RunConfig]:
    """Evaluate with changed settings into a folder of its own; return result, report and run."""
    folder = config.folder.parent / name
    folder.mkdir()
    for stage in ("dataset", "checkpoint"):
        (folder / stage).symlink_to(config.folder / stage)
    config = dataclasses.replace(config, name=name, evaluate=dataclasses.replace(config.evaluate, **changes))
    result = run_evaluate(config)
    report = json.loads((config.evaluation_folder / "report.json").read_text(encoding="utf-8"))
    return result, report, config


def rows_of(config: RunConfig) -> list[dict]:
    return pq.read_table(config.evaluation_folder / "tasks.parquet").to_pylist()


@pytest.mark.e2e
def test_every_task_is_asked_in_seen_and_in_unseen_words_alike_by_any_number_of_workers(ray_cluster, run):
    result, report, two = evaluated(run, "two", task_users=NUM_USERS)
    _, _, one = evaluated(run, "one", task_users=NUM_USERS, num_workers=1)

    rows, others = rows_of(two), rows_of(one)
    # a worker alone has more threads, which add up in another order
    numbers = [[row.pop("prediction") or 0.0 for row in each] for each in (rows, others)]
    assert numbers[0] == pytest.approx(numbers[1], abs=1e-4)
    assert rows == others
    assert to_json(result.report.tasks) == report["tasks"]
    jsonschema.validate(report, json_schema())
    entries = {(entry["task"], entry["templates"]): entry for entry in report["tasks"]}
    assert list(entries) == [(task, words) for task in TASKS for words in ("seen", "unseen")]
    unseen = {template.template_id for template in load_templates().templates if template.split == "unseen"}
    for (task, words), entry in entries.items():
        own = [row for row in rows if (row["task"], row["templates"]) == (task, words)]
        assert entry["family"] == TASKS[task].family
        assert entry["num_cases"] == len(own) > 0
        assert set(entry["template_ids"]) == {row["template_id"] for row in own}
        assert all((row["template_id"] in unseen) == (words == "unseen") for row in own)
        own_methods = {"expected_rating", "most_likely_rating"} if TASKS[task].answer == "rating" else {"recsysllm"}
        assert own_methods < set(entry["metrics"]) <= set(report["method_titles"])
        assert len(entry["examples"]) == 5
        assert all(set(example) == {"question", "truth", "answer"} for example in entry["examples"])
        line = f"{task} ({words}, {len(own)} questions): "
        (typed,) = [each for each in result.report.tasks if (each.task, each.templates) == (task, words)]
        assert summaries.of_task(typed).startswith(line)


@pytest.mark.e2e
def test_rows_tell_what_the_users_did_and_figures_follow_from_the_rows(ray_cluster, run):
    _, report, config = evaluated(
        run, "rows", task_users=0, tasks=("rating", "direct_yes_no", "review_summary", "candidate")
    )

    rows = {name: [] for name in ("rating", "direct_yes_no", "review_summary", "candidate")}
    for row in rows_of(config):
        if row["templates"] == "seen":
            rows[row["task"]].append(row)
    figures = {entry["task"]: entry["metrics"] for entry in report["tasks"] if entry["templates"] == "seen"}
    truth = {user: facts_of(user, len(items) - 1) for user, items in SEQUENCES.items()}

    assert [row["user_id"] for row in rows["rating"]] == list(SEQUENCES)
    assert all(float(row["truth"]) == truth[row["user_id"]].rating for row in rows["rating"])
    errors = [abs(row["prediction"] - float(row["truth"])) for row in rows["rating"]]
    assert figures["rating"]["expected_rating"]["mae"]["value"] == pytest.approx(sum(errors) / 24)
    errors = [abs(row["most_likely_rating"] - float(row["truth"])) for row in rows["rating"]]
    assert figures["rating"]["most_likely_rating"]["mae"]["value"] == pytest.approx(sum(errors) / 24)
    trained = [facts_of(user, len(items) - 3).rating for user, items in SEQUENCES.items()]
    mean = sum(trained) / 24
    errors = [abs(mean - float(row["truth"])) for row in rows["rating"]]
    assert figures["rating"]["mean_rating"]["mae"]["value"] == pytest.approx(sum(errors) / 24)

    assert [row["user_id"] for row in rows["direct_yes_no"]] == [user for user in SEQUENCES for _ in range(2)]
    right = sum(row["truth"] == row["answer"] for row in rows["direct_yes_no"])
    assert figures["direct_yes_no"]["recsysllm"]["accuracy"]["value"] == pytest.approx(right / 48)
    for row in rows["direct_yes_no"]:
        assert (row["truth"] == "yes") == (row["asked_item"] == SEQUENCES[row["user_id"]][-1])
        assert row["truth"] == "yes" or row["asked_item"] not in SEQUENCES[row["user_id"]]

    assert [row["user_id"] for row in rows["review_summary"]] == HEADED
    assert all(row["truth"] == truth[row["user_id"]].summary for row in rows["review_summary"])
    assert all(row["truth"] in row["question"] or "I took it home" in row["question"] for row in rows["review_summary"])

    hits = sum(row["rank"] == 1 for row in rows["candidate"])
    assert figures["candidate"]["recsysllm"]["hr_at_1"]["value"] == pytest.approx(hits / 24)
    for row in rows["candidate"]:
        assert len(row["items"]) == 5
        assert row["items"].index(SEQUENCES[row["user_id"]][-1]) == row["rank"] - 1


@pytest.mark.e2e
def test_without_tasks_the_list_is_empty_and_nothing_is_written(ray_cluster, run):
    result, report, config = evaluated(run, "none", tasks=False, num_users=3)

    assert result.report.tasks == ()
    assert report["tasks"] == []
    assert not (config.evaluation_folder / "tasks.parquet").exists()


class DiesOnce:
    """An actor that is killed in its first call."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def double(self, batch: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return twice the numbers, if this is not the first call of all."""
        if not self._marker.exists():
            self._marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return [(place, 2 * number) for place, number in batch]


@pytest.mark.e2e
def test_a_worker_that_dies_is_replaced_and_its_batch_repeated(ray_cluster, tmp_path):
    batches = [[(0, 1), (1, 2)], [(2, 3)], [(3, 4)]]

    answers = answer_batches(
        DiesOnce, (tmp_path / "died",), "double", batches, num_workers=2, use_gpu=False, unit="number"
    )

    assert answers == {0: 2, 1: 4, 2: 6, 3: 8}
    assert (tmp_path / "died").exists()


def test_a_task_that_was_not_trained_is_refused_before_anything_is_ranked(run):
    untrained = {"tasks": {"template_share": 0.5, "rating_weight": 1.0}}

    with pytest.raises(
        ConfigError, match=r"evaluate.tasks must name tasks that the checkpoint was trained on \(rating\)"
    ):
        chosen_tasks(EvaluateConfig(tasks=("rating", "candidate")), untrained)
    assert chosen_tasks(EvaluateConfig(tasks=("rating",)), untrained) == ["rating"]
    assert chosen_tasks(EvaluateConfig(), untrained) == ["rating"]
    assert chosen_tasks(EvaluateConfig(tasks=False), untrained) == []
    assert chosen_tasks(EvaluateConfig(), {}) == []
    assert trained_tasks({"tasks": {"template_share": 1.0, **WEIGHTS}}) == list(TASKS)


@pytest.mark.parametrize("value", [True, False, ["rating", "candidate"]])
def test_tasks_are_chosen_in_the_file_of_a_run(run, value):
    document = config_to_dict(run) | {"evaluate": {"tasks": value, "task_users": 7}}

    read = build_config(document).evaluate

    assert read.tasks == (tuple(value) if isinstance(value, list) else value)
    assert read.task_users == 7


@pytest.mark.parametrize(
    ("evaluate", "message"),
    [
        (
            {"tasks": ["ratings"]},
            "evaluate.tasks must be true, false or names out of rating, sequential, .*; got .'ratings'",
        ),
        ({"task_users": -1}, "evaluate.task_users must not be negative, got -1"),
    ],
)
def test_wrong_settings_are_refused(run, evaluate, message):
    with pytest.raises(ConfigError, match=message):
        build_config(config_to_dict(run) | {"evaluate": evaluate})
