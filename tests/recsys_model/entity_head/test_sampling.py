"""Items that are sampled for a softmax: complete, with the probabilities that enumeration finds."""

import itertools
from collections.abc import Sequence
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_model.entity_head.cross_entropy import item_cross_entropy
from recsys_model.entity_head.sampling import SampledItems, sample_items

SHARES = [Fraction(3, 8), Fraction(1, 4), Fraction(1, 8), Fraction(1, 8), Fraction(1, 8), Fraction(0)]
SHARE_I = torch.tensor([float(share) for share in SHARES])
OWN = 2
"""Target of the row whose sum is looked at."""


def sampled_with(draws: Sequence[int], targets: Sequence[int], monkeypatch: pytest.MonkeyPatch) -> SampledItems:
    """What is sampled when the negatives come out as these."""
    rest = [item for item in range(6) if item not in draws]
    monkeypatch.setattr(torch, "randperm", lambda n, device=None: torch.tensor([*draws, *rest], device=device))
    return sample_items(torch.tensor(targets), len(draws), SHARE_I)


@settings(deadline=None, max_examples=60)
@given(
    targets=st.lists(st.integers(0, 8), min_size=1, max_size=7),
    num_negatives=st.integers(1, 12),
    seed=st.integers(0, 1000),
)
def test_targets_are_among_the_items_once_and_at_their_places(targets: list[int], num_negatives: int, seed: int):
    torch.manual_seed(seed)
    sampled = sample_items(torch.tensor(targets), num_negatives, torch.full((9,), 1 / 9))
    items = sampled.items.tolist()
    assert items == sorted(set(items))
    assert [items[place] for place in sampled.places.tolist()] == targets
    assert set(targets) <= set(items) <= set(range(9))
    assert min(num_negatives, 9) <= len(items) <= min(num_negatives + len(set(targets)), 9)
    assert sampled.log_shares.shape == sampled.items.shape
    assert bool((sampled.log_shares <= 0).all())


def test_as_many_negatives_as_items_are_all_items_for_certain() -> None:
    sampled = sample_items(torch.tensor([4, 4]), 9, torch.full((9,), 1 / 9))
    assert sampled.items.tolist() == list(range(9))
    assert sampled.places.tolist() == [4, 4]
    assert sampled.log_shares.tolist() == [0.0] * 9


def outcomes(num_others: int, num_negatives: int) -> list[tuple[Fraction, tuple[int, ...], tuple[int, ...]]]:
    """Every draw of the batch's other targets and of the negatives, with its probability."""
    subsets = list(itertools.combinations(range(6), num_negatives))
    found = []
    for others in itertools.product(range(6), repeat=num_others):
        probability = Fraction(1, len(subsets))
        for item in others:
            probability *= SHARES[item]
        found += [(probability, others, subset) for subset in subsets if probability > 0]
    return found


@pytest.mark.parametrize(("num_others", "num_negatives"), [(0, 2), (1, 1), (2, 2), (3, 1)])
def test_shares_are_those_of_enumeration(num_others: int, num_negatives: int, monkeypatch: pytest.MonkeyPatch) -> None:
    inclusion = [Fraction(0)] * 6
    for probability, others, subset in outcomes(num_others, num_negatives):
        for item in {*others, *subset}:
            inclusion[item] += probability
    expected = torch.tensor([float(share) for share in inclusion]).log()
    seen = set()
    for start in range(6):
        draws = [(start + step) % 6 for step in range(num_negatives)]
        sampled = sampled_with(draws, [OWN] * (num_others + 1), monkeypatch)
        torch.testing.assert_close(sampled.log_shares, expected[sampled.items], atol=1e-6, rtol=1e-6)
        seen |= set(sampled.items.tolist())
    assert seen == set(range(6))


@pytest.mark.parametrize(("num_others", "num_negatives"), [(0, 2), (2, 2), (1, 3)])
def test_the_sum_over_sampled_items_is_on_average_the_sum_over_all(
    num_others: int, num_negatives: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss of one row is log(sum) minus the own score, so its exponential gives the sum."""
    generator = torch.Generator().manual_seed(1)
    state_1D = torch.randn(1, 3, generator=generator, dtype=torch.float64)
    vectors_ID = torch.randn(6, 3, generator=generator, dtype=torch.float64)
    biases_I = torch.randn(6, generator=generator, dtype=torch.float64)
    score_I = (state_1D @ vectors_ID.T)[0] / 0.5 + biases_I
    mean, total = 0.0, Fraction(0)
    for probability, others, subset in outcomes(num_others, num_negatives):
        sampled = sampled_with(subset, [OWN, *others], monkeypatch)
        loss = item_cross_entropy(
            state_1D,
            vectors_ID[sampled.items],
            biases_I[sampled.items],
            sampled.places[:1],
            temperature=0.5,
            log_shares_K=sampled.log_shares.double(),
        )
        mean += float(probability) * float((loss + score_I[OWN]).exp())
        total += probability
    assert total == 1
    assert mean == pytest.approx(float(score_I.exp().sum()), rel=1e-6)


def test_the_draw_of_negatives_is_uniform_and_fixed_by_the_seed() -> None:
    torch.manual_seed(5)
    counts = torch.zeros(6)
    for _ in range(900):
        counts[sample_items(torch.tensor([0]), 2, SHARE_I).items] += 1
    # binomial with p = 1/3: five standard errors
    assert float((counts[1:] - 300).abs().max()) < 5 * (900 * (1 / 3) * (2 / 3)) ** 0.5
    assert float(counts[0]) == 900
    draws = []
    for _ in range(2):
        torch.manual_seed(6)
        draws.append([sample_items(torch.tensor([0]), 2, SHARE_I).items.tolist() for _ in range(5)])
    assert draws[0] == draws[1]
