"""Weights of a blend against a scan with plain loops."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recsys_model.entity_config import BlendWeights
from recsys_model.entity_head.blend_fit import WEIGHTS, BlendCandidates, find_blend, find_token_weight, ndcg_of


def ndcg_by_loops(scores: np.ndarray, is_target: np.ndarray) -> list[float]:
    gains = []
    for score_row, target_row in zip(scores.tolist(), is_target.tolist(), strict=True):
        gain = 0.0
        for place, here in enumerate(target_row):
            if here:
                rank = 1 + sum(s >= score_row[place] for other, s in enumerate(score_row) if other != place)
                gain = 1 / math.log2(1 + rank) if rank <= 10 else 0.0
        gains.append(gain)
    return gains


def weight_by_scan(base: np.ndarray, part: np.ndarray, is_target: np.ndarray) -> float:
    """The smallest of the best weights, if its mean gain is above the standard error of the gains."""
    without = ndcg_by_loops(base, is_target)
    best, best_gains = 0.0, without
    for weight in WEIGHTS:
        gains = ndcg_by_loops(base + np.float32(weight) * part, is_target)
        if np.mean(gains) > np.mean(best_gains):
            best, best_gains = weight, gains
    if len(without) < 2:
        return 0.0
    differences = [gain - before for gain, before in zip(best_gains, without, strict=True)]
    mean = sum(differences) / len(differences)
    deviation = math.sqrt(sum((d - mean) ** 2 for d in differences) / (len(differences) - 1))
    return best if mean > deviation / math.sqrt(len(differences)) else 0.0


def one_target_each(places: list[int], num_candidates: int) -> np.ndarray:
    return np.array([[place == column for column in range(num_candidates)] for place in places])


@settings(deadline=None, max_examples=80)
@given(
    scores=arrays(np.float32, (4, 13), elements=st.sampled_from([0.0, 1.0, 2.0, 3.0, -5.0, -np.inf])),
    places=st.lists(st.integers(0, 13), min_size=4, max_size=4),
)
def test_ndcg_is_that_of_a_loop_with_ties_and_with_targets_that_are_no_candidate(
    scores: np.ndarray, places: list[int]
) -> None:
    is_target = one_target_each(places, 13)
    np.testing.assert_allclose(ndcg_of(scores, is_target), ndcg_by_loops(scores, is_target), rtol=1e-12)


def test_the_target_loses_every_tie_and_counts_among_the_first_ten_only() -> None:
    scores = np.zeros((1, 12), dtype=np.float32)
    scores[0, 0] = 1.0
    target = one_target_each([0], 12)
    assert ndcg_of(scores, target).tolist() == [1.0]
    scores[0, 1] = 1.0
    assert ndcg_of(scores, target).tolist() == pytest.approx([1 / math.log2(3)])
    scores[0, 1:10] = 1.0
    assert ndcg_of(scores, target).tolist() == pytest.approx([1 / math.log2(11)])
    scores[0, 1:11] = 1.0
    assert ndcg_of(scores, target).tolist() == [0.0]
    assert ndcg_of(scores, np.zeros_like(target)).tolist() == [0.0]


def candidates(seed: int, help_of_counts: float, num_users: int = 40) -> BlendCandidates:
    """Random scores; the counts tell something of the target if `help_of_counts` is above 0. The last are padding."""
    rng = np.random.default_rng(seed)
    is_target = one_target_each(rng.integers(0, 16, num_users).tolist(), 20)
    entity = rng.normal(size=(num_users, 20)) + 0.5 * is_target
    entity[:, 18:] = -np.inf
    log_counts = rng.exponential(size=(num_users, 20)) + help_of_counts * is_target
    log_counts[:, 18:] = 0.0
    return BlendCandidates(
        entity=entity.astype(np.float32), log_counts={0.0: log_counts.astype(np.float32)}, is_target=is_target
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("help_of_counts", [0.0, 0.5, 2.0])
def test_the_weight_of_the_counts_is_that_of_a_scan(seed: int, help_of_counts: float) -> None:
    given = candidates(seed, help_of_counts)
    expected = weight_by_scan(given.entity, given.log_counts[0.0], given.is_target)
    assert find_blend(given) == BlendWeights(token=0.0, entity=1.0, co_occurrence=expected)
    if help_of_counts == 2.0:
        assert expected > 0.0


@pytest.mark.parametrize("seed", range(4))
def test_the_weight_of_the_tokens_is_that_of_a_scan_over_the_first_users_beside_the_counts(seed: int) -> None:
    given = candidates(seed, 0.5)
    rng = np.random.default_rng(100 + seed)
    token = (rng.normal(size=(25, 20)) + 2.0 * given.is_target[:25]).astype(np.float32)
    base = given.entity[:25] + np.float32(0.3) * given.log_counts[0.0][:25]
    expected = weight_by_scan(base, token, given.is_target[:25])
    assert expected > 0.0
    assert find_token_weight(given, token, BlendWeights(token=0.0, entity=1.0, co_occurrence=0.3)) == expected


@pytest.mark.parametrize("seed", range(4))
def test_the_decay_over_the_history_is_the_one_whose_counts_help_most_at_their_best_weight(seed: int) -> None:
    decay_to_given = {decay: candidates(seed, gain) for decay, gain in ((0.0, 0.3), (0.3, 3.0), (0.7, 0.1))}
    first = decay_to_given[0.0]
    counts = {decay: given.log_counts[0.0] for decay, given in decay_to_given.items()}
    found = find_blend(BlendCandidates(entity=first.entity, log_counts=counts, is_target=first.is_target))
    assert (found.history_decay, found.co_occurrence) == (
        0.3,
        weight_by_scan(first.entity, counts[0.3], first.is_target),
    )
    token = 4.0 * np.flip(first.is_target, axis=1).astype(np.float32) + first.is_target
    base = first.entity + np.float32(found.co_occurrence) * counts[0.3]
    assert find_token_weight(
        BlendCandidates(entity=first.entity, log_counts=counts, is_target=first.is_target), token, found
    ) == weight_by_scan(base, token, first.is_target)


def test_a_part_that_says_nothing_stays_out() -> None:
    given, alone = candidates(0, 0.0), BlendWeights(token=0.0, entity=1.0, co_occurrence=0.0)
    for part in (np.zeros((40, 20)), np.ones((40, 20)), -2.0 * given.is_target):
        counts = {0.5: part.astype(np.float32)}
        useless = BlendCandidates(entity=given.entity, log_counts=counts, is_target=given.is_target)
        assert find_blend(useless) == alone
        assert find_token_weight(given, part.astype(np.float32), alone) == 0.0


def test_a_gain_within_its_standard_error_and_a_gain_of_one_user_stay_out() -> None:
    # with the counts two users gain a place, one loses it, one stays: a gain of 1/4 place, within an error of 1/2
    entity = np.array([[1.0, 2.0], [1.0, 2.0], [2.0, 1.0], [2.0, 1.0]], dtype=np.float32)
    counts = np.array([[2.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 0.0]], dtype=np.float32)
    is_target = one_target_each([0] * 4, 2)
    assert sum(ndcg_by_loops(entity + counts, is_target)) > sum(ndcg_by_loops(entity, is_target))

    def weight_of(users: int) -> float:
        given = {0.0: counts[:users]}
        few = BlendCandidates(entity=entity[:users], log_counts=given, is_target=is_target[:users])
        return find_blend(few).co_occurrence

    assert weight_of(4) == 0.0
    assert weight_of(1) == 0.0
    assert weight_of(2) == 0.7, "0.5 makes ties, which the target loses"


@pytest.mark.parametrize("weights", [(-0.1, 1.0, 0.0), (0.0, 0.0, 0.0)])
def test_weights_below_0_and_weights_that_are_all_0_are_refused(weights: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="blend weights must be 0 or more, not all 0"):
        BlendWeights(token=weights[0], entity=weights[1], co_occurrence=weights[2])


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_a_decay_that_does_not_fall_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match="history_decay must be from 0 to below 1"):
        BlendWeights(token=0.0, entity=1.0, co_occurrence=1.0, history_decay=decay)
