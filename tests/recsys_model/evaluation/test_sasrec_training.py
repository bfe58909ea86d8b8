"""Training SASRec: what is learned, what is never trained on, and which pass is kept."""

import numpy as np
import pytest
import torch

from recsys_model.errors import CheckpointError, DataError
from recsys_model.evaluation import sasrec_training
from recsys_model.evaluation.baselines import rank_by_keys
from recsys_model.evaluation.metrics import ndcg_gains
from recsys_model.evaluation.sasrec import SASRec, SASRecConfig, SASRecRanker
from recsys_model.evaluation.sasrec_training import batch_loss, train_sasrec, validation_ndcg

NUM_ITEMS = 14
RING = [[(start + step) % 12 for step in range(3 + start % 4)] for start in range(12)]
"""Item i is always followed by i + 1, 11 by 0; items 12 and 13 never occur."""
NEXT = [(sequence[-1] + 1) % 12 for sequence in RING]
SMALL = {"hidden_size": 16, "num_blocks": 1, "max_history": 4, "batch_users": 5}


def train(max_passes: int, seed: int = 0, sequences=RING, following=NEXT, **settings):
    config = SASRecConfig(**(SMALL | {"max_passes": max_passes} | settings))
    return train_sasrec(sequences, following, NUM_ITEMS, config, seed=seed)


def test_what_always_follows_is_learned():
    trained = train(60, dropout=0.1, learning_rate=0.01)

    ranker = trained.ranker()
    ranks = [rank_by_keys(ranker.sort_keys(items), item, set(items)) for items, item in zip(RING, NEXT, strict=True)]
    assert ranks == [1] * 12
    assert trained.passes[-1].loss < 0.5 * trained.passes[0].loss


def test_the_last_item_alone_learns_it_too():
    trained = train(80, num_blocks=0, dropout=0.1, learning_rate=0.02)

    ranker = trained.ranker()
    ranks = [rank_by_keys(ranker.sort_keys(items), item, set(items)) for items, item in zip(RING, NEXT, strict=True)]
    assert np.mean(np.array(ranks) <= 2) > 0.8


def test_only_training_events_are_trained_on(monkeypatch):
    told = []
    loss = sasrec_training.batch_loss
    monkeypatch.setattr(
        sasrec_training, "batch_loss", lambda model, sequences: (told.extend(sequences), loss(model, sequences))[1]
    )

    train(2, sequences=[[1, 2, 3, 4, 5, 6], [7, 8], [9], []], following=[13, 12, 11, None])

    # the events beyond the longest history are left out, users without a target as well
    assert sorted(map(list, told[:2])) == [[2, 3, 4, 5, 6], [7, 8]]
    assert len(told) == 4


def test_the_same_seed_gives_the_same_model_and_leaves_the_generator_of_the_caller_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)

    one, again, other = train(3), train(3), train(3, seed=1)

    assert torch.rand(1) == expected
    assert one.passes == again.passes
    assert one.passes != other.passes
    for weight, same in zip(one.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(weight, same)


def test_the_pass_with_the_best_validation_is_kept_and_training_ends_when_patience_does(monkeypatch):
    figures = iter([0.1, 0.3, 0.2, 0.3, 0.1, 0.9])
    weights = []

    def told(model, asked):
        weights.append(model.items.weight.detach().clone())
        return next(figures)

    monkeypatch.setattr(sasrec_training, "validation_ndcg", told)

    trained = train(50, patience=3)

    assert [each.validation_ndcg for each in trained.passes] == [0.1, 0.3, 0.2, 0.3, 0.1]
    assert trained.kept_pass == 2
    assert torch.equal(trained.model.items.weight, weights[1])
    assert not torch.equal(trained.model.items.weight, weights[4])


def test_the_first_pass_is_kept_where_none_ever_finds_anything(monkeypatch):
    monkeypatch.setattr(sasrec_training, "validation_ndcg", lambda model, asked: 0.0)

    trained = train(50, patience=2)

    assert (len(trained.passes), trained.kept_pass) == (3, 1)


def test_validation_ranks_as_a_ranker_does_without_the_items_of_the_sequence(monkeypatch):
    monkeypatch.setattr(sasrec_training, "RANKED_USERS", 3)
    model = train(1).model
    # the third target was taken before and counts as missed, the sequence of the fourth is longer than a history
    asked = [([3, 1], 4), ([5], 6), ([2, 7, 2], 7), ([0, 1, 2, 3, 4, 5], 8), ([9, 8], 2)]
    asked = [(np.array(sequence), item) for sequence, item in asked]

    ranker = SASRecRanker(model)
    ranks = [rank_by_keys(ranker.sort_keys(items), item, set(items.tolist())) for items, item in asked]
    assert ranks[2] == 0
    assert validation_ndcg(model, asked) == pytest.approx(ndcg_gains(np.array(ranks), 10).mean())


def test_the_loss_of_a_batch_is_the_sum_over_users_however_they_are_grouped(monkeypatch):
    sequences = [np.array(sequence) for sequence in ([3, 1, 4], [5, 6], [2, 7, 2, 9], [1, 0])]
    model = SASRec(NUM_ITEMS, SASRecConfig(**SMALL)).eval()

    alone = sum(batch_loss(model, [sequence])[0].item() for sequence in sequences)

    for size in (1, 3, 64):
        monkeypatch.setattr(sasrec_training, "GROUP_USERS", size)
        loss, num_targets = batch_loss(model, sequences)
        assert loss.item() == pytest.approx(alone, rel=1e-5)
        assert num_targets == 7


@pytest.mark.parametrize(
    ("sequences", "following", "counts"), [([[1], [2]], [3, 4], "0 and 2"), ([[1, 2]], [None], "1 and 0")]
)
def test_nothing_to_learn_from_or_to_validate_on_is_refused(sequences, following, counts):
    with pytest.raises(DataError, match=f"one with a validation event, got {counts} users; take them out"):
        train(1, sequences=sequences, following=following)


def test_a_training_that_diverges_is_refused():
    with pytest.raises(DataError, match="the loss of sasrec must be finite, got"):
        train(30, learning_rate=1e30)


def test_a_training_that_was_interrupted_goes_on_to_the_same_weights(tmp_path):
    config = SASRecConfig(**SMALL, max_passes=6)
    unbroken = train_sasrec(RING, NEXT, NUM_ITEMS, config, seed=0)
    state_file = tmp_path / "state.pt"

    def interrupt(each):
        if each.number == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_sasrec(RING, NEXT, NUM_ITEMS, config, seed=0, on_pass=interrupt, state_file=state_file)
    passes = []
    resumed = train_sasrec(RING, NEXT, NUM_ITEMS, config, seed=0, on_pass=passes.append, state_file=state_file)

    assert [each.number for each in passes] == [5, 6]
    assert (resumed.passes, resumed.kept_pass) == (unbroken.passes, unbroken.kept_pass)
    for weight, same in zip(resumed.model.parameters(), unbroken.model.parameters(), strict=True):
        assert torch.equal(weight, same)


def test_a_training_that_has_ended_is_not_made_again(tmp_path, monkeypatch):
    config = SASRecConfig(**SMALL, max_passes=3)
    state_file = tmp_path / "state.pt"
    ended = train_sasrec(RING, NEXT, NUM_ITEMS, config, seed=0, state_file=state_file)
    monkeypatch.setattr(sasrec_training, "batch_loss", lambda *_: pytest.fail("trained again"))

    again = train_sasrec(RING, NEXT, NUM_ITEMS, config, seed=0, state_file=state_file)

    assert (again.passes, again.kept_pass) == (ended.passes, ended.kept_pass)
    assert torch.equal(again.model.items.weight, ended.model.items.weight)


def test_a_state_of_another_model_or_a_damaged_one_is_refused(tmp_path):
    state_file = tmp_path / "state.pt"
    train_sasrec(RING, NEXT, NUM_ITEMS, SASRecConfig(**SMALL, max_passes=1), seed=0, state_file=state_file)
    with pytest.raises(
        CheckpointError, match=r"state.pt cannot be read as the state .* delete it to train from the start"
    ):
        train_sasrec(RING, NEXT, NUM_ITEMS + 1, SASRecConfig(**SMALL), seed=0, state_file=state_file)

    state_file.write_bytes(state_file.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="delete it to train from the start"):
        train_sasrec(RING, NEXT, NUM_ITEMS, SASRecConfig(**SMALL), seed=0, state_file=state_file)
