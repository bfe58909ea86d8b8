"""The rank of an item by counting better ones, over hand-made trees whose scores tie, against sorting all items."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_model.decoding import exact
from recsys_model.decoding.exact import best_first
from recsys_model.decoding.standing import BetterItems
from tests.recsys_model.decoding.tiny_trees import Tree

SEQUENCES = st.lists(
    st.lists(st.integers(0, 2), min_size=1, max_size=5).map(tuple), min_size=2, max_size=40, unique=True
)
STEPS = st.lists(st.sampled_from([0, 1, 2, 5]), min_size=1, max_size=30)


@settings(max_examples=150)
@given(SEQUENCES, STEPS, st.data(), st.sampled_from([1, 2, 32]))
def test_as_many_items_are_better_as_stand_before_it_in_order_of_score_and_index(sequences, steps, data, together):
    tree = Tree(sequences, steps, 2)
    item = data.draw(st.integers(0, len(sequences) - 1))
    scores = tree.item_scores
    # the second request has another score, as the item has it without an event
    own = [scores[item], data.draw(st.sampled_from(scores)) - 0.5]
    tree.finished = BetterItems(item, torch.tensor(own))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "NODES_TOGETHER", together)
        certificates = best_first(tree, 2, 10**6)
    for row, score in enumerate(own):
        others = [place for place in range(len(sequences)) if place != item]
        expected = sum((-scores[other], other) < (-score, item) for other in others)
        assert int(tree.finished.num_better_R[row]) == expected
        assert certificates[row].is_exact


@settings(max_examples=100)
@given(SEQUENCES, STEPS, st.data(), st.integers(1, 6))
def test_a_count_that_was_cut_short_is_no_larger_and_says_so(sequences, steps, data, limit):
    tree = Tree(sequences, steps, 1)
    item = data.draw(st.integers(0, len(sequences) - 1))
    scores = tree.item_scores
    tree.finished = BetterItems(item, torch.tensor([scores[item]]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "NODES_TOGETHER", 1)
        (certificate,) = best_first(tree, 1, limit)
    expected = sum((-scores[other], other) < (-scores[item], item) for other in range(len(sequences)))
    counted = int(tree.finished.num_better_R[0])
    assert counted == expected if certificate.is_exact else counted <= expected
