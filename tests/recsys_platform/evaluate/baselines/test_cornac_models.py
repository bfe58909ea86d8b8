"""Models of cornac as rankers: they learn what is there to learn, and answer as cornac itself does."""

import dataclasses
import importlib.util
import re

import numpy as np
import pytest
import torch

from recsys_model.errors import ConfigError, DataError
from recsys_model.evaluation.baselines import rank_by_keys
from recsys_platform.evaluate.baselines.cornac_data import TrainingEvents, interaction_set, rating_set, session_set
from recsys_platform.evaluate.baselines.cornac_models import build_ranker, check_installed
from recsys_platform.evaluate.baselines.cornac_settings import MODELS
from recsys_platform.evaluate.report.wording import METHOD_TITLES

NUM_ITEMS = 14
RING = [[(start + step) % 12 for step in range(6)] for start in range(12)]
"""Item i is always followed by i + 1, 11 by 0; items 12 and 13 never occur."""
GROUPS = (range(6), range(6, 12))
PERSONAL = [np.random.default_rng(user).permutation(GROUPS[user % 2])[:4].tolist() for user in range(40)]
"""Four of the first six items for even users, four of the other six for odd ones."""


def share_of_pairs_in_order(keys: np.ndarray, user: int) -> float:
    """Return how often an item of the user's group, taken or not, is before one of the other group."""
    own, other = GROUPS[user % 2], GROUPS[1 - user % 2]
    return float(np.mean([keys[mine] > keys[theirs] for mine in own for theirs in other]))


@pytest.fixture(scope="module")
def sasrec():
    return build_ranker("sasrec_cornac", [[7, 3], [], [3, 9, 3]], NUM_ITEMS, seed=1, num_threads=1, epochs=1)


@pytest.mark.parametrize(("name", "epochs"), [("gru4rec", 40), ("sasrec_cornac", 40), ("bert4rec", 40)])
def test_sequential_models_learn_what_always_follows(name, epochs):
    ranker = build_ranker(name, RING, NUM_ITEMS, seed=0, num_threads=1, epochs=epochs)

    ranks = [rank_by_keys(ranker.sort_keys(items), (items[-1] + 1) % 12) for items in RING]

    assert np.mean([rank == 1 for rank in ranks]) > 0.8
    assert ranker.sort_keys(RING[0])[12:].tolist() == [0, 0]
    assert ranker.sort_keys(RING[0])[:12].min() > 0


@pytest.mark.parametrize(("name", "epochs"), [("bpr", 100), ("mf", 120)])
def test_matrix_models_put_the_items_of_a_users_group_first(name, epochs):
    ranker = build_ranker(name, PERSONAL, NUM_ITEMS, seed=0, num_threads=1, epochs=epochs)

    assert np.mean([share_of_pairs_in_order(ranker.sort_keys([], user), user) for user in range(40)]) > 0.9
    assert ranker.sort_keys([0], 0)[12:].tolist() == [0, 0]


@pytest.mark.parametrize("name", ["bpr", "mf"])
def test_a_user_without_training_events_gets_the_biases_of_the_items(name):
    ranker = build_ranker(name, [[0, 1], [], [1, 2], [1]], NUM_ITEMS, seed=0, num_threads=1)

    assert ranker.events.item_K.tolist() == [0, 1, 2]
    assert ranker.scores([0], user=1).tolist() == ranker.scores([2]).tolist() == ranker.model.i_biases.tolist()
    assert ranker.scores([0], user=2).tolist() == ranker.model.score(1).tolist()
    assert ranker.scores([0], user=2).tolist() != ranker.scores([0], user=3).tolist()


def test_most_popular_counts_users_and_equal_counts_have_equal_keys():
    ranker = build_ranker("most_popular", [[5, 5, 5, 1], [1, 3], []], 6, seed=0, num_threads=1)

    assert ranker.sort_keys([5], 0).tolist() == [0, 2, 0, 1, 0, 1]
    assert rank_by_keys(ranker.sort_keys([]), 3) == rank_by_keys(ranker.sort_keys([]), 5) == 3
    assert rank_by_keys(ranker.sort_keys([]), 0) == 6


def test_ease_adds_up_the_weights_that_steck_gives_for_what_the_history_has():
    sequences = [[7, 3, 7], [], [3, 9], [9, 7, 3]]
    ranker = build_ranker("ease", sequences, NUM_ITEMS, seed=0, num_threads=1)
    # rows are users, columns the items 7, 3 and 9 in the order in which they occur
    taken = np.array([[1, 1, 0], [0, 1, 1], [1, 1, 1]])
    inverse = np.linalg.inv(taken.T @ taken + 500 * np.eye(3))

    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)

    np.testing.assert_allclose(ranker.scores([9, 0, 7, 9]), weights[2] + weights[0], rtol=1e-6)
    assert ranker.scores([], user=0).tolist() == [0.0, 0.0, 0.0]
    keys = ranker.sort_keys([9])
    assert keys[3] > keys[7] > keys[0] == 0


def test_ease_is_refused_where_its_matrix_would_not_fit(monkeypatch):
    monkeypatch.setitem(MODELS, "ease", dataclasses.replace(MODELS["ease"], max_items=2))

    with pytest.raises(
        DataError, match=r"ease must have at most 2 items in training, .* got 3, which take 0 GB; take it"
    ):
        build_ranker("ease", [[7, 3, 9]], NUM_ITEMS, seed=0, num_threads=1)


def test_a_history_is_told_to_cornac_in_its_own_numbers_without_items_that_it_never_saw(sasrec):
    # 7, 3 and 9 occur in training in this order, 0 does not
    padded = torch.tensor([[3] * 17 + [2, 1, 0]])
    sasrec.model.model.eval()

    expected = sasrec.model.model.predict(0, padded)

    assert sasrec.scores([9, 0, 3, 7]).tolist() == expected.tolist()
    keys = sasrec.sort_keys([9, 0, 3, 7])
    assert keys[[7, 3, 9]].tolist() == (1 + np.argsort(np.argsort(expected))).tolist()
    assert np.flatnonzero(keys).tolist() == [3, 7, 9]


def test_equal_seeds_give_equal_scores_and_leave_the_callers_generators_alone(sasrec):
    np.random.seed(5)  # noqa: NPY002 (the generator that cornac uses)
    torch.manual_seed(5)
    expected = np.random.rand(), torch.rand(1)  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)

    for name in ("sasrec_cornac", "gru4rec"):
        build_ranker(name, [[7, 3], [], [3, 9, 3]], NUM_ITEMS, seed=1, num_threads=1, epochs=1)
    again = build_ranker("sasrec_cornac", [[7, 3], [], [3, 9, 3]], NUM_ITEMS, seed=1, num_threads=1, epochs=1)

    assert (np.random.rand(), torch.rand(1)) == expected  # noqa: NPY002
    assert again.scores([3]).tolist() == sasrec.scores([3]).tolist()
    other = build_ranker("sasrec_cornac", [[7, 3], [], [3, 9, 3]], NUM_ITEMS, seed=2, num_threads=1, epochs=1)
    assert other.scores([3]).tolist() != again.scores([3]).tolist()


def test_cornac_is_given_every_training_event_in_our_order():
    events = TrainingEvents([[7, 3, 7], [], [9], [3, 9]], NUM_ITEMS)

    sessions = session_set(events, seed=0)

    _, items, _ = sessions.uir_tuple
    told = [[int(events.item_K[items[row]]) for row in rows] for rows in sessions.sessions.values()]
    assert told == [[7, 3, 7], [9], [3, 9]]
    assert events.num_sequences == 2


def test_ratings_are_what_a_user_took_and_drawn_items_that_the_user_did_not():
    sequences = [[7, 3, 7], [], [9], [3, 9]]
    events = TrainingEvents(sequences, NUM_ITEMS)
    numbers = {place: user for user, place in events.user_to_place.items()}

    for build in (rating_set, interaction_set):
        users, items, ratings = build(events, 0).uir_tuple
        rows = [(numbers[int(u)], int(events.item_K[i]), r) for u, i, r in zip(users, items, ratings, strict=True)]
        taken = {(user, item) for user, item, rating in rows if rating == 1.0}
        assert taken == {(user, item) for user, sequence in enumerate(sequences) for item in sequence}
        assert all(item not in sequences[user] for user, item, rating in rows if rating == 0.0)
        assert any(rating == 0.0 for _, _, rating in rows) == (build is rating_set)
        assert len(rows) == len(set(rows))


def test_nothing_to_learn_from_is_refused():
    with pytest.raises(DataError, match="at least 2 training events to learn from, the longest sequence has 1"):
        build_ranker("sasrec_cornac", [[1], [2]], NUM_ITEMS, seed=0, num_threads=1)
    with pytest.raises(DataError, match="at least 1 training events"):
        build_ranker("bpr", [[]], NUM_ITEMS, seed=0, num_threads=1)


def test_a_training_that_diverged_is_refused(sasrec):
    class Diverged:
        def score(self, user, history):
            return np.array([0.5, np.nan, 0.1])

    broken = type(sasrec)("sasrec_cornac", Diverged(), sasrec.events, "sequential", 1)

    with pytest.raises(DataError, match="baseline sasrec_cornac must be finite: its training diverged"):
        broken.sort_keys([3])


def test_without_cornac_the_message_says_what_to_install(monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "cornac" else find_spec(name))

    check_installed(["popularity", "co_occurrence"])
    expected = re.escape("evaluate.baselines bpr, sasrec_cornac needs the package cornac, which is not installed; ")
    with pytest.raises(ConfigError, match=expected + re.escape("run: pip install 'recsysllm-on-ray[baselines]'")):
        check_installed(["popularity", "bpr", "sasrec_cornac"])
    with pytest.raises(ConfigError, match="needs the package cornac"):
        build_ranker("mf", [[1, 2]], NUM_ITEMS, seed=0, num_threads=1)


def test_every_model_has_a_title_in_the_report():
    assert set(MODELS) <= set(METHOD_TITLES)
