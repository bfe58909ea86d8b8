"""Questions that cannot be asked are found before a training, not in the middle of it."""

import dataclasses

import pytest

from recsys_model.errors import ConfigError, UnaskableError
from recsys_platform.task_columns import FACT_COLUMNS
from recsys_platform.train.questions import check_questions, load_questions
from recsys_platform.train.reader import ExampleReader
from tests.recsys_platform.tiny_tasks import tiny_task_config, write_tiny_tasks


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    config = tiny_task_config(tmp_path_factory.mktemp("check"))
    write_tiny_tasks(config)
    return config


def with_candidates(config, num_candidates):
    return dataclasses.replace(config, tasks=dataclasses.replace(config.tasks, num_candidates=num_candidates))


def test_questions_that_can_be_asked_are_not_warned_of(config):
    assert check_questions(config) == []


def test_a_family_that_cannot_be_asked_at_all_stops_the_run_with_the_reason(config):
    with pytest.raises(ConfigError, match=r"tasks\.\w+_weight is 1, but none of \d+ questions .* can be asked"):
        check_questions(with_candidates(config, 500))


def test_rows_that_cannot_be_asked_are_told_plainly_and_warned_of(config):
    reader = ExampleReader(config.dataset_folder / "examples" / "train", FACT_COLUMNS)
    rows = [row for start in range(reader.num_rows) for row in reader.read([start]).select(FACT_COLUMNS).to_pylist()]
    num_items = len(load_questions(config.tasks, config.dataset_folder)._source.catalog.items)
    fewest, most = (pick(len({*row["own_items"], row["target_item"]}) for row in rows) for pick in (min, max))
    assert fewest < most
    narrow = with_candidates(config, num_items - fewest + 1)
    questions = load_questions(narrow.tasks, config.dataset_folder).of_family("candidate")

    warnings = check_questions(narrow)

    asked = [questions.ask(row, (row["user_id"],)) is not None for row in rows]
    assert any(asked)
    assert not all(asked)
    assert f"{asked.count(False)} of {len(rows)} candidate questions" in " ".join(warnings)
    with pytest.raises(UnaskableError):
        questions.try_to_ask(rows[asked.index(False)], ("any",))
