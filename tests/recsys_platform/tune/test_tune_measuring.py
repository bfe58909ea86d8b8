"""HR@1 of a trial among the candidates of a question, with a worker in this process in place of Ray's."""

import dataclasses

import pytest

from recsys_model.errors import DataError
from recsys_platform.evaluate.tasks import evaluation
from recsys_platform.evaluate.tasks.workers import TaskWorker
from recsys_platform.evaluate.workers import model
from recsys_platform.tune.measuring import measure_hit_rate
from tests.recsys_platform.task_dataset import task_config, write_task_checkpoint, write_task_dataset
from tests.recsys_platform.tiny_dataset import SEQUENCES


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setattr(model, "threads_per_worker", lambda _: 1)  # it asks Ray for the nodes
    config = task_config(tmp_path)
    write_task_dataset(config)
    write_task_checkpoint(config)
    return dataclasses.replace(config, tune=dataclasses.replace(config.tune, num_users=0, competitors="candidates"))


def test_the_validation_item_is_ranked_among_the_candidates_of_a_question_in_seen_words(config, monkeypatch):
    asked = []

    def answer_here(cases, settings, catalog, **_):
        answers = TaskWorker(settings).answer(list(enumerate(cases)))
        asked.extend(zip(cases, (answer for _, answer in answers), strict=True))
        return [answer for _, answer in answers]

    monkeypatch.setattr(evaluation, "answer_all", answer_here)
    hit_rate, num_users = measure_hit_rate(config)

    assert num_users == len(asked) == len(SEQUENCES)
    firsts = 0
    for case, answer in asked:
        assert (case.task, case.templates) == ("candidate", "seen")
        assert case.facts.target == SEQUENCES[case.event.user_id][-2]
        own = answer.scores[case.facts.candidates.index(case.facts.target)]
        firsts += sum(score >= own for score in answer.scores) == 1
    assert hit_rate.value == pytest.approx(firsts / num_users)
    assert 0.0 < hit_rate.value < 1.0


def test_no_question_that_fits_is_an_error_with_a_way_out(config, monkeypatch):
    monkeypatch.setattr(evaluation, "answer_all", lambda cases, *_, **__: [None] * len(cases))
    with pytest.raises(
        DataError, match=r"no user of the valid split can be asked the task candidate, 24 questions were too"
    ):
        measure_hit_rate(config)
