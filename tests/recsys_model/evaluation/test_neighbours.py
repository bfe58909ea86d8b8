import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys_model.evaluation.baselines import rank_by_keys
from recsys_model.evaluation.neighbours import ItemNeighbours

NUM_ITEMS = 6
ITEMS = st.integers(0, NUM_ITEMS - 1)


def slow_keys(sequences: list[list[int]], history: list[int]) -> list[int]:
    """Add up the cosines of sets of users by loops, and number the distinct sums."""
    users = [{user for user, sequence in enumerate(sequences) if item in sequence} for item in range(NUM_ITEMS)]
    sums = []
    for item in range(NUM_ITEMS):
        others = [other for other in set(history) if other != item]
        cosines = [
            len(users[item] & users[other]) / math.sqrt(len(users[item]) * len(users[other]))
            for other in others
            if users[item] & users[other]
        ]
        sums.append(round(sum(cosines), 9))
    return [sorted(set(sums)).index(value) for value in sums]


@given(st.lists(st.lists(ITEMS, max_size=6), min_size=1, max_size=6), st.lists(ITEMS, max_size=4))
def test_items_are_ranked_by_the_cosines_of_their_users_to_those_of_the_history(sequences, history):
    keys = ItemNeighbours(sequences, NUM_ITEMS).sort_keys(history)

    expected = slow_keys(sequences, history)
    # sums that are equal but for rounding may come in either order
    for item in range(NUM_ITEMS):
        for other in range(NUM_ITEMS):
            if expected[item] > expected[other]:
                assert keys[item] > keys[other]
    assert keys.min() == 0


def test_only_the_nearest_neighbours_of_an_item_of_the_history_count():
    sequences = [[0, 1], [0, 1], [0, 2], [3, 2], [0, 4], [4, 5]]

    # 1 shares both of its users with 0, 2 and 4 one of two each
    assert ItemNeighbours(sequences, NUM_ITEMS, num_neighbours=1).sort_keys([0]).tolist() == [0, 1, 0, 0, 0, 0]
    assert ItemNeighbours(sequences, NUM_ITEMS, num_neighbours=2).sort_keys([0]).tolist() == [0, 2, 1, 0, 0, 0]
    assert ItemNeighbours(sequences, NUM_ITEMS).sort_keys([0]).tolist() == [0, 2, 1, 0, 1, 0]


@pytest.mark.parametrize("history", [[], [5], [5, 5]])
def test_a_history_that_nobody_shares_makes_all_items_equal(history):
    keys = ItemNeighbours([[0, 1], [1, 2], []], NUM_ITEMS).sort_keys(history, user=0)

    assert keys.tolist() == [0] * NUM_ITEMS
    assert rank_by_keys(np.asarray(keys), 3) == NUM_ITEMS
