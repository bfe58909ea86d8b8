"""Our own SASRec as a baseline of an evaluation: what it may see."""

import numpy as np
import pytest

from recsys_platform.evaluate.baselines.sasrec import SASREC_MODELS, TrainingFiles, build_sasrec, events_to_train_on
from recsys_platform.evaluate.ranking.cases import EvaluationData
from recsys_platform.splits import DatasetSplit

DATA = EvaluationData(
    cases=[],
    training_sequences=[np.array([3, 1, 4]), np.array([5]), np.zeros(0, dtype=np.int64)],
    validation_items=[6, None, None],
    num_events=7,
    num_users_in_split=3,
    split=DatasetSplit(),
)


def plain(events):
    return [np.asarray(sequence).tolist() for sequence in events.sequences], events.validation_items


def test_the_validation_events_choose_the_pass_where_test_events_are_ranked():
    assert plain(events_to_train_on(DATA, "test")) == ([[3, 1, 4], [5], []], [6, None, None])


def test_the_last_training_events_choose_it_where_the_validation_events_are_ranked():
    assert plain(events_to_train_on(DATA, "valid")) == ([[3, 1], [], []], [4, 5, None])


@pytest.mark.parametrize("name", sorted(SASREC_MODELS))
def test_the_record_tells_how_training_was_stopped(name):
    ranker, record = build_sasrec(name, events_to_train_on(DATA, "test"), 8, seed=0, max_passes=3, patience=2)

    assert sorted(ranker.sort_keys([3, 1]).tolist()) == list(range(8))
    assert (record.max_passes, record.patience) == (3, 2)
    assert 1 <= record.kept_pass <= record.num_passes <= 3
    assert 0.0 <= record.validation_ndcg_at_10 <= 1.0


def test_the_files_of_a_training_tell_its_latest_pass_and_let_it_go_on(tmp_path):
    files = TrainingFiles(tmp_path, "sasrec_3_2")
    assert files.latest_pass() is None
    events = events_to_train_on(DATA, "test")

    ranker, record = build_sasrec("sasrec", events, 8, seed=0, max_passes=3, patience=2, files=files)

    assert files.latest_pass().number == record.num_passes
    again, same_record = build_sasrec("sasrec", events, 8, seed=0, max_passes=3, patience=2, files=files)
    assert same_record == record
    assert again.sort_keys([3, 1]).tolist() == ranker.sort_keys([3, 1]).tolist()
